"""Garbage collection under any order of chain states, time, reorgs, outages, rot and crashes.

Two properties: rows of a blob that the newest block still owes to readers are on the disk, always;
and when time has passed and everything works, nothing is left of any blob.
"""

import asyncio
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from offchain.core.bls import aggregate_signatures
from offchain.core.errors import ApogeeError
from offchain.core.matrix.encode import EncodedBlob, encode
from offchain.da.accept import AcceptRows, NodeLimits, NodeParts
from offchain.da.adapters.bls_signer import BlsSigner
from offchain.da.adapters.disk_journal import DiskJournal
from offchain.da.adapters.disk_rows import DiskRows
from offchain.da.adapters.memory_chain import ChainRules
from offchain.da.collect import CollectGarbage, CollectRules
from offchain.da.duties import BlobTerms
from offchain.da.model import BlobState, Certificate, attestation_digest
from offchain.da.ports import Share
from offchain.da.refusals import BlobUnknown
from offchain.node.faulty_disk import Crashed, Fault, FaultyDisk
from offchain.node.forgetful_disk import ForgetfulDisk
from tests.support.da_network import a_request, a_site, pieces, the_engine
from tests.support.outages import Outages

FOLDER = Path("/node")
NEVER = 1 << 30
RULES = CollectRules(depth=2, answer_seconds=1_000)
CHAIN = ChainRules(day_seconds=2_000, confirm_seconds=900)
ME = 1


