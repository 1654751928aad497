"""Deploy every contract with ape: `ape run deploy --network ethereum:local:test` or any RPC.

Writes deployments/<name>.json once every step is mined and prints it as JSON on stdout; progress
goes to stderr. On a local chain the first test account deploys, elsewhere name one with --account.
Durations are production ones; local chains divide them by 100, --divisor says otherwise.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import click
from ape import accounts, chain, networks, project
from ape.cli import ConnectedProviderCommand, account_option

from offchain.apps.genesis import DEVNET_DIVISOR, Genesis, resolve, scaled_genesis
from offchain.chain import deterministic, token_accounts
from offchain.chain.contract_abi import artifact
from offchain.chain.deployments import Deployment, Deployments, save_deployments
from offchain.chain.devnet.precompiles import install_native_precompiles
from offchain.chain.model import TransactionHash, parse_address, show_address
from offchain.core.units import BlockNumber

ROOT = Path(__file__).resolve().parent.parent
CONTRACTS = ROOT / "contracts"
LOCAL_CHAINS = {1337, 31337}


def say(message: str) -> None:
    """Progress, for people."""
    click.echo(message, err=True)


def compile_fresh() -> None:
    """Compile anew when any source changed: ape does not follow imports between Vyper files."""
    digest = hashlib.sha256()
    for path in sorted([*CONTRACTS.rglob("*.vy"), *CONTRACTS.rglob("*.vyi")]):
        digest.update(path.read_bytes())
    stamp = ROOT / ".build" / "sources.sha256"
    if not stamp.exists() or stamp.read_text() != digest.hexdigest():
        project.load_contracts(use_cache=False)
        stamp.parent.mkdir(exist_ok=True)
        stamp.write_text(digest.hexdigest())


def deploy_all(genesis: Genesis, deployer: Any) -> dict[str, Deployment]:
    """Deploy and wire every contract of the plan."""
    done: dict[str, Deployment] = {}
    addresses: dict[str, str] = {}
    instances: dict[str, Any] = {}
    for step in genesis.deployments():
        arguments = tuple(resolve(argument, addresses) for argument in step.arguments)
        instance = deployer.deploy(getattr(project, step.name), *arguments, publish=False)
        receipt = instance.creation_metadata.receipt
        addresses[step.name] = str(instance.address)
        instances[step.name] = instance
        built = artifact(step.name)
        done[step.name] = Deployment(
            name=step.name,
            address=parse_address(str(instance.address)),
            block_number=BlockNumber(receipt.block_number),
            transaction_hash=TransactionHash(bytes.fromhex(receipt.txn_hash.removeprefix("0x"))),
            constructor_args=arguments,
            integrity=built.integrity,
            layout_hash=built.layout_hash,
        )
        say(f"  {step.name:18} {instance.address}  {receipt.gas_used:>9,} gas")
    for call in genesis.wiring():
        arguments = tuple(resolve(argument, addresses) for argument in call.arguments)
        getattr(instances[call.name], call.function)(*arguments, sender=deployer)
        say(f"  {call.name}.{call.function}")
    return done


def bring_token_accounts(deployer: Any) -> None:
    """Have the public registry of token accounts on this chain, at its one address."""
    provider = networks.provider
    has_code = lambda address: bool(provider.get_code(show_address(address)))
    if has_code(token_accounts.REGISTRY):
        return
    if not has_code(deterministic.DEPLOYER):
        deployer.transfer(show_address(deterministic.CREATOR), deterministic.CREATION_WEI)
        hashed = provider.web3.eth.send_raw_transaction(deterministic.CREATION)
        provider.web3.eth.wait_for_transaction_receipt(hashed)
    data = token_accounts.REGISTRY_SALT + token_accounts.REGISTRY_CODE
    deployer.transfer(show_address(deterministic.DEPLOYER), 0, data=data)
    if not has_code(token_accounts.REGISTRY):
        raise click.ClickException("the registry of token accounts is not at its address")
    say(f"  {'ERC6551Registry':18} {show_address(token_accounts.REGISTRY)}")


@click.command(cls=ConnectedProviderCommand)
@account_option(prompt=False)
@click.option("--name", default="", help="name of the deployment file; default: the network's")
@click.option("--folder", default="", help="where the file goes; default: deployments/")
@click.option("--treasury", default="", help="who receives fees; default: the deployer")
@click.option("--divisor", type=int, default=0, help="divide every duration by this")
@click.option("--dry-run", is_flag=True, help="print the plan; compile, send and write nothing")
def cli(
    *, account: Any, name: str, folder: str, treasury: str, divisor: int, dry_run: bool
) -> None:
    """Deploy Apogee and write its deployment file."""
    is_local = chain.chain_id in LOCAL_CHAINS
    if networks.provider.name == "test":  # pairings in pure Python take a second each
        install_native_precompiles()
    deployer = account or (accounts.test_accounts[0] if is_local else None)
    if deployer is None:
        raise click.UsageError("name the deploying account with --account ALIAS")
    scale = divisor or (DEVNET_DIVISOR if is_local else 1)
    owner = str(deployer.address)
    genesis = scaled_genesis(governance=owner, treasury=treasury or owner, divisor=scale)
    if dry_run:
        sys.stdout.write(
            json.dumps({"chain_id": chain.chain_id, "steps": genesis.as_json()}) + "\n"
        )
        return
    say(f"deploying to chain {chain.chain_id} as {owner}, durations divided by {scale}")
    compile_fresh()
    bring_token_accounts(deployer)
    contracts = deploy_all(genesis, deployer)
    network = name or networks.provider.network.name
    path = (Path(folder) if folder else ROOT / "deployments") / f"{network}.json"
    save_deployments(path, Deployments(network, chain.chain_id, contracts))
    sys.stdout.write(json.dumps(json.loads(path.read_text())) + "\n")
