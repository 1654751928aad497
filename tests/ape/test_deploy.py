"""What an ape user does: deploy with the script's own plan and read it back through ape."""

import importlib.util
from pathlib import Path

from offchain.apps.genesis import scaled_genesis

ROOT = Path(__file__).resolve().parent.parent.parent


def deploy_script():
    spec = importlib.util.spec_from_file_location("deploy_script", ROOT / "scripts" / "deploy.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_deploy__on_the_ape_network__wires_and_seals_everything(accounts, project):
    deployer = accounts[0]
    genesis = scaled_genesis(governance=str(deployer.address), treasury=str(accounts[1].address))
    script = deploy_script()
    script.compile_fresh()

    deployed = script.deploy_all(genesis, deployer)

    at = {name: "0x" + bytes(one.address).hex() for name, one in deployed.items()}
    stake = project.StakeManager.at(at["StakeManager"])
    court = project.SlashingCourt.at(at["SlashingCourt"])
    entrance = project.DAEntrance.at(at["DAEntrance"])
    assert at["SlashingCourt"] == stake.court().lower()
    assert court.is_sealed()
    assert at["DASigners"] == entrance.SIGNERS().lower()
    market = project.StorageMarket.at(at["StorageMarket"])
    assert at["StorageSeats"] == market.SEATS().lower()
    assert at["StorageProofs"] == market.proofs().lower()
    assert market.windows().grace == 42 * genesis.durations.epoch
    least_billed_bytes, price_wei, days = 253_952, 10**6, 14
    assert least_billed_bytes * price_wei * days == entrance.quote(1, days)
