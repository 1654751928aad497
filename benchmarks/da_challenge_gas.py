"""Gas of challenges and fraud proofs: opening, answering, closing, and proving a bad row or leaf.

Figures are whole transactions on the devnet chain, with the EIP-7623 floor; 32 operators of equal
stake, one absent from each certificate. `da.bad_row.gas.*` is the proof alone, sent as a
transaction to the view that judges it; `da.bad_row.whole.gas.*` is everything: the announcement
checked, the blob void, disperser and signer slashed, the payer refunded. Bars hold for the proof.
"""

import sys
from dataclasses import dataclass, replace

import numpy as np
from eth_account import Account

from benchmarks.da_gas import CertificateStage
from benchmarks.rows import Row, at_most, measure
from offchain.core import kzg
from offchain.core.bls import aggregate_signatures
from offchain.core.combination import challenge
from offchain.core.erasure import ErasureEngine
from offchain.core.erasure.choose import choose_engine
from offchain.core.hashing import keccak
from offchain.core.layout import STEP_PAYLOAD_BYTES, K, N
from offchain.core.matrix.encode import EncodedBlob, encode
from offchain.core.matrix.openings import point_of
from offchain.core.merkle import CosetTree, data_root, row_root
from offchain.core.typed_data import words
from offchain.core.units import WEI_PER_COIN
from offchain.core.wire import Header
from offchain.da.model import Attestation, Blob, attestation_digest, domain_separator, encode_absent
from offchain.da.onchain_challenges import WHOLE_ROW
from offchain.da.quorums import absent_signer

COMMAND = "apogee bench da --json"
CHAIN_ID = 31_337
BAD_ROW = 2_000
DIRTY_ROW = 7
NARROW, KIBIBYTE, WIDE = 8, 32, 1_024  # columns: rows of 256 bytes, 1 KiB, 32 KiB
BAR_ANSWER = 95_000
BARS_BAD_ROW = {NARROW: None, KIBIBYTE: 130_000, WIDE: 1_400_000}
ABSENT_BITS = [1, 0, 0, 0]
SALT = keccak(b"salt")


@dataclass(frozen=True, slots=True)
class StagedBlob:
    """A confirmed blob on the stage's chain, and its fields as the contracts take them."""

    encoded: EncodedBlob
    fields: tuple[object, ...]
    identifier: bytes
    epoch: int
    seed: bytes

    def path(self, row: int) -> bytes:
        return b"".join((*self.encoded.row_path(row), *self.encoded.header.coset_roots))

    def frame(self, row: int, leaf: int) -> bytes:
        return self.encoded.leaf_frame(row, leaf).to_bytes()


