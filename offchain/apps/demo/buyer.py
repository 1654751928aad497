"""A buyer of compute with nothing but the official `openai` client and a base URL."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

MODEL: Final = "smollm2-135m-instruct"
MAX_TOKENS: Final = 24


@dataclass(frozen=True, slots=True)
class Bought:
    """One answer, what it cost, and what the gateway checked of its receipt."""

    text: str
    tokens: int
    cost_wei: int
    provider: bytes
    receipt: str
    checks: int


def buy(base_url: str, api_key: str, question: str, *, provider: str, seconds: float) -> Bought:
    """Ask one provider a question, streamed, and read the receipt of its answer."""
    from openai import OpenAI

    with OpenAI(base_url=base_url, api_key=api_key, timeout=seconds, max_retries=0) as client:
        stream = client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": question}],
            max_tokens=MAX_TOKENS,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
            metadata={"audit_ok": "true"},
            extra_headers={"X-Apogee-Providers": provider},
        )
        parts: list[str] = []
        told: Mapping[str, Any] = {}
        usage: Mapping[str, Any] = {}
        for chunk in stream:
            parts += [one.delta.content or "" for one in chunk.choices]
            if chunk.usage is not None:
                usage = chunk.usage.model_dump()
                told = (chunk.model_extra or {})["apogee"]
        receipt = told["receipt"]
        name = str(receipt["requestId"]).removeprefix("0x")
        shown = client.get(f"/receipts/{name}", cast_to=dict[str, Any])
    return Bought(
        text="".join(parts),
        tokens=int(usage["completion_tokens"]),
        cost_wei=int(usage["cost"]),
        provider=bytes.fromhex(str(receipt["provider"]).removeprefix("0x")),
        receipt=name,
        checks=len(shown["checks"]),
    )
