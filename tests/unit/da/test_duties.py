"""Two views of one blob's duties: what makes them the same work."""

from dataclasses import replace

from tests.support.da_network import a_site, an_upload


def test_is_same_work__a_node_answers_elsewhere__same() -> None:
    duties = an_upload(a_site(4)).view.duties
    moved = replace(duties.members[0], endpoint="http://127.0.0.1:1")

    assert duties.is_same_work(replace(duties, members=(moved, *duties.members[1:])))


def test_is_same_work__seed_slots_or_signer_differ__other_work() -> None:
    duties = an_upload(a_site(4)).view.duties
    first, *rest = duties.members

    assert not duties.is_same_work(None)
    assert not duties.is_same_work(replace(duties, seed=bytes(32)))
    assert not duties.is_same_work(replace(duties, epoch=duties.epoch + 1))
    assert not duties.is_same_work(replace(duties, members=tuple(rest)))
    other = replace(first, slots=(first.slots[0], first.slots[1] - 1))
    assert not duties.is_same_work(replace(duties, members=(other, *rest)))
    assert not duties.is_same_work(replace(duties, members=(replace(first, operator=99), *rest)))
