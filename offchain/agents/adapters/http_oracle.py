"""Oracles over HTTP: the way to them, and the routes on the face of the process they run in.

  POST /v1/oracles/{signer}/commit   order                              a commitment
  POST /v1/oracles/{signer}/share    order, commitments                 sealed shares
  POST /v1/oracles/{signer}/derive   parcel: wish, old file             parcel: result, new file
  POST /v1/oracles/{signer}/sign     order, location                    a signature
  GET  /v1/oracles                   signers and enclave keys of this process

Bodies and answers are bounded in size and time, and few files are taken at once.
Source: docs/protocol/agents.md#delivery-oracle.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Final

from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect

from offchain.agents.oracle import Oracle
from offchain.agents.oracle_errors import (
    OracleBusy,
    OracleFormBroken,
    OracleInvalid,
    OracleRefused,
    OracleSilent,
    OracleUnknown,
)
from offchain.agents.oracle_forms import (
    MAX_PARCEL_BYTES,
    MAX_WORDS_BYTES,
    Json,
    commitment_json,
    derived_json,
    dump,
    open_parcel,
    order_json,
    parcel,
    parse_commitment,
    parse_commitments,
    parse_derived,
    parse_location,
    parse_order,
    parse_shares,
    parse_signature,
    parse_wish,
    read_object,
    share_json,
    wish_json,
)
from offchain.agents.oracle_ports import (
    Commitment,
    Derived,
    DeriveWish,
    OraclePlace,
    Order,
    Share,
)
from offchain.core.typed_data import ADDRESS_BYTES
from offchain.node.body import Body
from offchain.node.face_routes import octets, peer_of
from offchain.node.http_face import drain
from offchain.node.peer_http import HttpLimits, PeerCall, PeerErrors, PeerHttp
from offchain.node.peer_limits import PeerLimits, PeerRate

ORACLES_PATH: Final = "/v1/oracles"
RATE: Final = PeerRate(per_second=20.0, burst=100)
FILES_AT_ONCE: Final = 6  # bodies with a file in memory
LIMITS: Final = HttpLimits(read_seconds=10.0, upload_seconds=120.0, connections=32)
ERRORS: Final = PeerErrors(OracleSilent, OracleSilent, OracleRefused, OracleInvalid)
JSON: Final = "application/json"


class HttpOracles(PeerHttp):
    """`Oracles` over HTTP. Use it as an asynchronous context manager."""

    def __init__(self) -> None:
        super().__init__(ERRORS, LIMITS)

    async def commit(self, place: OraclePlace, order: Order) -> Commitment:
        found = await self._ask(place, "commit", {"order": order_json(order)})
        try:
            return parse_commitment(found)
        except OracleFormBroken as error:
            raise _invalid(place, error) from error

    async def share(
        self, place: OraclePlace, order: Order, commitments: Sequence[Commitment]
    ) -> Sequence[Share]:
        words: Json = {
            "order": order_json(order),
            "commitments": [commitment_json(one) for one in commitments],
        }
        found = await self._ask(place, "share", words)
        try:
            return parse_shares(found.get("shares"))
        except OracleFormBroken as error:
            raise _invalid(place, error) from error

    async def derive(
        self, place: OraclePlace, wish: DeriveWish, old_file: bytes
    ) -> tuple[Derived, bytes]:
        most = MAX_PARCEL_BYTES if wish.wants_file else MAX_WORDS_BYTES
        body = Body.of(parcel(wish_json(wish)), old_file)
        call = PeerCall("POST", _path(place, "derive"), most, self.limits.upload_seconds, body=body)
        raw = await self.call(place.endpoint, call)
        try:
            words, file = open_parcel(raw)
            return parse_derived(words), file
        except OracleFormBroken as error:
            raise _invalid(place, error) from error

    async def sign(self, place: OraclePlace, order: Order, location: bytes) -> bytes:
        words: Json = {"order": order_json(order), "location": location.hex()}
        found = await self._ask(place, "sign", words)
        try:
            return parse_signature(found)
        except OracleFormBroken as error:
            raise _invalid(place, error) from error

    async def _ask(self, place: OraclePlace, step: str, words: Json) -> Json:
        call = PeerCall(
            "POST",
            _path(place, step),
            MAX_WORDS_BYTES,
            self.limits.read_seconds,
            headers={"Content-Type": JSON},
            body=Body.of(dump(words)),
        )
        raw = await self.call(place.endpoint, call)
        try:
            return read_object(raw)
        except OracleFormBroken as error:
            raise _invalid(place, error) from error


def add_oracles(app: FastAPI, oracles: Mapping[bytes, Oracle]) -> None:
    """The routes of every oracle of a process. Errors are the face's to show."""
    face = _Face(oracles)

    @app.get(ORACLES_PATH, tags=["oracles"])
    async def known() -> dict[str, object]:
        """Who delivers here; the keys count only as the chain has them."""
        shown = [one.hex() for one in oracles]
        return {"oracles": shown, "label": "SIMULATED"}

    @app.post(ORACLES_PATH + "/{signer}/commit", tags=["oracles"])
    async def commit(signer: str, request: Request) -> Response:
        """A commitment to this oracle's part of a new key."""
        words = read_object(await face.body(request, MAX_WORDS_BYTES))
        made = await face.oracle(signer).commit(parse_order(words.get("order")))
        return _json(commitment_json(made))

    @app.post(ORACLES_PATH + "/{signer}/share", tags=["oracles"])
    async def share(signer: str, request: Request) -> Response:
        """The part itself, sealed to each other oracle of the order."""
        words = read_object(await face.body(request, MAX_WORDS_BYTES))
        listed = parse_commitments(words.get("commitments"))
        made = await face.oracle(signer).share(parse_order(words.get("order")), listed)
        return _json({"shares": [share_json(one) for one in made]})

    @app.post(ORACLES_PATH + "/{signer}/derive", tags=["oracles"])
    async def derive(signer: str, request: Request) -> Response:
        """The bundle under the new key, and the new key sealed to its receiver."""
        with face.room():
            words, file = open_parcel(await face.body(request, MAX_PARCEL_BYTES))
            made, new_file = await face.oracle(signer).derive(parse_wish(words), file)
        return octets(parcel(derived_json(made), new_file))

    @app.post(ORACLES_PATH + "/{signer}/sign", tags=["oracles"])
    async def sign(signer: str, request: Request) -> Response:
        """A signature of a delivery whose file is stored."""
        words = read_object(await face.body(request, MAX_WORDS_BYTES))
        order = parse_order(words.get("order"))
        signature = await face.oracle(signer).sign(order, parse_location(words))
        return _json({"signature": signature.hex()})