class ChallengeStage(CertificateStage):
    """A chain with blobs whose encodings are real but for one parity row and one data byte."""

    def __init__(self) -> None:
        super().__init__()
        self.engine = choose_engine()
        self.count = 0

    def confirmed(self, columns: int) -> StagedBlob:
        """Pay for a bad blob of that width and confirm it; the next operator disperses."""
        self.count += 1
        secret = self.secrets[self.count]
        encoded = bad_encoding(columns, self.engine)
        blob = replace(
            self._blob(self.count),
            payer=_account(secret),
            disperser=_account(secret),
            data_root=encoded.header.data_root,
            commitment_hash=keccak(encoded.header.commitment),
            columns=columns,
            length=encoded.shape.length,
        )
        fields = tuple(getattr(blob, name) for name in Blob.__slots__)
        fee = self.stage.read("DAEntrance", "quote", blob.length, blob.retention_days)
        commitment = encoded.header.commitment
        self.stage.value_call(secret, "DAEntrance", "pay", fields, commitment, b"", value=fee)
        self.stage.chain.mine(2)
        identifier = self.stage.read("DAEntrance", "blob_id", fields)
        record = self.stage.read("DAEntrance", "record", identifier)
        entropy = self.stage.chain.ledger.block_hash(record[2] + 1)
        seed = self.stage.read("DASigners", "blob_seed", record[5], identifier, entropy)
        self._confirm(
            fields,
            Attestation(
                blob_id=identifier,
                epoch=record[5],
                quorum_id=0,
                seed=seed,
                data_root=blob.data_root,
                commitment_hash=blob.commitment_hash,
                columns=blob.columns,
                length=blob.length,
                expiry=record[4],
            ),
        )
        return StagedBlob(encoded, fields, identifier, record[5], seed)

    def _confirm(self, fields: tuple[object, ...], attestation: Attestation) -> None:
        entrance = self.stage.contracts["DAEntrance"].address
        domain = domain_separator(chain_id=CHAIN_ID, entrance=entrance)
        digest = attestation_digest(attestation, domain)
        quorum, keys = self.table.quorums[0], dict(zip(self.ids, self.keys, strict=True))
        signers = [keys[signer.operator_id] for signer in quorum.signers]
        signature = aggregate_signatures([key.sign(digest) for key in signers[1:]])
        gone = encode_absent([absent_signer(quorum, 0, signers[0].public_key())])
        self.stage.send("DAEntrance", "confirm", fields, gone, signature.eip2537(), sender=2)

    def signed_rows(self, staged: StagedBlob, count: int) -> list[int]:
        """The first rows whose owners signed."""
        found: list[int] = []
        for row in range(N):
            arguments = (staged.epoch, staged.seed, row, ABSENT_BITS)
            if self.stage.read("DASigners", "signing_owner", *arguments):
                found.append(row)
            if len(found) == count:
                break
        return found

    def owner_secret(self, staged: StagedBlob, row: int) -> bytes:
        owner = self.stage.read("DASigners", "owner_of_row", staged.epoch, staged.seed, row)
        return self.secrets[self.ids.index(owner)]

    def challenge(self, staged: StagedBlob, row: int, leaf: int) -> int:
        arguments = (staged.fields, row, leaf, staged.seed, ABSENT_BITS)
        return self.stage.send(
            "DAChallenges", "challenge", *arguments, sender=3, value=WEI_PER_COIN
        )

    def answer(self, staged: StagedBlob, row: int, leaf: int) -> int:
        secret = self.owner_secret(staged, row)
        if leaf == WHOLE_ROW:
            data, path = staged.encoded.rows[row].tobytes(), staged.path(row)
            arguments: tuple[object, ...] = (staged.fields, row, data, path)
            return self.stage.send_as(secret, "DAChallenges", "answer_row", *arguments)
        frame = staged.frame(row, leaf)
        return self.stage.send_as(secret, "DAChallenges", "answer_leaf", staged.fields, frame)

    def announce(self, digest: bytes) -> int:
        """As operator 0; the next transaction is in a later block."""
        reporter = self.secrets[0]
        commitment = keccak(words(digest, _account(reporter), SALT))
        return self.stage.send_as(reporter, "DAFraudProofs", "commit", commitment)


