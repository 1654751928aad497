"""Gas of proving a delivery wrong, each kind on its dearest opening of a bundle of 10 MB.

  python -m benchmarks.agents_dispute

Figures are whole transactions on the devnet chain. `agents.dispute.content.gas` opens the leaf of
a 10 MB bundle whose salt and whose data each lie across two storage leaves; its bar leaves 100,000
of the 500,000 of a dispute for the market's refund (`agents.gas`).
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Final

from benchmarks.chain_stage import CHAIN_ID, ChainStage
from benchmarks.rows import Row, at_most, measure
from offchain.agents.bundle import (
    CHUNK_LEAVES,
    LEAF_BYTES,
    SALT_BYTES,
    BundleShape,
    content_leaves,
    encrypt_bundle,
)
from offchain.agents.bundle_trees import (
    chunk_keys,
    key_leaves_of,
    tree_root,
)
from offchain.agents.delivery import Delivery, keys_of
from offchain.agents.false_delivery import FalseProof, Held, find_fault
from offchain.agents.seal import SealContext, public_key_of, seal
from offchain.agents.stored_pieces import StoredPieces
from offchain.apps.genesis import Call, Deploy, Genesis, Ref, scaled_genesis
from offchain.chain.devnet.genesis import dev_accounts
from offchain.core.erasure import ErasureEngine
from offchain.core.erasure.choose import choose_engine
from offchain.core.hashing import keccak
from offchain.core.layout import LEAF_PAYLOAD_BYTES

COMMAND: Final = "python -m benchmarks.agents_dispute"
BAR: Final = 400_000
SIZE: Final = 10_000_000
SECRET: Final = keccak(b"a one-time secret")
KEY: Final = keccak(b"a data key")
NO_SALT: Final = bytes(32)
NEEDED: Final = {
    "OperatorRegistry",
    "StakeManager",
    "RandomBeacon",
    "SlashingCourt",
    "AttestationRegistry",
    "DeliveryFraudProofs",
    "KeyDeliveryVerifier",
}


class Part:
    """Those steps of a plan that concern the verifier; storage's market is not asked here."""

    def __init__(self, plan: Genesis) -> None:
        self._plan = plan

    def deployments(self) -> Iterator[Deploy]:
        for step in self._plan.deployments():
            if step.name == "KeyDeliveryVerifier":
                stake = Ref("StakeManager")
                parts = [stake if one == Ref("StorageMarket") else one for one in step.arguments]
                yield replace(step, arguments=tuple(parts))
            elif step.name in NEEDED:
                yield step

    def wiring(self) -> Iterator[Call]:
        return (one for one in self._plan.wiring() if one.function == "wire_stake")


class Case:
    """A delivery of a bundle of 10 MB, and lies about it."""

    def __init__(self, engine: ErasureEngine, stage: ChainStage) -> None:
        self.engine, self.stage = engine, stage
        random = Random(1)
        self.bundle = encrypt_bundle(
            random.randbytes(SIZE),
            key=KEY,
            draw=random.randbytes,
            hash_many=engine.keccak_many,
        )
        self.shape = BundleShape(SIZE)
        root = self.bundle.roots.content_root
        self.leaves = content_leaves(self.bundle.file, root, hash_many=engine.keccak_many)

    def held(self, number: int, file: bytes, *, key: bytes = KEY, key_root: bytes = b"") -> Held:
        """What a buyer of this file holds."""
        stored = StoredPieces(file, self.engine)
        context = SealContext(
            CHAIN_ID, b"\1" * 20, number, 0, dev_accounts()[1].address, stored.root
        )
        public_key = public_key_of(SECRET)
        sealed = seal(key, public_key, context, scalar=keys_of(keccak(b"seed")).scalar)
        roots = self.bundle.roots
        delivery = Delivery(
            collection=context.collection,
            token=number,
            epoch=0,
            op=1,
            receiver=context.receiver,
            old_data_hash=keccak(b"old"),
            new_data_hash=stored.root,
            content_root=roots.content_root,
            key_root=key_root or roots.key_root,
            key_commit=roots.key_commit,
            location=keccak(b"location"),
            sealed_key_hash=keccak(sealed),
            key_hash=keccak(public_key),
            nonce_hash=keccak(b"nonce"),
            deadline=self.stage.chain.head.header.timestamp,
        )
        hashes = self.engine.keccak_many
        return Held(CHAIN_ID, delivery, sealed, SECRET, self.leaves, file, stored, hashes)

    def prove(self, held: Held) -> tuple[FalseProof, int]:
        """The proof that the buyer finds, and its gas."""
        proof = find_fault(held)
        assert proof is not None
        verifier = self.stage.contracts["KeyDeliveryVerifier"].address
        arguments = ("0x" + verifier.hex(), _said(held.delivery), *proof.arguments, NO_SALT)
        return proof, self.stage.send("DeliveryFraudProofs", proof.function, *arguments)

    def dearest(self) -> int:
        """Where to spoil the file so that four storage leaves are opened."""
        for chunk in range(1, self.shape.chunks - 1):
            at = self.shape.chunk_at(chunk)
            if not _is_split(at, SALT_BYTES):
                continue
            for leaf in range(CHUNK_LEAVES):
                begin = at + SALT_BYTES + leaf * LEAF_BYTES
                if _is_split(begin, LEAF_BYTES):
                    return begin
        raise AssertionError("no chunk begins across two storage leaves")

    def flipped(self, at: int) -> bytes:
        file = bytearray(self.bundle.file)
        file[at] ^= 1
        return bytes(file)


def run() -> list[Row]:
    """Every kind of proof on one bundle."""
    stage = ChainStage()
    owner = "0x" + dev_accounts()[0].address.hex()
    stage.deploy(Part(scaled_genesis(governance=owner, treasury=owner)))  # type: ignore[arg-type]  # a plan in part
    case = Case(choose_engine(), stage)
    shape, file = case.shape, case.bundle.file
    keys = chunk_keys(KEY, case.bundle.roots.content_root, shape.chunks)
    keys[70] = keccak(b"another")
    listed = key_leaves_of(keys)
    mixed = file[: shape.key_leaves_at] + listed.tobytes() + file[shape.content_leaves_at :]
    spoilt = case.flipped(case.dearest())
    cases = {
        "key": case.held(1, file, key=keccak(b"another")),
        "chunk_key": case.held(2, mixed, key_root=tree_root(listed)),
        "content": case.held(3, spoilt),
        "content_by_secret": case.held(4, spoilt, key_root=keccak(b"nobody's")),
        "length": case.held(5, file[:-96]),
        "header": case.held(6, case.flipped(5)),
        "list": case.held(7, case.flipped(_split_list(shape))),
    }
    rows = []
    for name, held in cases.items():
        _, gas = case.prove(held)
        rows.append(at_most(f"agents.dispute.{name}.gas", gas, "gas", BAR, command=COMMAND))
    return rows


def _said(delivery: Delivery) -> tuple[object, ...]:
    fields: list[object] = list(delivery.fields())
    fields[0], fields[4] = "0x" + delivery.collection.hex(), "0x" + delivery.receiver.hex()
    return tuple(fields)


def _is_split(at: int, size: int) -> bool:
    return at // LEAF_PAYLOAD_BYTES != (at + size - 1) // LEAF_PAYLOAD_BYTES


def _split_list(shape: BundleShape) -> int:
    """A byte of a content leaf of the list that lies across two storage leaves."""
    return next(
        at for at in range(shape.content_leaves_at, shape.file_bytes, 32) if _is_split(at, 32)
    )


if __name__ == "__main__":
    sys.exit(measure(run, __doc__))
