"""Roots of streams: posted by enough seats of a replica group, and values proven under them."""

from collections.abc import Iterator
from dataclasses import replace

import boa
import pytest

from offchain.core.hashing import keccak
from offchain.storage.kv.proof import EMPTY, Leaf, Proof, StreamRoot, node_digest
from offchain.storage.stream_book import StreamBook, streams_domain
from tests.support.da import raw
from tests.support.kv_streams import leaf_tuple, root_tuple
from tests.support.native_evm import keep_moment, return_to
from tests.support.rooted_stream import SALT, Rooted, deploy_rooted
from tests.support.staking import EPOCH, a_wallet

RIGHT_HASH, LEFT_HASH = b"\x80" + bytes(31), bytes(32)


@pytest.fixture(scope="session")
def posted_nothing(native_evm: None) -> Iterator[Rooted]:
    boa.env.set_random_seed("replicas of streams")
    with boa.env.anchor():
        rooted = deploy_rooted()
        keep_moment("roots")
        yield rooted


@pytest.fixture
def rooted(at_its_moment: None, posted_nothing: Rooted) -> Rooted:
    return_to("roots")
    return posted_nothing


@pytest.mark.parametrize("absent", [(), (3,)])
def test_post_root__enough_seats__is_kept(rooted: Rooted, absent: tuple[int, ...]) -> None:
    root, kv = rooted.root(), rooted.site.kv
    epoch = rooted.epoch
    stated = kv.root_digest(root_tuple(root), rooted.group, epoch)
    assert rooted.digest(root, rooted.group) == stated

    rooted.post(root, absent=absent)

    [event] = [one for one in kv.get_logs() if type(one).__name__ == "RootPosted"]
    assert (event.stream, event.seq, event.group) == (rooted.stream, 0, rooted.group)
    assert (event.stream_root, event.signed) == (root.digest, 5 - len(absent))
    assert (event.generation, event.tree_root, event.keys, event.byte_count) == (
        1,
        root.tree_root,
        2,
        700,
    )
    silent = sum(1 << seat for seat in absent)
    assert (event.epoch, event.silent) == (epoch, silent)
    assert root.digest == kv.root_of(rooted.stream, 0)
    post = tuple(kv.post_of(rooted.stream, 0))
    assert post == (root.digest, rooted.group, epoch, boa.env.timestamp, silent)
    assert tuple(kv.stream(rooted.stream)) == (
        rooted.owner,
        1,
        1,
        boa.env.timestamp,
        rooted.group,
    )


def test_post_root__too_few_or_not_their_word__is_refused(rooted: Rooted) -> None:
    root = rooted.root()
    with rooted.refused("seat_keys: too few seats"):
        rooted.post(root, absent=(1, 2))
    for digest in (
        keccak(b"anything"),
        rooted.digest(rooted.root(keys=3), rooted.group),
        rooted.digest(root, rooted.other_group),
        rooted.digest(root, rooted.group, rooted.epoch - 1),
    ):
        with rooted.refused("seat_keys: wrong signature"):
            rooted.post(root, digest=digest)
    with rooted.refused("seat_keys: key missing"):
        rooted.post(root, absent=(1,), keys=b"")


def test_post_root__no_replica_group__is_refused(rooted: Rooted) -> None:
    for group in (rooted.other_group, 0, 2**64 - 1, 2**64, 2**200):
        with rooted.refused("kv_streams: no replica group"):
            rooted.post(rooted.root(), group=group, digest=bytes(32))


def test_post_root__not_in_the_log_or_no_such_generation__is_refused(rooted: Rooted) -> None:
    with rooted.refused("kv_streams: not in the log"):
        rooted.post(rooted.root(seq=1))
    for generation in (0, 2):
        with rooted.refused("kv_streams: no such generation"):
            rooted.post(rooted.root(generation=generation))
    with rooted.refused("kv_streams: no such stream"):
        rooted.post(rooted.root(stream=keccak(b"nobody's")))


def test_post_root__of_another_epoch__is_refused(rooted: Rooted) -> None:
    root, epoch = rooted.root(), rooted.epoch
    with rooted.refused("kv_streams: another epoch"):
        rooted.post(root, epoch=epoch + 1)
    boa.env.time_travel(seconds=2 * EPOCH)
    with rooted.refused("kv_streams: another epoch"):
        rooted.post(root, epoch=epoch)

    rooted.post(root, epoch=epoch + 1)

    assert rooted.site.kv.post_of(rooted.stream, 0).epoch == epoch + 1 == rooted.epoch - 1


def test_post_root__as_new_or_older__is_refused(rooted: Rooted) -> None:
    kv = rooted.site.kv
    for number in range(2):
        kv.create(bytes([number]) * 32, sender=rooted.owner)
    rooted.post(rooted.root(seq=1))
    first = kv.root_of(rooted.stream, 1)

    for seq in (0, 1):
        with rooted.refused("stream_roots: not newer"):
            rooted.post(rooted.root(seq=seq, keys=9))
    rooted.post(rooted.root(seq=2, keys=9))

    assert first == kv.root_of(rooted.stream, 1)
    assert kv.root_of(rooted.stream, 2) == rooted.root(seq=2, keys=9).digest
    assert kv.stream(rooted.stream).head == 3


def test_post_root__of_the_generation_before__is_kept(rooted: Rooted) -> None:
    kv = rooted.site.kv
    kv.transfer_owner(rooted.stream, a_wallet("buyer"), sender=rooted.owner)

    rooted.post(rooted.root(seq=0, generation=1))
    rooted.post(rooted.root(seq=1, generation=2))

    assert kv.stream(rooted.stream).head == 2


def test_inv_kv_4__value_and_absence__prove_under_the_posted_root_alone(rooted: Rooted) -> None:
    kv = rooted.site.kv
    leaf = Leaf(RIGHT_HASH, 5 << 24, 1, keccak(b"value"))
    other = Leaf(LEFT_HASH, 6 << 24, 1, keccak(b"other"))
    root = rooted.root(tree_root=node_digest(other.digest, leaf.digest))
    absent_key = b"\xc0" + bytes(31)
    siblings = (other.digest,)
    book = StreamBook(rooted.site.chain_id)
    book.create(raw(rooted.owner), SALT)

    def answers(stated: StreamRoot) -> list[bool]:
        proof = Proof(siblings, leaf)
        return [
            kv.verify(root_tuple(stated), leaf_tuple(leaf), siblings),
            kv.verify_absence(root_tuple(stated), absent_key, leaf_tuple(leaf), siblings),
            book.verify(stated, leaf, siblings),
            book.verify_absence(stated, absent_key, proof),
        ]

    assert answers(root) == [False] * 4
    rooted.post(root)
    book.post_root(root, rooted.group, log_size=1, now=boa.env.timestamp)

    assert answers(root) == [True] * 4
    for altered in (
        {"seq": 1},
        {"generation": 2},
        {"keys": 3},
        {"byte_count": 701},
        {"tree_root": EMPTY},
        {"stream": keccak(b"another")},
    ):
        assert answers(replace(root, **altered)) == [False] * 4
    assert not kv.verify(root_tuple(root), leaf_tuple(other), siblings)
    assert not kv.verify_absence(root_tuple(root), RIGHT_HASH, leaf_tuple(leaf), siblings)


def test_domain__of_these_streams__is_the_models(rooted: Rooted) -> None:
    kv = rooted.site.kv
    expected = streams_domain(chain_id=rooted.site.chain_id, streams=raw(kv.address))

    assert expected == kv.domain_separator()
