"""`apogee da sample`: is a blob there, asked with a few random rows instead of all of them."""

import asyncio
import random

from offchain.apps.da import network_of
from offchain.apps.disperser import ledger_of
from offchain.apps.exit_codes import ExitCode
from offchain.apps.home import Home
from offchain.apps.output import print_result, say
from offchain.core.erasure.choose import choose_engine
from offchain.da.adapters.http_client import HttpNodeClient
from offchain.da.confidence import parse_confidence, show_confidence
from offchain.da.retrieve import RetrievalRules, RetrieveBlob
from offchain.da.sample import SampleBlob, Sampled, SampleRules
from offchain.da.split import FileReference


def sample(
    home: Home, rpc_url: str | None, reference: str, *, confidence: str, as_json: bool
) -> int:
    """Print what was asked, what came and how sure that makes; 6 when it is not sure enough.

    Raises: ConfidenceInvalid, BlobUnknown, InsufficientRows without a header, Bottom.
    """
    wanted = parse_confidence(confidence)
    named = FileReference.parse(reference)
    blob_id = named.blob_id
    network = network_of(home, rpc_url)

    async def look() -> Sampled:
        engine = await asyncio.to_thread(choose_engine)
        ledger = ledger_of(network)
        async with HttpNodeClient() as client:
            sampler = SampleBlob(
                ledger,
                client,
                engine,
                reader=RetrieveBlob(ledger, client, engine, rules=RetrievalRules()),
                randomness=random.SystemRandom(),
                rules=SampleRules(),
            )
            return await sampler.sample(blob_id, wanted)

    seen = asyncio.run(look())
    what = "manifest of a file; its parts are blobs of their own" if named.is_manifest else "blob"
    print_result({"sampled": what, **report_of(seen, confidence)}, as_json=as_json)
    if not seen.is_reached:
        say("The confidence was not reached: rows are missing. Try again, or read: apogee da get")
        return ExitCode.UNAVAILABLE
    return ExitCode.DONE


def report_of(seen: Sampled, asked_confidence: str) -> dict[str, object]:
    """What a sampler says; the block is the one whose record and duties were believed."""
    assert seen.view.duties is not None
    return {
        "blob_id": "0x" + seen.view.record.blob_id.hex(),
        "state": seen.view.record.state.name,
        "block": seen.view.moment.block,
        "rows_asked": len(seen.rows),
        "rows_good": len(seen.good),
        "operators_reached": len(seen.operators),
        "operators": len(seen.view.duties.members),
        "operators_blamed": sorted(seen.blame.operators()),
        "confidence": show_confidence(seen.doubt),
        "asked_confidence": asked_confidence,
        "is_reached": seen.is_reached,
        "outside_the_bound": "rows that nodes serve to samplers and to nobody else",
    }
