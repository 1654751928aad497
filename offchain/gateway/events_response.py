"""Events as they come, for as long as somebody reads them.

Who leaves, or takes longer than an answer may, ends the iterator at once: its provider stops.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from typing import Final

from fastapi import Response
from starlette.types import Receive, Scope, Send

EVENTS: Final = "text/event-stream"


class EventsResponse(Response):
    """`events` is closed when the response is over, however it ends."""

    media_type = EVENTS

    def __init__(
        self, events: AsyncGenerator[bytes, None], headers: Mapping[str, str], seconds: float
    ) -> None:
        super().__init__(headers=dict(headers))
        del self.headers["content-length"]
        self._events = events
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        sending = asyncio.create_task(self._send(send))
        leaving = asyncio.create_task(_left(receive))
        both = {sending, leaving}
        try:
            await asyncio.wait(both, timeout=self._seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            await self._events.aclose()  # who was stopped before his first step closed nothing
        if not sending.cancelled() and (error := sending.exception()) is not None:
            raise error

    async def _send(self, send: Send) -> None:
        with suppress(OSError):  # nobody reads any more
            async with aclosing(self._events) as events:
                await send(
                    {
                        "type": "http.response.start",
                        "status": self.status_code,
                        "headers": self.raw_headers,
                    }
                )
                async for event in events:
                    await send({"type": "http.response.body", "body": event, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
