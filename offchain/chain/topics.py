"""Indexed event fields: a value type is its own 32 bytes, anything longer is only its hash."""

from typing import Any

from offchain.chain.contract_abi import Parameter, decode_values, encode_values
from offchain.core.hashing import keccak


def encode_topic(parameter: Parameter, value: object) -> bytes:
    """What a filter compares with; text and bytes of any length by their hash."""
    if parameter.type == "string":
        return keccak(str(value).encode())
    if parameter.type == "bytes" and isinstance(value, bytes):
        return keccak(value)
    return encode_values(f"topic {parameter.name}", [parameter], [value])


def decode_topic(parameter: Parameter, topic: bytes) -> Any:
    """The value, or the hash where the chain keeps nothing else."""
    if parameter.type in {"string", "bytes"} or parameter.is_array or parameter.components:
        return topic
    return decode_values(f"topic {parameter.name}", [parameter], topic)[0]
