"""A model directory's tokenizer and chat template: texts to ids and back.

The template runs in transformers' sandbox. Ids of a prompt are the template's, with the mark that
opens the assistant's turn; special marks inside a user's text are read as marks, as everywhere in
this protocol, so a buyer can only confuse his own answer.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from offchain.compute.engine_errors import ModelUnsupported, RequestMalformed
from offchain.compute.generation import Generation, Route
from offchain.compute.text_stream import TextAssembler

NO_LIMIT: Final = 1 << 24  # transformers writes 10^30 when a tokenizer names none


@dataclass(frozen=True, slots=True)
class TextCodec:
    """What turns requests into ids and ids into text."""

    tokenizer: Any
    end_ids: frozenset[int]
    context_tokens: int

    def prompt_ids(self, generation: Generation) -> tuple[int, ...]:
        """The ids of a prompt. Raises: RequestMalformed when the template refuses the messages."""
        if generation.route is Route.COMPLETION:
            return self.text_ids(generation.prompt)
        if not self.tokenizer.chat_template:
            raise ModelUnsupported("The model has no chat template.")
        messages = [{"role": one.role, "content": one.content} for one in generation.messages]
        text = self._render(messages)
        return tuple(self.tokenizer.encode(text, add_special_tokens=False))

    def text_ids(self, text: str) -> tuple[int, ...]:
        """The ids of plain text, with the marks the tokenizer adds by itself."""
        return tuple(self.tokenizer.encode(text))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, special marks left out."""
        return str(
            self.tokenizer.decode(
                list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
        )

    def assembler(self, stops: tuple[str, ...]) -> TextAssembler:
        """What makes pieces of an answer's ids."""
        return TextAssembler(self.decode, self.end_ids, stops)

    def _render(self, messages: list[dict[str, str]]) -> str:
        from jinja2 import TemplateError

        try:
            return str(
                self.tokenizer.apply_chat_template(
                    messages, tokenize=False, add_generation_prompt=True
                )
            )
        except TemplateError as error:
            raise RequestMalformed(
                "The model's template refuses these messages.", reason=str(error)[:100]
            ) from error


def open_codec(folder: Path) -> TextCodec:
    """The tokenizer in a directory. Raises: ModelUnsupported."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except (ValueError, OSError, KeyError, ImportError) as error:
        raise ModelUnsupported(str(error).splitlines()[0][:200], folder=folder.name) from error
    limit = tokenizer.model_max_length
    return TextCodec(tokenizer, _end_ids(folder, tokenizer), min(int(limit), NO_LIMIT))


def _end_ids(folder: Path, tokenizer: Any) -> frozenset[int]:
    """Every id that ends an answer, from the defaults, the config and the tokenizer."""
    found: set[int] = set()
    for name in ("generation_config.json", "config.json"):
        path = folder / name
        about = json.loads(path.read_text()) if path.is_file() else {}
        ends = about.get("eos_token_id")
        found.update(ends if isinstance(ends, list) else [ends] if isinstance(ends, int) else [])
    if isinstance(tokenizer.eos_token_id, int):
        found.add(tokenizer.eos_token_id)
    return frozenset(found)
