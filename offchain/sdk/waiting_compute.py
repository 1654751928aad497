"""Compute for programs that wait for each answer; each method as in `AsyncCompute`."""

from collections.abc import AsyncIterator, Iterator, Sequence

from offchain.compute.answers import Route
from offchain.compute.model import Kind, Service, SignedVoucher
from offchain.compute.private_buy import PrivateRequest
from offchain.compute.verify import Policy, Verified
from offchain.sdk.asked import DEFAULT_TOKENS, Json
from offchain.sdk.compute import AnswerStream, AsyncCompute, Money
from offchain.sdk.gateway_private import AsyncGatewayPrivate, PrivateStream
from offchain.sdk.loop_thread import LoopThread


class WaitingStream:
    """Texts as they come; `verified` once they are over."""

    def __init__(self, stream: AnswerStream | PrivateStream, loop: LoopThread) -> None:
        self._stream = stream
        self._loop = loop

    @property
    def verified(self) -> Verified | None:
        return self._stream.verified

    def __iter__(self) -> Iterator[str]:
        texts: AsyncIterator[str] = aiter(self._stream)

        async def following() -> str | None:
            return await anext(texts, None)

        while (text := self._loop.run(following())) is not None:
            yield text


class GatewayPrivate:
    """Private answers through the gateway; each method as in `AsyncGatewayPrivate`."""

    def __init__(self, private: AsyncGatewayPrivate, loop: LoopThread) -> None:
        self._private = private
        self._loop = loop

    def chat(
        self,
        messages: Sequence[Json],
        *,
        service: bytes | str,
        max_tokens: int = DEFAULT_TOKENS,
        policy: Policy | None = None,
        options: Json | None = None,
    ) -> Verified:
        """A verified answer that the gateway cannot read."""
        return self._loop.run(
            self._private.chat(
                messages, service=service, max_tokens=max_tokens, policy=policy, options=options
            )
        )

    def stream(
        self,
        messages: Sequence[Json],
        *,
        service: bytes | str,
        max_tokens: int = DEFAULT_TOKENS,
        policy: Policy | None = None,
        options: Json | None = None,
    ) -> WaitingStream:
        """An answer as it is made; verified at its end."""
        stream = self._loop.run(
            self._private.stream(
                messages, service=service, max_tokens=max_tokens, policy=policy, options=options
            )
        )
        return WaitingStream(stream, self._loop)

    def trusted(self, found: Verified, policy: Policy | None = None) -> Verified:
        """With the evidence below its level, fetched and verified here."""
        return self._loop.run(self._private.trusted(found, policy))


class Compute:
    """Compute over a loop on another thread."""

    def __init__(self, compute: AsyncCompute, loop: LoopThread) -> None:
        self._compute = compute
        self._loop = loop

    def services(self, kind: Kind | None = None) -> list[Service]:
        """Services that take requests now."""
        return self._loop.run(self._compute.services(kind))

    def chat(
        self,
        messages: Sequence[Json],
        *,
        service: bytes | str,
        max_tokens: int = DEFAULT_TOKENS,
        policy: Policy | None = None,
        options: Json | None = None,
        private: bool = False,
    ) -> Verified:
        """A verified answer."""
        return self._loop.run(
            self._compute.chat(
                messages,
                service=service,
                max_tokens=max_tokens,
                policy=policy,
                options=options,
                private=private,
            )
        )

    def stream(
        self,
        messages: Sequence[Json],
        *,
        service: bytes | str,
        max_tokens: int = DEFAULT_TOKENS,
        policy: Policy | None = None,
        options: Json | None = None,
        private: bool = False,
    ) -> WaitingStream:
        """An answer as it is made; verified at its end."""
        stream = self._loop.run(
            self._compute.stream(
                messages,
                service=service,
                max_tokens=max_tokens,
                policy=policy,
                options=options,
                private=private,
            )
        )
        return WaitingStream(stream, self._loop)

    def embed(
        self,
        texts: Sequence[str],
        *,
        service: bytes | str,
        policy: Policy | None = None,
        private: bool = False,
    ) -> Verified:
        """Verified vectors, one a text."""
        return self._loop.run(
            self._compute.embed(texts, service=service, policy=policy, private=private)
        )

    def verify(
        self,
        route: Route,
        body: bytes,
        answer: bytes,
        voucher: SignedVoucher,
        policy: Policy | None = None,
        private: PrivateRequest | None = None,
    ) -> Verified:
        """Check an exchange, and what its level rests on."""
        return self._loop.run(self._compute.verify(route, body, answer, voucher, policy, private))

    def trusted(self, found: Verified, policy: Policy | None = None) -> Verified:
        """With the evidence below its level, fetched and verified here."""
        return self._loop.run(self._compute.trusted(found, policy))

    def deposit(self, amount: int, *, service: bytes | str) -> Money:
        """Put base units into the own bucket at a service's provider."""
        return self._loop.run(self._compute.deposit(amount, service=service))

    def balance(self, *, service: bytes | str) -> Money:
        """What lies with a service's provider."""
        return self._loop.run(self._compute.balance(service=service))

    def withdraw(self, amount: int, *, service: bytes | str) -> Money:
        """Ask for money back, or finish when its lock is over."""
        return self._loop.run(self._compute.withdraw(amount, service=service))
