"""The head of a safetensors file: does it describe exactly the bytes that follow it?

  0 u64 little-endian head bytes | 8 head (JSON: name -> dtype, shape, data_offsets) | tensors

Checked before a model is stored, so that a truncated download is found where it is cheap. Source:
https://github.com/huggingface/safetensors (format section).
"""

from math import prod
from pathlib import Path
from typing import Final

from pydantic_core import from_json

from offchain.storage.client_errors import MetadataInvalid

MAX_HEAD_BYTES: Final = 100_000_000  # the format's own bound
BITS: Final = {
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
}


def check_safetensors(path: Path) -> int:
    """The number of tensors in the file. Raises: MetadataInvalid."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head_bytes = int.from_bytes(file.read(8), "little")
        if size < 8 or not 2 <= head_bytes <= min(MAX_HEAD_BYTES, size - 8):
            raise MetadataInvalid(file=path.name, reason="head length", bytes=head_bytes)
        raw = file.read(head_bytes)
    try:
        head = from_json(raw)
    except ValueError as error:
        raise MetadataInvalid(file=path.name, reason="head is no JSON") from error
    if not isinstance(head, dict):
        raise MetadataInvalid(file=path.name, reason="head is no object")
    spans = sorted(
        _span(path, name, found) for name, found in head.items() if name != "__metadata__"
    )
    end = 0
    for start, stop in spans:
        if start != end:
            raise MetadataInvalid(file=path.name, reason="tensors overlap or leave a gap", at=end)
        end = stop
    if end != size - 8 - head_bytes:
        raise MetadataInvalid(file=path.name, bytes=size - 8 - head_bytes, described=end)
    return len(spans)


def _span(path: Path, name: str, found: object) -> tuple[int, int]:
    """Where one tensor's bytes are, once they agree with its type and shape."""
    fields = found if isinstance(found, dict) else {}
    offsets, shape = _counts(fields.get("data_offsets")), _counts(fields.get("shape"))
    bits = BITS.get(str(fields.get("dtype")))
    if offsets is None or len(offsets) != 2 or shape is None or bits is None:
        raise MetadataInvalid(file=path.name, tensor=name[:120], reason="fields")
    start, stop = offsets
    if prod(shape) * bits != 8 * (stop - start):
        raise MetadataInvalid(file=path.name, tensor=name[:120], bytes=stop - start)
    return start, stop


def _counts(value: object) -> list[int] | None:
    if not isinstance(value, list):
        return None
    counts = [one for one in value if isinstance(one, int) and not isinstance(one, bool)]
    return counts if len(counts) == len(value) and min(counts, default=0) >= 0 else None
