"""Refuses keys and mnemonics in a bundle: an agent's money lies in its account, not in its files.

Looked for in every file, as it is and inside JSON: 32 bytes in hex that are not declared `public`
(a hash and a private key look alike, so silence means key), PEM and OpenSSH private keys, WIF and
extended private keys, keystore files, and mnemonics of BIP-39 with a right checksum. The memory
keys of the manifest are what the bundle is for, and pass. Found is named, never shown.
Source: docs/protocol/agents.md#runtime.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

from offchain.agents.manifest import MANIFEST, Files, parse_manifest
from offchain.agents.runtime_errors import BundleHoldsSecret

_HEX_KEY: Final = re.compile(rb"(?<![0-9a-fA-F])(?:0x)?([0-9a-fA-F]{64})(?![0-9a-fA-F])")
_PEM: Final = re.compile(rb"-----BEGIN [A-Z ]{0,24}PRIVATE KEY( BLOCK)?-----")
_BASE58: Final = re.compile(rb"(?<![1-9A-HJ-NP-Za-km-z])([1-9A-HJ-NP-Za-km-z]{51,112})")
_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_EXTENDED: Final = (bytes.fromhex("0488ade4"), bytes.fromhex("04358394"))  # xprv, tprv
_WIF: Final = (0x80, 0xEF)
_WORD: Final = re.compile(r"[a-z]{3,8}")
_COUNTS: Final = (12, 15, 18, 21, 24)


def lint(files: Files) -> None:
    """Raises: BundleHoldsSecret with the file and what it looks like; BundleMalformed."""
    manifest = parse_manifest(files)
    allowed = {manifest.stream, manifest.model.model_hash, *manifest.public}
    body = json.loads(files[MANIFEST])
    body["memory"]["keys"] = []  # typed fields, sealed like everything here
    shown = {**files, MANIFEST: json.dumps(body).encode()}
    for name, raw in shown.items():
        for what in _found(raw, allowed):
            raise BundleHoldsSecret(file=name[:120], looks_like=what)


def _found(raw: bytes, allowed: set[bytes]) -> Iterator[str]:
    if any(bytes.fromhex(one.decode()) not in allowed for one in _HEX_KEY.findall(raw)):
        yield "32 bytes in hex that are not declared public"
    if _PEM.search(raw):
        yield "a private key in PEM"
    if any(_is_base58_key(match.decode()) for match in _BASE58.findall(raw)):
        yield "a private key in base58"
    text = raw.decode(errors="replace")
    if _is_keystore(text):
        yield "a keystore file"
    if any(_has_mnemonic(words) for words in _word_runs(text)):
        yield "a mnemonic"


def _is_base58_key(text: str) -> bool:
    """WIF, or an extended private key, with its checksum."""
    number = 0
    for letter in text:
        number = number * 58 + _ALPHABET.index(letter)
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    body, check = raw[:-4], raw[-4:]
    if hashlib.sha256(hashlib.sha256(body).digest()).digest()[:4] != check:
        return False
    is_wif = len(body) in (33, 34) and body[0] in _WIF
    return is_wif or (len(body) == 78 and body[:4] in _EXTENDED)


def _is_keystore(text: str) -> bool:
    try:
        body = json.loads(text)
    except ValueError:
        return False
    crypto = body.get("crypto", body.get("Crypto")) if isinstance(body, Mapping) else None
    return isinstance(crypto, Mapping) and "ciphertext" in crypto


def _word_runs(text: str) -> Iterator[list[str]]:
    """Runs of words of the list, however they are separated."""
    known, run = _words(), []
    for word in _WORD.findall(text.lower()):
        if word in known:
            run.append(word)
            continue
        if len(run) >= _COUNTS[0]:
            yield run
        run = []
    if len(run) >= _COUNTS[0]:
        yield run


def _has_mnemonic(run: list[str]) -> bool:
    return any(
        _is_mnemonic(run[start : start + count])
        for count in _COUNTS
        for start in range(len(run) - count + 1)
    )


def _is_mnemonic(words: list[str]) -> bool:
    """The checksum of BIP-39: the last bits are of the hash of the others."""
    places, count = _words(), len(words)
    number = 0
    for word in words:
        number = number << 11 | places[word]
    check_bits = count * 11 // 33
    entropy = (number >> check_bits).to_bytes(count * 11 * 32 // 33 // 8, "big")
    wanted = hashlib.sha256(entropy).digest()[0] >> (8 - check_bits)
    return number & ((1 << check_bits) - 1) == wanted


@cache
def _words() -> dict[str, int]:
    """The English list of BIP-39, by place."""
    from eth_account.hdaccount.mnemonic import Mnemonic
    from eth_account.types import Language

    words = {word: place for place, word in enumerate(Mnemonic(Language.ENGLISH).wordlist)}
    assert len(words) == 2_048, "another list"
    return words