class Collecting(RuleBasedStateMachine):
    """One node with a disk that fails and a chain that moves."""

    @initialize()
    def begin(self) -> None:
        self.site = a_site(4, rules=CHAIN)
        self.chain = self.site.chain
        self.ledger = Outages(self.chain)
        self.encoded: EncodedBlob = encode(b"collected", the_engine())
        self.disk = ForgetfulDisk()
        self.terms: dict[bytes, BlobTerms] = {}
        self.owed: dict[bytes, set[int]] = {}  # rows known to be durable here
        self.restart()

    def restart(self, fault: Fault = Fault.CRASH) -> None:
        """A process begins on what the disk has; `fault` is what `faulty.arm` arms."""
        self.faulty = FaultyDisk(self.disk, fault, at_step=NEVER)
        self.store = DiskRows(self.faulty, FOLDER / "rows", the_engine().row_roots)
        self.store.open()
        self.journal = DiskJournal(self.faulty, FOLDER / "journal")
        self.journal.open()
        signer = BlsSigner(self.site.secrets[ME])
        parts = NodeParts(ME, self.ledger, self.store, self.journal, signer, the_engine())
        self.accept = AcceptRows(parts, NodeLimits())
        self.collector = CollectGarbage(self.accept, parts, RULES)

    # --- the chain

    @rule()
    @precondition(lambda self: len(self.terms) < 4)
    def pay(self) -> None:
        address = self.site.disperser.address
        header = self.encoded.header
        salt = len(self.terms).to_bytes(32, "big")
        terms = BlobTerms(
            address, address, header.data_root, header.commitment, self.encoded.shape, 1, salt
        )
        self.chain.pay(terms)
        self.terms[self.chain.blob_id(terms)] = terms

    @rule()
    @precondition(lambda self: len(self.terms) < 4)
    def publish(self) -> None:
        """Pay, deliver and confirm in one go."""
        self.pay()
        blob_id = list(self.terms)[-1]
        self.deliver_to_me(blob_id)
        self.certify(blob_id)

    @rule(data=st.data())
    @precondition(lambda self: self.terms)
    def confirm(self, data: st.DataObject) -> None:
        self.certify(data.draw(st.sampled_from(sorted(self.terms))))

    def certify(self, blob_id: bytes) -> None:
        try:
            view = self.chain.view(blob_id, at=self.chain.head().block)
            digest = attestation_digest(view.attestation(), self.chain.domain())
            signatures = [secret.sign(digest) for secret in self.site.secrets.values()]
            certificate = Certificate((), aggregate_signatures(signatures))
            self.chain.confirm(self.terms[blob_id], certificate)
        except ApogeeError:
            return

    @rule(data=st.data())
    @precondition(lambda self: self.terms)
    def refund_or_void(self, data: st.DataObject) -> None:
        blob_id = data.draw(st.sampled_from(sorted(self.terms)))
        try:
            self.chain.refund(self.terms[blob_id])
        except ApogeeError:
            if self.state(blob_id) is BlobState.CONFIRMED:
                self.chain.void(blob_id)

    @rule(seconds=st.sampled_from([1, 450, 901, 1_500, 2_100]), blocks=st.integers(1, 3))
    def wait(self, seconds: int, blocks: int) -> None:
        self.chain.mine(seconds=seconds)
        self.chain.mine(blocks)

    @rule(depth=st.integers(1, RULES.depth))
    def reorganise(self, depth: int) -> None:
        self.chain.rewind(max(0, self.chain.head().block - depth))
        self.chain.mine(depth + 1)

    @rule()
    def chain_goes_or_comes(self) -> None:
        self.ledger.is_down = not self.ledger.is_down

    # --- the node

    @rule(data=st.data())
    @precondition(lambda self: self.terms)
    def deliver(self, data: st.DataObject) -> None:
        self.deliver_to_me(data.draw(st.sampled_from(sorted(self.terms))))

    def deliver_to_me(self, blob_id: bytes) -> None:
        try:
            view = self.chain.view(blob_id, at=self.chain.head().block)
            duty = view.duties.of(ME) if view.duties else None
            if duty is None:
                return
            frame = self.encoded.rows_frame(blob_id, duty.rows)
            body = self.encoded.header.to_bytes() + frame
            request = a_request(self.site, blob_id, body, operator=ME)
            taking = self.accept.accept(blob_id, request, pieces(body), declared_bytes=len(body))
            asyncio.run(taking)
        except ApogeeError:
            return
        self.owed.setdefault(blob_id, set()).update(duty.rows)

    @rule(data=st.data(), first=st.integers(0, 3_000))
    @precondition(lambda self: self.terms)
    def inherit(self, data: st.DataObject, first: int) -> None:
        blob_id = data.draw(st.sampled_from(sorted(self.terms)))
        if self.state(blob_id) is not BlobState.CONFIRMED:
            return
        view = self.chain.view(blob_id, at=self.chain.head().block)
        until = view.record.expiry + 2 * RULES.answer_seconds
        if view.moment.time >= view.record.expiry:
            return
        rows = tuple(range(first, first + 3))
        share = Share(
            blob_id,
            view.duties.seed,
            until,
            self.encoded.shape.columns,
            rows,
            self.encoded.header.to_bytes(),
            self.encoded.rows_frame(blob_id, rows),
            is_inherited=True,
        )
        asyncio.run(self.store.put(share))
        self.owed.setdefault(blob_id, set()).update(rows)

    @rule(seconds=st.sampled_from([1, 901, 2_100]))
    def collect_and_reorganise(self, seconds: int) -> None:
        """What was removed by blocks that then leave the chain must not have been owed."""
        self.chain.mine(seconds=seconds)
        self.collect()
        self.chain.rewind(self.chain.head().block - 1)
        self.chain.mine(2)

    @rule()
    def collect(self) -> None:
        self.forget_what_was_removed(self.try_to_collect())

    @rule(step=st.integers(0, 8), fault=st.sampled_from([Fault.CRASH, Fault.BROKEN]))
    def collect_and_fail(self, step: int, fault: Fault) -> None:
        self.restart(fault)
        before = {share.blob_id for share in asyncio.run(self.store.held())}
        self.faulty.arm(step)
        crashed = False
        try:
            self.try_to_collect()
        except Crashed:
            crashed = True
        if crashed:
            self.disk.cut_power()
            self.restart()
        self.faulty.arm(NEVER)
        after = {share.blob_id for share in asyncio.run(self.store.held())}
        self.forget_what_was_removed(list(before - after))

    @rule()
    def power_cut(self) -> None:
        self.disk.cut_power()
        self.restart()

    @rule(data=st.data())
    @precondition(lambda self: self.share_files())
    def front_rots(self, data: st.DataObject) -> None:
        path = data.draw(st.sampled_from(self.share_files()))
        self.disk.flip_bit(path, 8 * 30)
        self.owed.pop(bytes.fromhex(path.name[:64]), None)  # readers have lost it to rot already
        self.restart()

    # --- what must hold

    @invariant()
    def inv_da_24_what_is_owed_is_here(self) -> None:
        for blob_id, rows in getattr(self, "owed", {}).items():
            if self.is_owed(blob_id):
                assert rows <= asyncio.run(self.store.rows_held(blob_id))

    def teardown(self) -> None:
        """INV-DA-19: everything works again, time passes: not a byte is left."""
        if not hasattr(self, "chain"):
            return
        self.ledger.is_down = False
        self.chain.mine(RULES.depth + 2, seconds=10_000)
        asyncio.run(self.collector.collect())
        assert self.share_files() == []
        assert asyncio.run(self.store.held()) == []
        assert asyncio.run(self.journal.decisions()) == []

    def try_to_collect(self) -> list[bytes]:
        try:
            return asyncio.run(self.collector.collect())
        except ApogeeError:
            return []

    def forget_what_was_removed(self, blob_ids: list[bytes]) -> None:
        """What went must not have been owed when it went."""
        for blob_id in blob_ids:
            assert not self.is_owed(blob_id)
            if not self.is_owed(blob_id, depth=RULES.depth):  # else a reorg may bring it back
                self.owed.pop(blob_id, None)

    def is_owed(self, blob_id: bytes, *, depth: int = 0) -> bool:
        """What a block says: an open certificate, or readers and judges to come."""
        try:
            view = self.chain.view(blob_id, at=max(0, self.chain.head().block - depth))
        except BlobUnknown:
            return False
        record, now = view.record, view.moment.time
        match record.state:
            case BlobState.PAID:
                return now <= record.deadline
            case BlobState.CONFIRMED | BlobState.VOID:
                return now < record.expiry + 2 * RULES.answer_seconds
            case _:
                return False

    def state(self, blob_id: bytes) -> BlobState:
        try:
            return self.chain.view(blob_id, at=self.chain.head().block).record.state
        except BlobUnknown:
            return BlobState.NONE

    def share_files(self) -> list[Path]:
        names = [p for p in self.disk.paths() if p.suffix in (".share", ".heir")]
        return names if hasattr(self, "disk") else []


TestInvDa24Collecting = Collecting.TestCase
