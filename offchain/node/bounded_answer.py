"""An HTTP answer of somebody who is not trusted: so many bytes and no more, and no deep JSON."""

import httpx
from pydantic_core import from_json


async def read_bounded(answer: httpx.Response, most: int) -> tuple[bytes, bool]:
    """The body's first `most` bytes, and whether that is all of it."""
    raw = bytearray()
    async for piece in answer.aiter_raw():
        raw += piece
        if len(raw) > most:
            return bytes(raw[:most]), False
    return bytes(raw), True


def json_object(raw: bytes) -> dict[str, object]:
    """A JSON object; empty when it is none. Nesting is bounded, unlike in the standard parser."""
    try:
        found = from_json(raw, allow_inf_nan=False)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
