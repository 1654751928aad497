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
    digest: bytes32 = self._fold(keccak256(slice(frame, DATA_AT, LEAF_BYTES)), leaf, frame, PATH_AT, depth)
    self._check_under(digest, row, frame, PATH_AT + NODE * depth, data_root)
    return row, leaf


@internal
@pure
def _check_row(row_root: bytes32, row: uint256, path: Bytes[ROW_PATH_BYTES], data_root: bytes32):
    """
    @dev Reverts unless the row with this root lies at `row` under D.
    """
    assert row < ROWS, "row_path: no such place"
    assert len(path) == ROW_PATH_BYTES, "row_path: wrong length"
    self._check_under(row_root, row, path, 0, data_root)


@internal
@pure
def _depth_for(leaves: uint256) -> uint256:
    """
    @dev The least d with 2^d >= leaves.
    """
    depth: uint256 = 0
    for _: uint256 in range(MAX_LEAF_DEPTH):
        if 1 << depth >= leaves:
            break
        depth += 1
    return depth


@internal
@pure
def _check_under(row_root: bytes32, row: uint256, source: Bytes[FRAME_BYTES], begin: uint256, data_root: bytes32):
    """
    @param begin Byte of the source at which the row's siblings begin.
    """
    coset_root: bytes32 = self._fold(row_root, row % COSET_ROWS, source, begin, COSET_DEPTH)
    roots_at: uint256 = begin + NODE * COSET_DEPTH
    coset: uint256 = row // COSET_ROWS
    stated: bytes32 = extract32(source, roots_at + NODE * coset)
    assert coset_root == stated, "row_path: not under the root"
    pair: bytes32 = keccak256(slice(source, roots_at, 2 * NODE))
    top: bytes32 = keccak256(concat(pair, extract32(source, roots_at + 2 * NODE)))
    assert top == data_root, "row_path: not under the root"


@internal
@pure
def _fold(
    digest: bytes32, index: uint256, source: Bytes[FRAME_BYTES], begin: uint256, count: uint256
) -> bytes32:
    """
    @dev The root that `digest` at `index` has under the `count` siblings that begin at a byte of the source.
    """
    node: bytes32 = digest
    for step: uint256 in range(count, bound=COSET_DEPTH):
        sibling: bytes32 = extract32(source, begin + NODE * step)
        if (index >> step) & 1 == 0:
            node = keccak256(concat(node, sibling))
        else:
            node = keccak256(concat(sibling, node))
    return node
