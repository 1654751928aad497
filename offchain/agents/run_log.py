"""The log of a run: a Merkle list of its steps, signed by the session key; pure, and checkable.

  step   {"n", "act", "kind", "name", "in", "out", "spend", "receipt"}; `in` and `out` are digests
         keyed by the run, so the log tells nothing of what was thought; `receipt` is whole
  leaf   keccak(0x00 | RFC 8785 JSON of the step)      node = keccak(0x01 | left | right)
  root   of n leaves: split at the largest power of two below n (RFC 6962); of none: 32 zero bytes
  leaves all of them, in order: whoever reads a log that was changed is told the line
  signed RunLog(run, account, token, epoch, intent, root, steps, spent, reason) by the session key

Source: docs/protocol/agents.md#run-log.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Self

import rfc8785

from offchain.agents.intent import Limits, intent_digest
from offchain.agents.runtime_errors import RunLogWrong
from offchain.compute.errors import UnverifiedAnswer
from offchain.compute.forms import parse_receipt_json, receipt_json, show
from offchain.compute.model import SignedReceipt
from offchain.core.ecdsa import DigestSigner, signer_of
from offchain.core.errors import InvalidInput
from offchain.core.hashing import Digest, keccak
from offchain.core.typed_data import domain_of, typed_digest

VERSION: Final = 2
MAX_STEPS: Final = 4_096
MAX_BYTES: Final = 1 << 24
LOG_TYPE: Final = keccak(
    b"RunLog(bytes32 run,address account,uint256 token,uint64 epoch,bytes32 intent,bytes32 root,"
    b"uint32 steps,uint96 spent,string reason)"
)


@dataclass(frozen=True, slots=True)
class Step:
    """One act. `name`: the service, or the tool; `receipt`: of a thought."""

    act: str
    kind: str
    name: str
    asked: bytes
    said: bytes
    spend: int = 0
    receipt: SignedReceipt | None = None

    def as_json(self, number: int) -> dict[str, object]:
        receipt = self.receipt
        shown = None
        if receipt is not None:
            signature = show(receipt.signature)
            shown = {"receipt": receipt_json(receipt.receipt), "signature": signature}
        return {
            "n": number,
            "act": self.act,
            "kind": self.kind,
            "name": self.name,
            "in": show(self.asked),
            "out": show(self.said),
            "spend": str(self.spend),
            "receipt": shown,
        }

    @classmethod
    def from_json(cls, found: Mapping[str, object]) -> Self:
        """Raises: RunLogWrong."""
        try:
            shown, signed = found["receipt"], None
            if isinstance(shown, dict):
                signed = parse_receipt_json(shown["receipt"], shown["signature"])
            return cls(
                act=str(found["act"]),
                kind=str(found["kind"]),
                name=str(found["name"]),
                asked=_raw(found["in"]),
                said=_raw(found["out"]),
                spend=int(str(found["spend"])),
                receipt=signed,
            )
        except (KeyError, ValueError, TypeError, InvalidInput, UnverifiedAnswer) as error:
            raise RunLogWrong(field="step", reason=str(error)[:80]) from error


@dataclass(frozen=True, slots=True)
class RunLog:
    """What a run did. `key`: the session's; `payer`: whose money it was."""

    run: bytes
    chain_id: int
    collection: bytes
    token: int
    epoch: int
    account: bytes
    payer: bytes
    key: bytes
    goal_hash: bytes
    limits: Limits
    skill: str
    reason: str
    steps: tuple[Step, ...] = field(repr=False)
    signature: bytes = b""

    @property
    def intent(self) -> Digest:
        return intent_digest(self.goal_hash, self.limits, self.skill)

    @property
    def spent(self) -> int:
        return sum(step.spend for step in self.steps)

    @property
    def root(self) -> bytes:
        return list_root([leaf_of(step, n) for n, step in enumerate(self.steps)])

    def digest(self) -> Digest:
        """What is signed."""
        domain = domain_of(
            "Apogee Agent Runtime", "1", chain_id=self.chain_id, contract=self.account
        )
        return typed_digest(
            domain,
            LOG_TYPE,
            self.run,
            self.account,
            self.token,
            self.epoch,
            self.intent,
            self.root,
            len(self.steps),
            self.spent,
            keccak(self.reason.encode()),
        )

    def signed(self, signer: DigestSigner) -> Self:
        return replace(self, signature=signer.sign_digest(self.digest()))

    def as_json(self) -> dict[str, object]:
        leaves = [leaf_of(step, n) for n, step in enumerate(self.steps)]
        return {
            "version": VERSION,
            "run": show(self.run),
            "chain_id": self.chain_id,
            "collection": show(self.collection),
            "token": self.token,
            "epoch": self.epoch,
            "account": show(self.account),
            "payer": show(self.payer),
            "key": show(self.key),
            "goal_hash": show(self.goal_hash),
            "limits": self.limits.as_json(),
            "skill": self.skill,
            "reason": self.reason,
            "spent": str(self.spent),
            "root": show(list_root(leaves)),
            "leaves": [show(leaf) for leaf in leaves],
            "steps": [step.as_json(n) for n, step in enumerate(self.steps)],
            "signature": show(self.signature),
        }

    def to_bytes(self) -> bytes:
        return json.dumps(self.as_json(), indent=1).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Raises: RunLogWrong for another form, a line that is not what was signed, which it
        names, another field, or a signature of another key.
        """
        try:
            found = json.loads(raw) if len(raw) <= MAX_BYTES else {}
            steps = found["steps"]
            if found["version"] != VERSION or len(steps) > MAX_STEPS:
                raise RunLogWrong(field="version")
            log = cls(
                run=_raw(found["run"]),
                chain_id=int(found["chain_id"]),
                collection=_raw(found["collection"]),
                token=int(found["token"]),
                epoch=int(found["epoch"]),
                account=_raw(found["account"]),
                payer=_raw(found["payer"]),
                key=_raw(found["key"]),
                goal_hash=_raw(found["goal_hash"]),
                limits=Limits.from_json(found["limits"]),
                skill=str(found["skill"]),
                reason=str(found["reason"]),
                steps=tuple(_step(line, one) for line, one in enumerate(steps)),
                signature=_raw(found["signature"]),
            )
            told = log.as_json()
            _check_lines(steps, found["leaves"], told)
            key = signer_of(log.digest(), log.signature)
        except (ValueError, KeyError, TypeError, OverflowError, InvalidInput) as error:
            raise RunLogWrong(field="form", reason=str(error)[:80]) from error
        wrong = sorted(name for name in {*found, *told} if found.get(name) != told.get(name))
        if wrong:
            raise RunLogWrong(field=wrong[0][:40])
        if key != log.key:
            raise RunLogWrong(field="signature")
        return log


def leaf_of(step: Step, number: int) -> Digest:
    """A step's leaf."""
    return keccak(b"\x00", rfc8785.dumps(step.as_json(number)))  # type: ignore[arg-type]  # JSON by construction


