"""Gas of small items in a shared matrix, and of samples: opening a round, answering with a leaf.

The leaf is that of the largest matrix, whose path is the longest; whole transactions on the devnet
chain, eight operators.
"""

import random
import sys
from dataclasses import replace

import numpy as np

from benchmarks.da_gas import COMMAND, CertificateStage, fields_of
from benchmarks.rows import Row, at_most, measure
from offchain.core.layout import LEAF_BYTES, K, N, columns_for
from offchain.core.merkle import (
    CosetTree,
    LeafPath,
    data_root,
    hash_each,
    leaf_levels,
    leaf_siblings,
)
from offchain.core.wire import LeafFrame
from offchain.da.quorums import assign, owner_of_row

OPERATORS = 8
ITEMS, ITEM_BYTES = 1_000, 1_024
INDEX_ENTRY, INDEX_HEAD = 36, 8  # docs/protocol/da.md, shared matrix
BAR_ITEM = 500
LEAVES = 128
ROW, LEAF = 2_050, 77
NOBODY = [0, 0, 0, 0]


def a_leaf() -> tuple[LeafFrame, bytes]:
    """A leaf of the widest matrix, whose other rows are only roots, and D."""
    source = random.Random(21)
    data = source.randbytes(LEAVES * LEAF_BYTES)
    levels = leaf_levels(data)
    roots = np.frombuffer(source.randbytes(N * 32), np.uint8).reshape(N, 32).copy()
    roots[ROW] = np.frombuffer(levels[-1][0], np.uint8)
    trees = [CosetTree.build(roots[start : start + K], hash_each) for start in range(0, N, K)]
    tops = tuple(tree.root for tree in trees)
    path = LeafPath((*leaf_siblings(levels, LEAF), *trees[ROW // K].path(ROW % K)), tops)
    leaf = data[LEAF * LEAF_BYTES : (LEAF + 1) * LEAF_BYTES]
    return LeafFrame(ROW, LEAF, leaf, path), data_root(*tops)


class SampleStage(CertificateStage):
    """Blobs that are confirmed, of items and of rows that operators answer for."""

    def item_gas(self, *, salt: int) -> int:
        """Payment and certificate of one matrix of 1,000 items, for each item, rounded up."""
        length = INDEX_HEAD + ITEMS * (INDEX_ENTRY + ITEM_BYTES)
        blob = replace(self._blob(salt), length=length, columns=columns_for(length))
        confirmed = self.certificate_gas(0, salt=salt, blob=blob)
        return -(-(self.pay_gas[-1] + confirmed) // ITEMS)

    def answer_gas(self, *, salt: int) -> int:
        """Gas of one answer that wins; in a new network every leaf does."""
        frame, root = a_leaf()
        blob = replace(self._blob(salt), data_root=root)
        self.certificate_gas(0, salt=salt, blob=blob)
        chain, fields = self.stage, fields_of(blob)
        identifier = chain.read("DAEntrance", "blob_id", fields)
        record = chain.read("DAEntrance", "record", identifier)
        entropy = chain.chain.ledger.block_hash(record[2] + 1)
        seed = chain.read("DASigners", "blob_seed", record[5], identifier, entropy)
        owner = owner_of_row(self.table.quorums[0], assign(seed, 1), ROW)
        if not chain.read("DASampling", "is_open"):
            chain.send("DASampling", "open_round")
        secret = self.secrets[self.ids.index(owner)]
        answer = (fields, seed, NOBODY, frame.to_bytes())
        return chain.send_as(secret, "DASampling", "answer_sample", *answer)

    def open_gas(self) -> int:
        """Gas of opening a round when others have been held."""
        self.stage.chain.increase_time(self.stage.read("DASampling", "period_seconds"))
        self.stage.chain.mine()
        return self.stage.send("DASampling", "open_round")


def run() -> list[Row]:
    """Measure everything; raises when a transaction that must succeed does not."""
    stage = SampleStage(OPERATORS)
    stage.certificate_gas(0, salt=0)  # slots that the first certificate of a network fills
    item = stage.item_gas(salt=1)
    first = stage.answer_gas(salt=2)
    again = stage.answer_gas(salt=3)
    return [
        _row("da.item.gas", item, BAR_ITEM),
        _row("da.sample_answer.gas", max(first, again)),
        _row("da.open_round.gas", stage.open_gas()),
    ]


def _row(name: str, gas: int, bar: int | None = None) -> Row:
    return at_most(name, gas, "gas", bar, command=COMMAND)


if __name__ == "__main__":
    sys.exit(measure(run, __doc__))
