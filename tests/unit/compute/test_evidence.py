"""Evidence shelves: the same for every adapter, and files that rot are no answers."""

import json
from pathlib import Path

import pytest

from offchain.compute.answers import Route
from offchain.compute.commitment import root_of
from offchain.compute.evidence import (
    Evidence,
    EvidenceBroken,
    EvidenceShelf,
    FolderEvidence,
    MemoryEvidence,
    parse_evidence,
)
from offchain.compute.signatures import sign_receipt
from offchain.core.hashing import keccak
from offchain.node.disk import LocalDisk
from tests.support.compute import DOMAIN, SIGNER, Answered, a_commitment


def an_evidence(*, is_audited: bool) -> Evidence:
    answered = Answered()
    signed = sign_receipt(answered.receipt(), SIGNER, DOMAIN)
    return Evidence.of(
        Route.CHAT,
        signed,
        answered.canonical(),
        a_commitment(5, 70),
        voucher_digest=keccak(b"voucher"),
        audited_body=answered.body if is_audited else None,
    )


@pytest.fixture(params=["memory", "folder"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> EvidenceShelf:
    return MemoryEvidence() if request.param == "memory" else FolderEvidence(LocalDisk(), tmp_path)


@pytest.mark.parametrize("is_audited", [True, False])
def test_shelf__kept_evidence__comes_back_until_it_is_dropped(
    shelf: EvidenceShelf, is_audited: bool
) -> None:
    evidence = an_evidence(is_audited=is_audited)
    wanted = evidence.signed.receipt.request_id

    assert shelf.find(wanted) is None
    shelf.keep(evidence)
    assert shelf.find(wanted) == evidence
    shelf.drop(wanted)
    shelf.drop(wanted)
    assert shelf.find(wanted) is None


def test_evidence__without_leave_to_audit__holds_neither_body_nor_prompt() -> None:
    private, open_one = an_evidence(is_audited=False), an_evidence(is_audited=True)

    assert (private.body, private.leaves) == (None, None)
    assert open_one.body == Answered().body
    assert open_one.leaves is not None
    assert private.leaf_hashes == open_one.leaf_hashes


def test_evidence__opening_of_its_header__leads_to_the_commitment() -> None:
    assert root_of(an_evidence(is_audited=False).opening()) == a_commitment(5, 70).root


def test_folder__file_of_another_form__is_broken(tmp_path: Path) -> None:
    shelf = FolderEvidence(LocalDisk(), tmp_path)
    evidence = an_evidence(is_audited=True)
    shelf.keep(evidence)
    [path] = tmp_path.glob("*/*.json")
    found = json.loads(path.read_text())

    for change in ({"version": 2}, {"receipt": "00"}, {"answer": "%"}, {"leaves": [1]}):
        path.write_text(json.dumps({**found, **change}))
        with pytest.raises(EvidenceBroken):
            shelf.find(evidence.signed.receipt.request_id)
    with pytest.raises(EvidenceBroken):
        parse_evidence(b"[]")
