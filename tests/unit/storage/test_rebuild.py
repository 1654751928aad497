"""Lost shards come back byte for byte from any K rows, or not at all."""

import random
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.core.erasure import ErasureEngine
from offchain.core.field import Elements
from offchain.core.layout import K, N
from offchain.core.matrix.encode import EncodedBlob
from offchain.core.matrix.errors import Bottom, InsufficientRows
from offchain.storage.rebuild import rebuild_rows

SHARD = 64


def rows_of(blob: EncodedBlob, shards: Iterable[int]) -> dict[int, Elements]:
    return {i: blob.rows[i] for shard in shards for i in range(SHARD * shard, SHARD * (shard + 1))}


@given(seed=st.integers(0, 2**32))
def test_inv_sto_4__any_sixteen_shards__give_the_others_with_their_paths(
    seed: int, blob: EncodedBlob, engine: ErasureEngine
) -> None:
    chosen = random.Random(seed).sample(range(N // SHARD), K // SHARD + 2)
    alive, lost = chosen[: K // SHARD], chosen[K // SHARD :]
    wanted = [i for shard in lost for i in range(SHARD * shard, SHARD * (shard + 1))]

    made = rebuild_rows(blob.header, rows_of(blob, alive), wanted, engine)

    assert [row.index for row in made] == wanted
    assert all(np.array_equal(blob.rows[row.index], row.data) for row in made)
    assert all(blob.row_path(row.index) == row.path for row in made)


def test_inv_sto_4__one_row_too_few__gives_nothing(
    blob: EncodedBlob, engine: ErasureEngine
) -> None:
    rows = rows_of(blob, range(16, 32))
    del rows[N // 3]

    with pytest.raises(InsufficientRows) as refused:
        rebuild_rows(blob.header, rows, range(SHARD), engine)

    assert (refused.value.fields["rows"], refused.value.fields["needed"]) == (K - 1, K)


@pytest.mark.parametrize("wanted", [0, N - 1], ids=["data shard", "parity shard"])
def test_inv_sto_4__a_row_that_breaks_the_code__is_bottom(
    blob: EncodedBlob, engine: ErasureEngine, wanted: int
) -> None:
    rows = rows_of(blob, range(20, 36))
    other = rows[20 * SHARD].copy()
    other[0, 31] ^= 1
    rows[20 * SHARD] = other

    with pytest.raises(Bottom):
        rebuild_rows(blob.header, rows, [wanted], engine)


def test_rebuild__a_buffer__is_free_again_when_rows_are_back(
    blob: EncodedBlob, engine: ErasureEngine
) -> None:
    buffer = np.empty((N, blob.shape.columns, 32), np.uint8)

    [row] = rebuild_rows(blob.header, rows_of(blob, range(16)), [N - 1], engine, buffer=buffer)
    buffer[:] = 0

    assert np.array_equal(blob.rows[N - 1], row.data)
