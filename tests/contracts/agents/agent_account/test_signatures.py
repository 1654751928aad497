"""Signatures of an agent's account: nested (ERC-7739), bound to account, epoch and domain."""

from typing import Any

import boa
import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from offchain.agents.sessions import AccountDomain, sign_personal, sign_typed
from offchain.chain.keys import LocalSigner
from offchain.core.errors import InvalidInput
from offchain.core.hashing import Digest, keccak
from offchain.core.typed_data import domain_of, words
from tests.support.agent_accounts import (
    AccountSite,
    a_grant,
    hex_of,
    open_account,
    raw,
    session_key,
)

GOOD, BAD = bytes.fromhex("1626ba7e"), bytes.fromhex("ffffffff")
LETTER = "Letter(address to,bytes32 body,uint64 seq)"
APPLICATION = b"\xaa" * 20
CONTENTS = keccak(words(keccak(LETTER.encode()), APPLICATION, keccak(b"hello"), 1))
HOLDER = LocalSigner.from_secret(keccak(b"owner with a key"))


@pytest.fixture
def held(site: AccountSite) -> AccountSite:
    """The token is a key holder's."""
    site.collection.mint(hex_of(HOLDER.address), 1)
    return site


def domain(site: AccountSite) -> Digest:
    return domain_of("Letters", "1", chain_id=site.chain_id, contract=APPLICATION)


def digest(site: AccountSite) -> bytes:
    """What the application asks about."""
    return keccak(b"\x19\x01", domain(site), CONTENTS)


def here(site: AccountSite, account: Any = None, epoch: int = 0) -> AccountDomain:
    return AccountDomain(site.chain_id, raw(account or site.account), epoch)


def typed(site: AccountSite, signer: LocalSigner, of: AccountDomain | None = None) -> bytes:
    return sign_typed(
        signer, of or here(site), domain=domain(site), contents=CONTENTS, struct_type=LETTER
    )


def test_typed__by_the_owner__valid_for_this_digest_alone(held: AccountSite) -> None:
    signature = typed(held, HOLDER)
    says = held.account.isValidSignature

    assert says(digest(held), signature) == GOOD
    assert says(keccak(b"another digest"), signature) == BAD


def test_typed__another_account_of_the_same_owner__not_valid_there(held: AccountSite) -> None:
    held.collection.mint(hex_of(HOLDER.address), 2)
    other = open_account(held.implementation, held.collection, 2)
    signature = typed(held, HOLDER)

    assert held.account.isValidSignature(digest(held), signature) == GOOD
    assert other.isValidSignature(digest(held), signature) == BAD
    assert other.isValidSignature(digest(held), typed(held, HOLDER, here(held, other))) == GOOD


def test_signature__a_plain_one_of_the_owner__not_valid(held: AccountSite) -> None:
    plain = HOLDER.sign_digest(digest(held))

    assert held.account.isValidSignature(digest(held), plain) == BAD


def test_typed__after_the_token_came_back__only_under_the_new_epoch(held: AccountSite) -> None:
    signature = typed(held, HOLDER)
    held.collection.move(held.owner, 1)
    assert held.account.isValidSignature(digest(held), signature) == BAD

    held.collection.move(hex_of(HOLDER.address), 1)

    assert held.account.isValidSignature(digest(held), signature) == BAD
    renewed = typed(held, HOLDER, here(held, epoch=2))
    assert held.account.isValidSignature(digest(held), renewed) == GOOD


def test_typed__as_wallets_make_it__the_same_bytes(held: AccountSite) -> None:
    """An independent implementation of EIP-712 signs the nested struct."""
    message = encode_typed_data(
        full_message={
            "types": {
                "EIP712Domain": [
                    {"name": "name", "type": "string"},
                    {"name": "version", "type": "string"},
                    {"name": "chainId", "type": "uint256"},
                    {"name": "verifyingContract", "type": "address"},
                ],
                "TypedDataSign": [
                    {"name": "contents", "type": "Letter"},
                    {"name": "name", "type": "string"},
                    {"name": "version", "type": "string"},
                    {"name": "chainId", "type": "uint256"},
                    {"name": "verifyingContract", "type": "address"},
                    {"name": "salt", "type": "bytes32"},
                ],
                "Letter": [
                    {"name": "to", "type": "address"},
                    {"name": "body", "type": "bytes32"},
                    {"name": "seq", "type": "uint64"},
                ],
            },
            "primaryType": "TypedDataSign",
            "domain": {
                "name": "Letters",
                "version": "1",
                "chainId": held.chain_id,
                "verifyingContract": hex_of(APPLICATION),
            },
            "message": {
                "contents": {"to": hex_of(APPLICATION), "body": keccak(b"hello"), "seq": 1},
                "name": "Apogee AgentAccount",
                "version": "1",
                "chainId": held.chain_id,
                "verifyingContract": held.account.address,
                "salt": bytes(32),
            },
        }
    )
    signed = Account.sign_message(message, keccak(b"owner with a key")).signature

    assert typed(held, HOLDER)[:65] == bytes(signed)


