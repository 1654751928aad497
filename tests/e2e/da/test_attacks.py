"""Every attack on data availability against real processes: who pays, how much, to the wei."""

from typing import Any

import pytest

from offchain.core.units import WEI_PER_COIN
from tests.support.apogee_command import run_apogee

PATIENCE_SECONDS = 1_500
STAKE = 1_000 * WEI_PER_COIN
MOST_TO_A_REPORTER = 10 * WEI_PER_COIN
REFUSED = {
    "rogue key: own key minus a victim's": "keys: possession not proven",
    "key without proof of possession": "keys: possession not proven",
    "proof made for another operator": "keys: possession not proven",
    "a key that is in use": "keys: key seen before",
    "the identity as a key": "keys: identity",
    "a key off the curve": "keys: possession not proven",
    "one absent signer named twice": "da_signers: absent not rising",
    "a certificate of a stale quorum": "da_entrance: wrong signature",
    "a certificate of another chain": "da_entrance: wrong signature",
    "the identity as a signature": "da_entrance: wrong signature",
}
SILENT = (
    "withhold after signing",
    "serve only friends",
    "wrong chunk, right path",
    "right chunk, wrong index; leaves with its stake",
)


@pytest.fixture(scope="module")
def attacks() -> dict[str, Any]:
    """What `apogee attack da --json` told, by attack."""
    ran = run_apogee("attack", "da", "--backend", "auto", "--json", seconds=PATIENCE_SECONDS)
    return {one["attack"]: one for one in ran.json()["attacks"]}


@pytest.mark.parametrize("name", REFUSED)
def test_attack__forged_keys_and_certificates__refused_for_the_reason(
    attacks: dict[str, Any], name: str
) -> None:
    assert attacks[name]["ending"] == f"refused: {REFUSED[name]}"
    assert attacks[name]["paid_wei"] == 0


@pytest.mark.parametrize("name", SILENT)
def test_attack__signer_that_does_not_serve__pays_a_tenth_of_its_stake(
    attacks: dict[str, Any], name: str
) -> None:
    told = attacks[name]

    assert told["ending"] == "convicted of silence by a challenge"
    assert told["paid_wei"] == STAKE // 10 == sum(told["received_wei"].values())
    assert told["received_wei"]["the challenger"] == MOST_TO_A_REPORTER
    assert told["received_wei"]["victims"] == 0


def test_attack__four_of_eight_collude__read_exactly_and_all_pay(attacks: dict[str, Any]) -> None:
    told = attacks["a third colluding (four of eight at once)"]

    assert told["ending"] == "300,000 bytes read exactly from the others"
    assert told["paid_wei"] == 4 * STAKE // 10


def test_attack__challenger_of_an_honest_signer__loses_its_bond_to_it(
    attacks: dict[str, Any],
) -> None:
    told = attacks["challenger who lies"]

    assert told["payer"] == "the challenger"
    assert told["paid_wei"] == told["received_wei"]["the signer it accused"]
    assert told["paid_wei"] >= WEI_PER_COIN // 100


def test_attack__equivocation__costs_three_tenths(attacks: dict[str, Any]) -> None:
    told = attacks["one signer, two statements"]

    assert told["paid_wei"] == sum(told["received_wei"].values()) > 0
    assert told["received_wei"]["the reporter"] == MOST_TO_A_REPORTER


def test_attack__non_codeword__disperser_loses_everything_and_the_customer_nothing(
    attacks: dict[str, Any],
) -> None:
    told = attacks["disperser encodes a non-codeword"]
    received = told["received_wei"]

    assert told["paid_wei"] == STAKE == sum(received.values())
    # from the stake, or from where it was held when the proof came before the certificate
    assert received.get("the customer", 253_952 * 10**6 * 14) == 253_952 * 10**6 * 14
    assert received["the node that proved it"] == MOST_TO_A_REPORTER


@pytest.mark.parametrize(
    ("name", "beginning"),
    [
        ("disperser sends different chunks to different nodes", "4 nodes refused"),
        ("flood of connections, slow readers, oversized headers", "300 idle, 16 slow"),
        ("a transaction of another chain", "refused by the chain"),
    ],
)
def test_attack__that_only_costs_the_attacker__moves_no_stake(
    attacks: dict[str, Any], name: str, beginning: str
) -> None:
    assert attacks[name]["ending"].startswith(beginning)
    assert (attacks[name]["payer"], attacks[name]["paid_wei"]) == ("nobody", 0)
