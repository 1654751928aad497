"""A shipped cheat: a seller and a quorum of oracles who deliver garbage and sign for it together.

Their enclave keys are taken out of the devnet's software TEE, whose folder gives whoever holds it
everything; on hardware that is the attack that stake and proofs are for.
"""

import secrets
from collections.abc import Sequence

from offchain.agents.bundle import HEADER_BYTES, reencrypt
from offchain.agents.deliver import Delivered
from offchain.agents.delivery import oracle_service
from offchain.agents.oracle import OracleKeys
from offchain.agents.oracle_ports import Derived, Op, Order
from offchain.agents.recrypt import delivery_digest, seal_context
from offchain.agents.seal import is_ephemeral, seal
from offchain.agents.sell import PROOF_SECONDS, key_of_sale, ownership_of, sale_of
from offchain.agents.token_view import data_keys, read_token
from offchain.agents.trade_files import Proof, Proofs
from offchain.apps.agent_home import Trader
from offchain.apps.attestation import ORACLE, open_enclave
from offchain.apps.home import Home
from offchain.apps.network import Network

SPOILT_BYTE = HEADER_BYTES + 100  # inside the first chunk


def stolen_keys(network: Network, home: Home, operators: Sequence[int]) -> list[OracleKeys]:
    """The enclave keys of these operators' oracles."""
    tee = open_enclave(network, home, ORACLE)
    return [OracleKeys.of(tee.sealing_key(oracle_service(one))) for one in operators]


async def deliver_garbage(seller: Trader, sale_id: int, liars: Sequence[OracleKeys]) -> Proofs:
    """Proofs that verify, for a file that does not hold what was sold."""
    sell, buy = seller.sell, seller.buy
    clients, keys = sell.clients, sell.keys
    sale = sale_of(clients, sale_id)
    token = read_token(clients, sale.token)
    [entry], [old_key] = token.entries, data_keys(clients, token, keys)
    ordered = sorted(liars, key=lambda one: one.signer.address)
    order = Order(
        chain_id=clients.chain_id,
        verifier=clients.verifier.address,
        collection=clients.nft.address,
        token=token.id,
        epoch=token.epoch,
        op=Op.TRANSFER,
        receiver=sale.buyer,
        old=entry,
        delivery_key=key_of_sale(clients, sale_id, sale.buyer),
        nonce=secrets.token_bytes(32),
        deadline=token.block.timestamp + PROOF_SECONDS,
        signers=tuple(one.signer.address for one in ordered),
    )
    old_file = await buy.files.get(entry.location, entry.data_hash)
    new_key = secrets.token_bytes(32)
    made = reencrypt(old_file, old_key, new_key, entry.content_root)
    file = bytearray(made.file)
    file[SPOILT_BYTE] ^= 1
    data_hash = buy.engines.root_of(bytes(file))
    sealed = seal(new_key, order.delivery_key, seal_context(order, data_hash), scalar=_scalar())
    derived = Derived(data_hash, made.roots.key_root, made.roots.key_commit, sealed)
    location = await buy.files.put(bytes(file), data_hash, name=f"lie-{sale_id}")
    digest = delivery_digest(order, derived, location)
    signatures = tuple(one.signer.sign_digest(digest) for one in ordered)
    proof = Proof(ownership_of(Delivered(order, derived, location, signatures)))
    return Proofs(
        chain_id=order.chain_id,
        collection=order.collection,
        token=token.id,
        epoch=token.epoch,
        op=int(Op.TRANSFER),
        receiver=sale.buyer,
        proofs=(proof,),
    )


def _scalar() -> bytes:
    while not is_ephemeral(drawn := secrets.token_bytes(32)):
        pass
    return drawn