class _Room:
    """A place for one body with a file. Raises: OracleBusy."""

    def __init__(self) -> None:
        self._taken = 0

    def __enter__(self) -> None:
        if self._taken >= FILES_AT_ONCE:
            raise OracleBusy(files=self._taken)
        self._taken += 1

    def __exit__(self, *_: object) -> None:
        self._taken -= 1


class _Face:
    """What the routes share."""

    def __init__(self, oracles: Mapping[bytes, Oracle]) -> None:
        self._oracles = oracles
        self._limits = PeerLimits(RATE, time.monotonic)
        self._room = _Room()

    def room(self) -> _Room:
        return self._room

    def oracle(self, text: str) -> Oracle:
        """Raises: OracleUnknown."""
        digits = text.removeprefix("0x")
        try:
            found = self._oracles.get(bytes.fromhex(digits))
        except ValueError:
            found = None
        if found is None or len(digits) != 2 * ADDRESS_BYTES:
            raise OracleUnknown(oracle=text[:80])
        return found

    async def body(self, request: Request, most: int) -> bytes:
        """Raises: OracleFormBroken, RateLimited."""
        self._limits.require(peer_of(request))
        raw = bytearray()
        pieces = request.stream()
        try:
            async for piece in pieces:
                raw += piece
                if len(raw) > most:
                    await drain(pieces)
                    raise OracleFormBroken(part="body", maximum=most)
        except ClientDisconnect as error:
            raise OracleFormBroken(part="body") from error
        return bytes(raw)


def _path(place: OraclePlace, step: str) -> str:
    return f"{ORACLES_PATH}/{place.signer.hex()}/{step}"


def _json(words: Json) -> Response:
    return Response(dump(words), media_type=JSON)


def _invalid(place: OraclePlace, error: OracleFormBroken) -> OracleInvalid:
    return OracleInvalid(endpoint=place.endpoint, reason=str(error))
