"""Model directories of random weights, made in a second: one answers, one embeds."""

import json
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import BertConfig, BertModel, LlamaConfig, LlamaForCausalLM

torch.set_num_threads(1)

END = "<|end|>"
BEGIN = "<|begin|>"
CONTEXT = 512
TEMPLATE = (
    "{% for one in messages %}{{ '<|begin|>' + one.role + ': ' + one.content + '<|end|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|begin|>assistant: ' }}{% endif %}"
)


def write_tiny_llama(folder: Path, *, seed: int = 0, layers: int = 4) -> Path:
    """A llama over single bytes; another seed is another model with the same tokenizer."""
    torch.manual_seed(seed)
    vocabulary = write_tokenizer(folder)
    config = LlamaConfig(
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=vocabulary,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=False,
        initializer_range=0.2,
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
        pad_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def write_tiny_bert(folder: Path) -> Path:
    """A BERT with the same tokenizer."""
    torch.manual_seed(1)
    vocabulary = write_tokenizer(folder)
    config = BertConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        vocab_size=vocabulary,
        max_position_embeddings=CONTEXT,
    )
    BertModel(config).save_pretrained(folder)
    return folder


def write_tokenizer(folder: Path) -> int:
    """One token a byte and two marks; returns how many ids there are."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(
        models.BPE(vocab={letter: number for number, letter in enumerate(letters)}, merges=[])
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    marks = [AddedToken(mark, special=True, normalized=False) for mark in (BEGIN, END)]
    tokenizer.add_special_tokens(marks)
    tokenizer.save(str(folder / "tokenizer.json"))
    words = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BEGIN,
        "eos_token": END,
        "chat_template": TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(words))
    return len(letters) + len(marks)
