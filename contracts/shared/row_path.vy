# pragma version 0.4.3
"""
@title Leaves and rows under a data root
@license AGPL-3.0-only
@author Apogee
@notice Invariant: what is accepted at (row, leaf) is the one leaf there under D, whatever the prover sends.
@dev A leaf has 256 bytes and an inner node 64, so neither passes for the other; the number of siblings follows from the
     columns that were paid for. A row's root lies ten levels under its coset's root, a leaf ceil(log2(columns / 8))
     levels under its row's, and D is keccak256(keccak256(b0 || b1) || b2).

       leaf frame   u32 row || u32 leaf || 256 B || the leaf's siblings, lowest first || the row's ten || b0 || b1 || b2
       row path     ten siblings of the row, lowest first || b0 || b1 || b2
"""
LEAF_BYTES: constant(uint256) = 256
COLUMNS_PER_LEAF: constant(uint256) = 8
MAX_LEAF_DEPTH: constant(uint256) = 7  # 128 leaves in a row of 1,024 columns
COSET_DEPTH: constant(uint256) = 10
COSET_ROWS: constant(uint256) = 2**COSET_DEPTH
MAX_DEPTH: constant(uint256) = MAX_LEAF_DEPTH + COSET_DEPTH
ROWS: constant(uint256) = 3 * COSET_ROWS  # of a matrix
NODE: constant(uint256) = 32  # bytes of a digest
NUMBER: constant(uint256) = 4  # bytes of a row's or leaf's number
DATA_AT: constant(uint256) = 2 * NUMBER
PATH_AT: constant(uint256) = DATA_AT + LEAF_BYTES
ROW_PATH_BYTES: constant(uint256) = NODE * (COSET_DEPTH + 3)
FRAME_BYTES: constant(uint256) = PATH_AT + ROW_PATH_BYTES + NODE * MAX_LEAF_DEPTH


@internal
@pure
def _check_leaf(frame: Bytes[FRAME_BYTES], columns: uint256, data_root: bytes32) -> (uint256, uint256):
    """
    @dev Row and leaf whose 256 bytes the frame shows; reverts unless they lie there under D.
    """
    leaves: uint256 = columns // COLUMNS_PER_LEAF
    depth: uint256 = self._depth_for(leaves)
    assert len(frame) == PATH_AT + NODE * depth + ROW_PATH_BYTES, "row_path: wrong length"
    row: uint256 = convert(slice(frame, 0, NUMBER), uint256)
    leaf: uint256 = convert(slice(frame, NUMBER, NUMBER), uint256)
    assert row < ROWS and leaf < leaves, "row_path: no such place"
    # the leaf's siblings and the row's lie one after the other: one path of depth + 10 levels
    index: uint256 = (row % COSET_ROWS) << depth | leaf
    digest: bytes32 = keccak256(slice(frame, DATA_AT, LEAF_BYTES))
    coset_root: bytes32 = self._fold(digest, index, frame, PATH_AT, depth + COSET_DEPTH)
    roots_at: uint256 = PATH_AT + NODE * (depth + COSET_DEPTH)
    self._check_roots(
        coset_root,
        row // COSET_ROWS,
        [
            extract32(frame, roots_at),
            extract32(frame, roots_at + NODE),
            extract32(frame, roots_at + 2 * NODE),
        ],
        data_root,
    )
    return row, leaf


@internal
@pure
def _check_row(row_root: bytes32, row: uint256, path: Bytes[ROW_PATH_BYTES], data_root: bytes32):
    """
    @dev Reverts unless the row with this root lies at `row` under D.
    """
    assert row < ROWS, "row_path: no such place"
    assert len(path) == ROW_PATH_BYTES, "row_path: wrong length"
    coset_root: bytes32 = self._fold(row_root, row % COSET_ROWS, path, 0, COSET_DEPTH)
    self._check_roots(
        coset_root,
        row // COSET_ROWS,
        [
            extract32(path, NODE * COSET_DEPTH),
            extract32(path, NODE * (COSET_DEPTH + 1)),
            extract32(path, NODE * (COSET_DEPTH + 2)),
        ],
        data_root,
    )


@internal
@pure
def _depth_for(leaves: uint256) -> uint256:
    """
    @dev The least d with 2^d >= leaves.
    """
    depth: uint256 = MAX_LEAF_DEPTH
    for _: uint256 in range(MAX_LEAF_DEPTH):
        if leaves > 1 << unsafe_sub(depth, 1):
            break
        depth = unsafe_sub(depth, 1)
    return depth


@internal
@pure
def _check_roots(coset_root: bytes32, coset: uint256, stated: bytes32[3], data_root: bytes32):
    """
    @dev Reverts unless the stated roots are those of the matrix and this is the root of the coset.
    """
    assert coset_root == stated[coset], "row_path: not under the root"
    top: bytes32 = keccak256(abi_encode(keccak256(abi_encode(stated[0], stated[1])), stated[2]))
    assert top == data_root, "row_path: not under the root"


@internal
@pure
def _fold(
    digest: bytes32, index: uint256, source: Bytes[FRAME_BYTES], begin: uint256, count: uint256
) -> bytes32:
    """
    @dev The root that `digest` at `index` has under the `count` siblings that begin at a byte of the source.
         extract32 reverts past the source's end, so `at` cannot overflow.
    """
    node: bytes32 = digest
    bits: uint256 = index
    at: uint256 = begin
    for _: uint256 in range(count, bound=MAX_DEPTH):
        sibling: bytes32 = extract32(source, at)
        if bits & 1 == 0:
            node = keccak256(abi_encode(node, sibling))
        else:
            node = keccak256(abi_encode(sibling, node))
        bits >>= 1
        at = unsafe_add(at, NODE)
    return node