def list_root(leaves: Sequence[bytes]) -> bytes:
    """The root over leaves in order."""
    if not leaves:
        return bytes(32)
    if len(leaves) == 1:
        return leaves[0]
    cut = 1 << (len(leaves) - 1).bit_length() - 1
    return keccak(b"\x01", list_root(leaves[:cut]), list_root(leaves[cut:]))


def path_of(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """What shows one step without the others, lowest sibling first."""
    if len(leaves) <= 1:
        return []
    cut = 1 << (len(leaves) - 1).bit_length() - 1
    if index < cut:
        return [*path_of(leaves[:cut], index), list_root(leaves[cut:])]
    return [*path_of(leaves[cut:], index - cut), list_root(leaves[:cut])]


def is_step(root: bytes, leaf: bytes, place: tuple[int, int], path: Sequence[bytes]) -> bool:
    """Whether a leaf is step `place[0]` of `place[1]` under a root."""
    return 0 <= place[0] < place[1] and _root_from(leaf, place, list(path)) == root


def _root_from(leaf: bytes, place: tuple[int, int], path: list[bytes]) -> bytes | None:
    index, count = place
    if count == 1:
        return leaf if not path else None
    if not path:
        return None
    cut, sibling = 1 << (count - 1).bit_length() - 1, path[-1]
    if index < cut:
        below = _root_from(leaf, (index, cut), path[:-1])
        return None if below is None else keccak(b"\x01", below, sibling)
    below = _root_from(leaf, (index - cut, count - cut), path[:-1])
    return None if below is None else keccak(b"\x01", sibling, below)


def _step(line: int, found: Mapping[str, object]) -> Step:
    try:
        return Step.from_json(found)
    except RunLogWrong as error:
        raise RunLogWrong(field="step", line=line, **_reason(error)) from error


def _check_lines(
    steps: Sequence[Mapping[str, object]], leaves: Sequence[object], told: Mapping[str, object]
) -> None:
    """Raises: RunLogWrong with the first line that is gone, moved, added or altered."""
    lines, right = told["steps"], told["leaves"]
    assert isinstance(lines, list)
    assert isinstance(right, list)
    for line, step in enumerate(steps):
        if step["n"] != line:
            raise RunLogWrong(field="step", line=line, reason=f"line {step['n']} stands here")
        if line >= len(leaves):
            raise RunLogWrong(field="step", line=line, reason="added")
        if step != lines[line] or leaves[line] != right[line]:
            raise RunLogWrong(field="step", line=line, reason="altered")
    if len(leaves) > len(steps):
        raise RunLogWrong(field="step", line=len(steps), reason="missing")


def _reason(error: RunLogWrong) -> dict[str, str]:
    return {"reason": str(error.fields.get("reason", "form"))}


def _raw(found: object) -> bytes:
    return bytes.fromhex(str(found).removeprefix("0x"))
