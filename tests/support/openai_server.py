"""A server that speaks the OpenAI protocol as local engines do, over loopback; words for tokens."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from offchain.node.http_face import loopback_server

WORDS = ("I ", "am ", "an ", "engine ", "behind ", "a ", "URL.")


@dataclass
class FakeEngine:
    """What the server does; `lines` makes the SSE lines of a request, `status` refuses all."""

    lines: Callable[[dict[str, object]], list[str]] | None = None
    status: int = 200
    has_usage: bool = True
    gate: asyncio.Event | None = None
    bodies: list[dict[str, object]] = field(default_factory=list)
    disconnects: int = 0

    def events(self, body: dict[str, object]) -> list[str]:
        """The lines of an answer of at most `max_tokens` words."""
        if self.lines:
            return self.lines(body)
        limit = int(str(body["max_tokens"]))
        said = WORDS[:limit]
        is_chat = "messages" in body
        out = []
        for number, word in enumerate(said):
            part = {"delta": {"content": word}} if is_chat else {"text": word}
            event: dict[str, object] = {"choices": [{**part, "finish_reason": None}]}
            if self.has_usage:
                event["usage"] = {"prompt_tokens": 3, "completion_tokens": number + 1}
            out.append(event)
        reason = "length" if limit <= len(WORDS) else "stop"
        last = {"delta": {}} if is_chat else {"text": ""}
        out.append({"choices": [{**last, "finish_reason": reason}]})
        if self.has_usage:
            usage = {"prompt_tokens": 3, "completion_tokens": len(said)}
            out.append({"choices": [], "usage": usage})
        return [f"data: {json.dumps(event)}" for event in out] + ["data: [DONE]"]


def build_app(engine: FakeEngine) -> FastAPI:
    """The routes of a local engine."""
    app = FastAPI()

    @app.post("/v1/chat/completions")
    @app.post("/v1/completions")
    async def answer(request: Request) -> Response:
        body = await request.json()
        engine.bodies.append(body)
        if engine.status != 200:
            return JSONResponse({"error": "no"}, engine.status)

        async def lines() -> AsyncIterator[str]:
            try:
                for line in engine.events(body):
                    if engine.gate:
                        await engine.gate.wait()
                    yield f"{line}\n\n"
            except asyncio.CancelledError:
                engine.disconnects += 1
                raise

        return StreamingResponse(lines(), media_type="text/event-stream")

    @app.post("/v1/embeddings")
    async def embed(request: Request) -> Response:
        body = await request.json()
        rows = [
            {"index": at, "embedding": [float(len(text)), 1.0]}
            for at, text in enumerate(body["input"])
        ]
        usage = {"prompt_tokens": sum(len(text.split()) for text in body["input"])}
        return JSONResponse({"data": rows[::-1], "usage": usage}, engine.status)

    return app


@asynccontextmanager
async def serve_openai(engine: FakeEngine) -> AsyncIterator[str]:
    """The URL of a running server."""
    server = loopback_server(build_app(engine), 0, connections=64)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # it has no event for that
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.should_exit = True
        await serving