def bad_encoding(columns: int, engine: ErasureEngine) -> EncodedBlob:
    """The widest payload of that many columns with one bit of a parity row and a top byte wrong."""
    payload = np.random.default_rng(columns).bytes(STEP_PAYLOAD_BYTES * columns // 8)
    base = encode(payload, engine)
    rows = base.rows
    rows[BAD_ROW, columns // 2, 31] ^= 1
    rows[DIRTY_ROW, 3, 0] = 1
    roots = engine.row_roots(rows)
    trees = tuple(
        CosetTree.build(roots[start : start + K], engine.keccak_many) for start in range(0, N, K)
    )
    coset_roots = (trees[0].root, trees[1].root, trees[2].root)
    root = data_root(*coset_roots)
    values = engine.combine(rows[:K], challenge(root, base.shape))
    commitment = kzg.commit(engine.coefficients(values), use_ifma=engine.uses_ifma)
    header = Header(columns, base.shape.length, root, coset_roots, commitment, values)
    return EncodedBlob(base.shape, header, rows, trees)


def run() -> list[Row]:
    """Measure everything; raises when a transaction that must succeed does not."""
    stage = ChallengeStage()
    rows = _challenge_rows(stage)
    for columns in (NARROW, KIBIBYTE, WIDE):
        rows += _bad_row_rows(stage, columns)
    return [*rows, *_bad_leaf_rows(stage), *_silence_rows(stage)]


def _challenge_rows(stage: ChallengeStage) -> list[Row]:
    """The widest blob has the longest paths; each first answer writes a new credit."""
    staged = stage.confirmed(WIDE)
    leaf_row, whole_row = stage.signed_rows(staged, 2)
    opened = stage.challenge(staged, leaf_row, 77)
    answered = stage.answer(staged, leaf_row, 77)
    stage.challenge(staged, whole_row, WHOLE_ROW)
    published = stage.answer(staged, whole_row, WHOLE_ROW)
    return [
        _row("da.challenge.gas", opened),
        _row("da.answer.gas", answered, BAR_ANSWER),
        _row("da.answer_row.gas.32_kib", published),
    ]


def _silence_rows(stage: ChallengeStage) -> list[Row]:
    """Last, because time passes: no later payment would find its table."""
    staged = stage.confirmed(NARROW)
    (row,) = stage.signed_rows(staged, 1)
    stage.challenge(staged, row, 0)
    windows = stage.stage.read("DAEntrance", "windows")
    stage.stage.chain.increase_time(10 * windows[2])  # blocks run ahead of the clock
    stage.stage.chain.mine()
    closed = stage.stage.send("DAChallenges", "close", staged.identifier, row, 0, sender=4)
    return [_row("da.close.gas", closed)]


def _bad_row_rows(stage: ChallengeStage, columns: int) -> list[Row]:
    staged = stage.confirmed(columns)
    data, path = staged.encoded.rows[BAD_ROW].tobytes(), staged.path(BAD_ROW)
    coefficients = stage.engine.coefficients(staged.encoded.header.combinations)
    opened = kzg.open_at(coefficients, point_of(BAD_ROW))
    value = opened.value.to_bytes(32, "big")
    opening = staged.encoded.header.commitment + value + opened.proof
    shown = (staged.fields, BAD_ROW, data, path, opening)
    checked = stage.stage.send("DAFraudProofs", "check_bad_row", *shown)
    digest = keccak(words(staged.identifier, BAD_ROW, WHOLE_ROW, row_root(data)))
    announced = stage.announce(digest)
    proven = stage.stage.send_as(
        stage.secrets[0], "DAFraudProofs", "prove_bad_row", *shown, staged.seed, ABSENT_BITS, SALT
    )
    size = f"{32 * columns}_bytes" if columns < KIBIBYTE else f"{columns // KIBIBYTE}_kib"
    rows = [
        _row(f"da.bad_row.gas.{size}", checked, BARS_BAD_ROW[columns]),
        _row(f"da.bad_row.whole.gas.{size}", proven),
    ]
    return rows if columns != KIBIBYTE else [*rows, _row("da.bad_row.announce.gas", announced)]


def _bad_leaf_rows(stage: ChallengeStage) -> list[Row]:
    staged = stage.confirmed(WIDE)
    frame = staged.frame(DIRTY_ROW, 0)
    checked = stage.stage.send("DAFraudProofs", "check_bad_leaf", staged.fields, frame)
    stage.announce(keccak(words(staged.identifier, DIRTY_ROW, 0, keccak(frame[8:264]))))
    arguments = (staged.fields, frame, staged.seed, ABSENT_BITS, SALT)
    proven = stage.stage.send_as(stage.secrets[0], "DAFraudProofs", "prove_bad_leaf", *arguments)
    return [_row("da.bad_leaf.gas", checked), _row("da.bad_leaf.whole.gas", proven)]


def _row(name: str, gas: int, bar: int | None = None) -> Row:
    return at_most(name, gas, "gas", bar, command=COMMAND)


def _account(secret: bytes) -> bytes:
    return bytes.fromhex(Account.from_key(secret).address[2:])


if __name__ == "__main__":
    sys.exit(measure(run, __doc__))
