"""What `apogee attest verify` makes of a live level's evidence, given by file."""

import json
from pathlib import Path

import pytest

from offchain.apps.attest import policy_of_chain, verify_files
from offchain.apps.attestation import tee_folder
from offchain.attestation.adapters.software_tee import read_root
from offchain.attestation.policy_file import encode_policy
from offchain.attestation.reasons import Reason
from offchain.attestation.relay_ports import Registered
from tests.support.attested import Attested


def judged_from_files(
    world: Attested, first: Registered, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Accepted under the policy of the chain, refused by the policy of production."""
    rules = policy_of_chain(world.network, read_root(tee_folder(world.home)))
    bundle, policy = folder / "bundle.json", folder / "policy.json"
    bundle.write_bytes(world.shelf.show(first.verdict.evidence_id).to_json())
    policy.write_text(json.dumps(encode_policy(rules)))
    at = str(world.now())

    capsys.readouterr()
    ended = verify_files(bundle, collateral=None, at=at, policy=policy, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert (ended, found["accepted"], found["simulated"]) == (0, True, True)
    assert found["claims"]["evidence id"] == f"0x{first.verdict.evidence_id.hex()}"

    document = {**encode_policy(rules), "allow_simulated": False}
    policy.write_text(json.dumps(document))
    ended = verify_files(bundle, collateral=None, at=at, policy=policy, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert (ended, found["accepted"]) == (5, False)
    assert [one["reason"] for one in found["reasons"]] == [Reason.SIMULATED_REFUSED]
