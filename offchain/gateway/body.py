"""A request's body as one buffer: bounded in size and time, never copied."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from fastapi import Request
from starlette.requests import ClientDisconnect

from offchain.core.layout import MAX_PAYLOAD_BYTES, PayloadEmpty, PayloadTooLarge
from offchain.da.refusals import BodySize, RequestMalformed, UploadSlow


@dataclass(frozen=True, slots=True)
class BodyRules:
    """A body is here after `seconds`, and one second more for each `bytes_per_second`."""

    seconds: float = 10.0
    bytes_per_second: int = 1 << 18


@dataclass(frozen=True, slots=True)
class Body:
    """What was sent, and its SHA-256."""

    payload: bytearray = field(repr=False)
    digest: bytes


def declared_bytes(request: Request) -> int | None:
    """The announced length; None for a stream. Raises: PayloadEmpty, PayloadTooLarge."""
    text = request.headers.get("content-length")
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise RequestMalformed(content_length=text[:20])
    length = int(text)
    if length == 0:
        raise PayloadEmpty(length=0)
    if length > MAX_PAYLOAD_BYTES:
        raise PayloadTooLarge(length=length, maximum=MAX_PAYLOAD_BYTES)
    return length


async def read_body(request: Request, length: int | None, rules: BodyRules) -> Body:
    """All of it. Raises: UploadSlow, PayloadTooLarge, PayloadEmpty, BodySize."""
    most = MAX_PAYLOAD_BYTES if length is None else length
    seconds = rules.seconds + most / rules.bytes_per_second
    try:
        async with asyncio.timeout(seconds):
            return await _read(request.stream(), length)
    except TimeoutError as error:
        raise UploadSlow(seconds=seconds) from error
    except ClientDisconnect as error:
        raise BodySize(reason="the sender hung up") from error


async def _read(stream: AsyncIterator[bytes], length: int | None) -> Body:
    payload = bytearray(length or 0)
    sponge = hashlib.sha256()
    filled = 0
    async for piece in stream:
        if filled + len(piece) > (MAX_PAYLOAD_BYTES if length is None else length):
            raise PayloadTooLarge(length=filled + len(piece), maximum=length or MAX_PAYLOAD_BYTES)
        payload[filled : filled + len(piece)] = piece
        sponge.update(piece)
        filled += len(piece)
    if length is not None and filled != length:
        raise BodySize(bytes=filled, expected=length)
    if not filled:
        raise PayloadEmpty(length=0)
    return Body(payload, sponge.digest())
