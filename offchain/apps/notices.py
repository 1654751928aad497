"""`apogee relayer notice`: vote for a notice, collect the votes of the committee, post a quorum."""

import asyncio
from collections.abc import Sequence

from offchain.apps.attestation import chain_relay, relay_clients
from offchain.apps.home import LOOPBACK, RELAYER, Manifest
from offchain.apps.keystore import Keystore
from offchain.apps.network import open_sender
from offchain.apps.stake import Actor
from offchain.attestation.adapters.chain_relay import ChainRegistryActs
from offchain.attestation.adapters.http_relayer import HttpNotices
from offchain.attestation.notice import NoticePosting, notice_of
from offchain.attestation.notice_desk import VoteFile, gather
from offchain.node.disk import LocalDisk


def give_notice(one: Actor, kind: str, what: str, asked: Sequence[str]) -> int:
    """Vote in this home's name; post the notice once enough of the committee have voted.

    `asked`: origins of other relayers; this home's own is always asked.
    Raises: FormMalformed, NoticeKnown (exit 2), Unavailable.
    """
    notice = notice_of(kind.replace("-", "_"), what)
    folder = one.home.root / "relayers"
    folder.mkdir(parents=True, exist_ok=True)
    VoteFile(LocalDisk(), folder).vote(notice)
    own = f"http://{LOOPBACK}:{Manifest.load(one.home).ports[RELAYER]}"

    async def collect() -> tuple[NoticePosting | None, Sequence[int]]:
        async with HttpNotices() as ask:
            return await gather(notice, chain_relay(one.network), ask, [own, *asked])

    posting, signed = asyncio.run(collect())
    if posting is not None:
        post_notice(one, posting)
    return one.say(
        {
            "kind": notice.kind.value,
            "what": notice.text(),
            "signed_by": list(signed),
            "posted": posting is not None,
        }
    )


def post_notice(one: Actor, posting: NoticePosting) -> None:
    """Send it from the actor's account."""
    one.fill()
    account = Keystore(one.home.keys).account(one.role)
    with open_sender(one.network, one.home, one.role, account) as sender:
        ChainRegistryActs(relay_clients(one.network), sender).notify(posting)