def test_personal__any_digest__the_owners_alone(held: AccountSite, key: str) -> None:
    session = session_key()
    any_domain = domain(held)
    with boa.env.prank(hex_of(HOLDER.address)):
        held.account.grant(key, a_grant(domains=[any_domain]))
    wanted = keccak(b"any digest")
    says = held.account.isValidSignature

    assert says(wanted, sign_personal(HOLDER, here(held), wanted)) == GOOD
    assert says(wanted, sign_personal(session, here(held), wanted)) == BAD


def test_session__domains_of_its_list_alone(held: AccountSite, key: str) -> None:
    session = session_key()
    says = held.account.isValidSignature
    owner = hex_of(HOLDER.address)
    with boa.env.prank(owner):
        held.account.grant(key, a_grant(domains=[keccak(b"another domain")]))
    assert says(digest(held), typed(held, session)) == BAD
    with boa.env.prank(owner):
        held.account.grant(key, a_grant(domains=[domain(held)], life=60))

    assert says(digest(held), typed(held, session)) == GOOD
    assert held.account.may_sign(key, domain(held))
    boa.env.time_travel(seconds=61)
    assert says(digest(held), typed(held, session)) == BAD


@pytest.mark.parametrize("state", ["locked", "paused", "sold", "ended"])
def test_session__account_that_may_not_act__signs_nothing(
    held: AccountSite, key: str, stranger: str, state: str
) -> None:
    owner = hex_of(HOLDER.address)
    with boa.env.prank(owner):
        held.account.grant(key, a_grant(domains=[domain(held)]))
    match state:
        case "locked":
            held.collection.lock(1, boa.env.timestamp + 60)
        case "paused":
            held.account.set_paused(True, sender=owner)
        case "sold":
            held.collection.move(stranger, 1)
        case _:
            held.account.end_sessions(sender=owner)

    says = held.account.isValidSignature
    assert says(digest(held), typed(held, session_key())) == BAD
    expected = GOOD if state == "ended" else BAD
    assert says(digest(held), typed(held, HOLDER)) == expected


def test_owner_is_a_contract__asked_with_the_nested_digest(held: AccountSite) -> None:
    """An account whose owner is another account: signatures nest twice."""
    held.collection.mint(held.account.address, 2)
    inner = open_account(held.implementation, held.collection, 2)
    inner_digest = here(held, inner).nested(domain(held), CONTENTS, LETTER)
    of_outer = sign_personal(HOLDER, here(held), inner_digest)
    tail = typed(held, HOLDER)[65:]

    assert inner.isValidSignature(digest(held), of_outer + tail) == GOOD
    assert inner.isValidSignature(digest(held), typed(held, HOLDER)) == BAD


def test_signature__malformed__never_valid_never_reverts(held: AccountSite) -> None:
    whole = typed(held, HOLDER)
    says = held.account.isValidSignature
    high_s = bytearray(whole)
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    high_s[32:64] = (order - int.from_bytes(whole[32:64], "big")).to_bytes(32, "big")
    high_s[64] ^= 27 ^ 28
    for bad in (
        b"",
        whole[:64],
        whole[:65],
        whole[:-1],
        whole + b"\0",
        bytes(high_s),
        whole[:64] + b"\x1d" + whole[65:],
        whole[:-2] + b"\xff\xff",
        bytes(1_024),
    ):
        assert says(digest(held), bad) == BAD


@pytest.mark.parametrize(
    "struct_type", ["letter(bytes32 body)", "(bytes32 body)", "Let ter(bytes32 body)", "Letter("]
)
def test_type__that_could_be_read_as_another__refused_on_both_sides(
    held: AccountSite, struct_type: str
) -> None:
    with pytest.raises(InvalidInput):
        sign_typed(
            HOLDER, here(held), domain=domain(held), contents=CONTENTS, struct_type=struct_type
        )
    type_bytes = struct_type.encode()
    tail = domain(held) + CONTENTS + type_bytes + len(type_bytes).to_bytes(2, "big")
    signed = HOLDER.sign_digest(here(held).personal(digest(held)))

    assert held.account.isValidSignature(digest(held), signed + tail) == BAD


def test_support__asked_as_erc_7739_says__answered(site: AccountSite) -> None:
    asked = bytes.fromhex("7739" * 16)

    assert site.account.isValidSignature(asked, b"") == bytes.fromhex("77390001")
    fields, name, version, chain_id, account, salt, _ = site.account.eip712Domain()
    assert (fields, name, version) == (b"\x1f", "Apogee AgentAccount", "1")
    assert (chain_id, account, salt) == (site.chain_id, site.account.address, bytes(32))
