"""Votes of a home's relayers for notices, the desk that signs them, and the collecting of a quorum.

  notices.json   {"votes": [{"kind": "raise_evaluation", "what": "18"}, ...]}, the newest last

A relayer signs what its own operator voted for, for the committee it sits in, whoever asks: what it
signs is meant for the registry, so there is nothing to hide. A vote is durable before it is signed
and stays until its notice is on chain. Source: docs/protocol/attestation.md#relayers.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from pydantic_core import from_json

from offchain.attestation.notice import Notice, NoticePosting, notice_of, parse_notice, posting_of
from offchain.attestation.relay_forms import FormMalformed
from offchain.attestation.relay_ports import Bench, RelayLedger
from offchain.core.ecdsa import SIGNATURE_BYTES, DigestSigner, signer_of
from offchain.core.errors import ApogeeError, Corrupt
from offchain.node.disk import Disk, write_durably

VOTES_FILE: Final = "notices.json"
MAX_VOTES: Final = 64  # kept; the oldest are dropped
MAX_SIGNATURES: Final = 16  # in one answer


class VotesBroken(Corrupt):
    """The file of a home's votes cannot be read."""

    code = "attestation.votes.broken"
    next_step = "Move the file away and vote again: a vote is only a wish to sign."


class VoteFile:
    """What the operators of one home voted for."""

    def __init__(self, disk: Disk, folder: Path) -> None:
        self._disk = disk
        self._path = folder / VOTES_FILE

    def votes(self) -> list[Notice]:
        """Raises: VotesBroken."""
        try:
            found = from_json(self._disk.read(self._path))
            return [notice_of(one["kind"], one["what"]) for one in found["votes"]]
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError, FormMalformed) as error:
            raise VotesBroken(path=str(self._path)) from error

    def vote(self, notice: Notice) -> None:
        """Keep one more; again: nothing happens. Raises: VotesBroken, StoreFull, StoreBroken."""
        known = self.votes()
        if notice in known:
            return
        kept = [*known, notice][-MAX_VOTES:]
        told = [{"kind": one.kind.value, "what": one.text()} for one in kept]
        write_durably(self._disk, self._path, [json.dumps({"votes": told}).encode()])


class NoticeDesk:
    """Signatures of the operators here under what they voted for."""

    def __init__(
        self, votes: VoteFile, signers: Mapping[int, DigestSigner], bench: Callable[[], Bench]
    ) -> None:
        self._votes = votes
        self._signers = signers
        self._bench = bench

    async def sign(self, raw: bytes) -> bytes:
        """The signatures, of nobody where nobody voted so or sits. Raises: FormMalformed."""
        notice, epoch = parse_notice(raw)
        return await asyncio.to_thread(self._sign, notice, epoch)

    def _sign(self, notice: Notice, epoch: int) -> bytes:
        signed: list[str] = []
        if notice in self._votes.votes():
            bench = self._bench()
            seated = {who for one in bench.committees if one.epoch == epoch for who in one.members}
            digest = notice.digest(bench.domain, epoch)
            sitting = [key for who, key in self._signers.items() if who in seated]
            signed = [key.sign_digest(digest).hex() for key in sitting]
        return json.dumps({"signatures": signed}).encode()


class AskNotices(Protocol):
    """The way to other relayers. Raises: SubjectUnreachable, SubjectRefused, SubjectInvalid."""

    async def signatures(self, endpoint: str, notice: Notice, epoch: int) -> Sequence[bytes]:
        """What the relayers at an endpoint sign of a notice; unchecked."""
        ...


def parse_signatures(raw: bytes) -> list[bytes]:
    """Of a desk's answer. Raises: FormMalformed."""
    try:
        found = from_json(raw, allow_inf_nan=False)["signatures"]
        signatures = [bytes.fromhex(one) for one in found]
    except (ValueError, KeyError, TypeError) as error:
        raise FormMalformed(part="signatures") from error
    is_bounded = isinstance(found, list) and len(signatures) <= MAX_SIGNATURES
    if not is_bounded or any(len(one) != SIGNATURE_BYTES for one in signatures):
        raise FormMalformed(part="signatures")
    return signatures


async def gather(
    notice: Notice, ledger: RelayLedger, ask: AskNotices, endpoints: Sequence[str]
) -> tuple[NoticePosting | None, Sequence[int]]:
    """What the registry takes, None while too few sign, and which operators have signed.

    Who does not answer, or answers nonsense, is passed over: the others may be enough.
    """
    head = await asyncio.to_thread(ledger.head)
    bench = await asyncio.to_thread(ledger.bench, head)
    epoch = bench.open_epoch
    digest = notice.digest(bench.domain, epoch)

    async def told(endpoint: str) -> Sequence[bytes]:
        try:
            return await ask.signatures(endpoint, notice, epoch)
        except ApogeeError:
            return ()

    signed: dict[int, bytes] = {}
    for signatures in await asyncio.gather(*map(told, endpoints)):
        for one in signatures:
            account = signer_of(digest, one)
            if account is not None:
                operator = await asyncio.to_thread(ledger.operator_of, account, head)
                signed |= {operator: one} if operator else {}
    return posting_of(notice, signed, epoch, bench), sorted(signed)
