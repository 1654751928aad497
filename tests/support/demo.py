"""What every `apogee demo` has to show, on any backend and with any file."""

from pathlib import Path
from typing import Any

import psutil

ANSWER = "The capital of France is Paris."  # greedy, in fp32
WANTED = {
    *("blob_bytes", "chunks", "nodes", "killed_nodes", "retrieved_equal", "encode_mb_s"),
    *("disperse_mb_s", "retrieve_mb_s", "certificate_gas", "slashed_wei", "chain", "seconds"),
    *("stored_bytes", "seats_killed", "seats_repaired", "loud_failure", "storage_refund_wei"),
    *("answer", "answer_checks", "honest_provider_cleared", "cheat_slashed_wei"),
    *("attested_level", "attested_answer", "relayers_that_lied", "relayers_slashed_wei"),
    *("agent_token", "agent_sale_s", "agent_content_equal", "agent_old_key_opens_new"),
    *("agent_thoughts", "agent_spent_wei", "agent_learned", "agent_recalled", "agent_remembers"),
    *("agent_log_checks", "seller_call_refused", "seller_write_refused"),
    *("agent_rent_wei", "agent_clone_royalty_wei", "garbage_refunded_wei", "oracles_slashed_wei"),
}


def processes_of(home: Path) -> list[str]:
    """Every running process that was told of this home: devnet, Anvil, nodes, the demo itself."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if any(str(home) in word for word in words):
            found.append(" ".join(words))
    return found


def assert_told(told: dict[str, Any], backend: str) -> None:
    """What every demo has to show, on any backend and with any file."""
    assert set(told) >= WANTED
    assert told["retrieved_equal"] is True
    assert (told["chunks"], told["nodes"], told["killed_nodes"]) == (3_072, 8, 2)
    assert told["chain"] == backend
    assert 0 < told["certificate_gas"] <= 320_000
    money = told["money"]
    shares = ("to_reporter_wei", "to_victim_wei", "to_insurance_wei", "to_treasury_wei")
    assert told["slashed_wei"] == money["taken_wei"] == sum(money[name] for name in shares) > 0
    # the first strong epoch is 2; a slow machine may enter it when it is over
    assert told["epoch"] >= 2
    assert told["beacon_seats"] == 32
    assert (told["seats_killed"], told["seats_repaired"]) == (16, 16)
    assert told["read_with_half_of_the_seats_gone"] is True
    assert told["storage_proofs"] == 64
    assert told["renewed_epochs"] > 0
    assert told["memory_answers_proven"] == 8
    assert (told["answer"], told["honest_provider_cleared"]) == (ANSWER, True)
    assert min(told["cheat_refunded_wei"], told["cheat_slashed_wei"]) > 0
    attested = (told["attested_level"], told["attested_answer"], told["relayers_that_lied"])
    assert attested == ("BROKER_IN_TEE SIMULATED", ANSWER, 3)
    assert told["relayers_slashed_wei"] > 0
    assert (told["agent_content_equal"], told["agent_old_key_opens_new"]) == (True, False)
    assert told["agent_remembers"] is True
    assert told["agent_learned"] in told["agent_recalled"]
    assert min(told["agent_thoughts"], told["agent_spent_wei"], told["agent_log_checks"]) > 0
    refused = (told["seller_call_refused"], told["seller_write_refused"])
    assert refused == ("sessions: not live", "NO_RIGHT")
    assert min(told["agent_rent_wei"], told["agent_clone_royalty_wei"]) > 0
    assert told["garbage_refunded_wei"] > 10**18  # the price, and the bond
    assert told["oracles_slashed_wei"] > 0
    assert told["loud_failure"] == "storage.shards.insufficient"
    assert min(told["storage_fined_wei"], told["storage_refund_wei"]) > 0
    assert any(backend in line for line in told["simulated"])
    assert any("flagged weak" in line for line in told["simulated"])
