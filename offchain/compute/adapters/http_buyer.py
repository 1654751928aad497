"""Providers over HTTP: bytes out as they were signed for, bytes in as they came, all bounded.

What a call may take and what its failures are called: offchain/compute/adapters/provider_http.py.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Final

from offchain.attestation.bundle import MAX_BUNDLE_BYTES, BundleMalformed, parse_bundle
from offchain.attestation.model import Verdict, parse_verdict
from offchain.compute.adapters.provider_http import ProviderHttp
from offchain.compute.answers import Route
from offchain.compute.asks import ASK_HEADER, ask_header
from offchain.compute.engine import TOTAL_SECONDS
from offchain.compute.forms import VOUCHER_HEADER, pack_voucher, voucher_header
from offchain.compute.model import SignedVoucher
from offchain.compute.private_errors import KeyDoubt, SealKeyUntrusted
from offchain.compute.private_keys import ShownKey
from offchain.compute.read_answer import MAX_ANSWER_BYTES
from offchain.compute.signatures import DigestSigner
from offchain.compute.trust import Evidence
from offchain.core.errors import InvalidInput
from offchain.node.body import Body
from offchain.node.bounded_answer import json_object
from offchain.node.peer_http import PeerCall

PATHS: Final = {
    Route.CHAT: "/v1/chat/completions",
    Route.COMPLETION: "/v1/completions",
    Route.EMBEDDING: "/v1/embeddings",
}
ASK_SECONDS: Final = TOTAL_SECONDS + 30.0
MAX_SHOWN_BYTES: Final = 1 << 20
MAX_LEAVES_BYTES: Final = 64 << 20
MOST_SIGNATURES: Final = 32
NO_HEADERS: Final[Mapping[str, str]] = {}
JSON_HEADERS: Final[Mapping[str, str]] = {"Content-Type": "application/json"}


class HttpProviderClient(ProviderHttp):
    """A `ProviderClient` over httpx; use it as an asynchronous context manager."""

    async def ask(self, endpoint: str, route: Route, body: bytes, voucher: SignedVoucher) -> bytes:
        """The whole answer's bytes."""
        return await self.call(endpoint, _paid(route, body, voucher))

    async def stream(
        self, endpoint: str, route: Route, body: bytes, voucher: SignedVoucher
    ) -> AsyncIterator[bytes]:
        """The answer's bytes as they come."""
        size = 0
        async with self.open(endpoint, _paid(route, body, voucher)) as answer:
            async for piece in answer.aiter_raw():
                size += len(piece)
                if size > MAX_ANSWER_BYTES:
                    raise self.oversize(endpoint, MAX_ANSWER_BYTES)
                yield piece

    async def acknowledge(self, endpoint: str, voucher: SignedVoucher) -> None:
        """Pay for what was answered."""
        seconds, body = self.limits.read_seconds, Body.of(pack_voucher(voucher))
        call = PeerCall(
            "POST", "/v1/vouchers", MAX_ANSWER_BYTES, seconds, headers=JSON_HEADERS, body=body
        )
        await self.call(endpoint, call)

    async def shown_key(self, endpoint: str, service: bytes, attestation_id: bytes) -> ShownKey:
        """What requests may be sealed to, and the verdict about it, both unchecked."""
        offered = await self.shown(endpoint, "/v1/evidence")
        judged = await self.shown(endpoint, f"/v1/attestation/verdicts/0x{attestation_id.hex()}")
        return ShownKey(_key_in(offered, service), verdict_in(judged))

    async def shown_evidence(self, endpoint: str, attestation_id: bytes) -> Evidence:
        """A verdict and the bundle it is about, both unchecked."""
        found = await self.shown(endpoint, f"/v1/attestation/verdicts/0x{attestation_id.hex()}")
        verdict = verdict_in(found)
        path = f"/v1/attestation/bundles/0x{verdict.evidence_id.hex()}"
        raw = await self._raw(endpoint, path, MAX_BUNDLE_BYTES)
        try:
            return Evidence(verdict, parse_bundle(raw), signatures_in(found))
        except BundleMalformed as error:
            raise SealKeyUntrusted(KeyDoubt.MALFORMED, part="bundle") from error

    async def shown(self, endpoint: str, path: str) -> dict[str, object]:
        """A JSON object that anybody may see. Raises: ProviderUnreachable, ProviderRefused."""
        return json_object(await self._raw(endpoint, path, MAX_SHOWN_BYTES))

    async def shown_leaves(
        self, endpoint: str, batch: int, signer: DigestSigner, *, provider: bytes, time: int
    ) -> dict[str, object]:
        """A payer's items of a batch, asked for with his key at a chain time; unchecked."""
        path = f"/v1/batches/{batch}/leaves"
        header = ask_header(signer, provider, time, f"GET {path}")
        raw = await self._raw(endpoint, path, MAX_LEAVES_BYTES, {ASK_HEADER: header})
        return json_object(raw)

    async def _raw(
        self, endpoint: str, path: str, most: int, headers: Mapping[str, str] = NO_HEADERS
    ) -> bytes:
        call = PeerCall("GET", path, most, self.limits.read_seconds, headers=headers)
        return await self.call(endpoint, call)


def _paid(route: Route, body: bytes, voucher: SignedVoucher) -> PeerCall:
    headers = {**JSON_HEADERS, VOUCHER_HEADER: voucher_header(voucher)}
    return PeerCall(
        "POST", PATHS[route], MAX_ANSWER_BYTES, ASK_SECONDS, headers=headers, body=Body.of(body)
    )


def verdict_in(found: Mapping[str, object]) -> Verdict:
    """The verdict in what /v1/attestation/verdicts shows. Raises: SealKeyUntrusted."""
    try:
        return parse_verdict(_bytes(found.get("verdict")))
    except (InvalidInput, ValueError) as error:
        raise SealKeyUntrusted(KeyDoubt.MALFORMED, part="verdict") from error


def signatures_in(found: Mapping[str, object]) -> tuple[bytes, ...]:
    """The relayers' signatures beside a verdict. Raises: SealKeyUntrusted."""
    listed = found.get("signatures", [])
    if not isinstance(listed, list) or len(listed) > MOST_SIGNATURES:
        raise SealKeyUntrusted(KeyDoubt.MALFORMED, part="signatures")
    try:
        return tuple(_bytes(one) for one in listed)
    except ValueError as error:
        raise SealKeyUntrusted(KeyDoubt.MALFORMED, part="signatures") from error


def _key_in(found: Mapping[str, object], service: bytes) -> bytes:
    """The key of a service in what /v1/evidence shows. Raises: SealKeyUntrusted."""
    listed = found.get("services")
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, dict) and one.get("service") == "0x" + service.hex():
            try:
                return _bytes(one.get("encryption_key"))
            except ValueError as error:
                raise SealKeyUntrusted(KeyDoubt.MALFORMED, part="key") from error
    raise SealKeyUntrusted(KeyDoubt.MALFORMED, part="service")


def _bytes(value: object) -> bytes:
    if not isinstance(value, str) or not value.startswith("0x"):
        raise ValueError("no bytes")
    return bytes.fromhex(value[2:])
