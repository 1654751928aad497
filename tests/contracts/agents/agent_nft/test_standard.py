"""The token in generic tooling, and EIP-7857's selectors, topics and interface ids, pinned.

The EIP's shapes stand here as text (ERCs, eip-7857, status Final), independent of the contract.
"""

import boa
import pytest
from eth_utils import keccak, to_checksum_address
from web3 import Web3

from tests.support.agents import NOBODY, Piece, TokenSite, a_proof
from tests.support.refusal import Refused

ACCESS = "(bytes32,bytes32,bytes,bytes,bytes)"
OWNERSHIP = "(uint8,bytes32,bytes32,bytes,bytes,bytes,bytes)"
PROOFS = f"({ACCESS},{OWNERSHIP})[]"
EIP_7857 = (
    "verifier()",
    f"iTransfer(address,uint256,{PROOFS})",
    f"iClone(address,uint256,{PROOFS})",
    "authorizeUsage(uint256,address)",
    "revokeAuthorization(uint256,address)",
    "approve(address,uint256)",
    "setApprovalForAll(address,bool)",
    "delegateAccess(address)",
    "ownerOf(uint256)",
    "authorizedUsersOf(uint256)",
    "getApproved(uint256)",
    "isApprovedForAll(address,address)",
    "getDelegateAccess(address)",
)
EIP_7857_METADATA = ("name()", "symbol()", "intelligentDataOf(uint256)")
ERC_721 = (
    "balanceOf(address)",
    "ownerOf(uint256)",
    "approve(address,uint256)",
    "getApproved(uint256)",
    "setApprovalForAll(address,bool)",
    "isApprovedForAll(address,address)",
    "transferFrom(address,address,uint256)",
    "safeTransferFrom(address,address,uint256)",
    "safeTransferFrom(address,address,uint256,bytes)",
)
INTERFACES = {
    "ERC-165": ("supportsInterface(bytes4)",),
    "ERC-721": ERC_721,
    "ERC-721 metadata": ("name()", "symbol()", "tokenURI(uint256)"),
    "ERC-721 enumerable": (
        "totalSupply()",
        "tokenByIndex(uint256)",
        "tokenOfOwnerByIndex(address,uint256)",
    ),
    "ERC-2981": ("royaltyInfo(uint256,uint256)",),
    "EIP-7857": EIP_7857,
    "EIP-7857 metadata": EIP_7857_METADATA,
}
# name, signature, which arguments are indexed
EVENTS = (
    ("Approval(address,address,uint256)", (True, True, True)),
    ("ApprovalForAll(address,address,bool)", (True, True, False)),
    ("Authorization(address,address,uint256)", (True, True, True)),
    ("AuthorizationRevoked(address,address,uint256)", (True, True, True)),
    ("Transferred(uint256,address,address)", (False, True, True)),
    ("Cloned(uint256,uint256,address,address)", (True, True, False, False)),
    ("PublishedSealedKey(address,uint256,bytes[])", (True, True, False)),
    ("DelegateAccess(address,address)", (True, True)),
    ("Transfer(address,address,uint256)", (True, True, True)),
    ("MetadataUpdate(uint256)", (False,)),
    ("Minted(uint256,address,address)", (True, True, True)),
)
PINNED = {  # computed from the EIP's text apart from this file
    f"iTransfer(address,uint256,{PROOFS})": "b0654873",
    f"iClone(address,uint256,{PROOFS})": "e915c38a",
    "intelligentDataOf(uint256)": "393df216",
    "authorizedUsersOf(uint256)": "1aeb542f",
}
EIP_7857_ID, EIP_7857_METADATA_ID = "ee5a526e", "aa18b754"
ERC_721_ABI = [
    {
        "type": "function",
        "name": name,
        "stateMutability": "view",
        "inputs": [{"name": "", "type": kind} for kind in inputs],
        "outputs": [{"name": "", "type": output}],
    }
    for name, inputs, output in (
        ("name", (), "string"),
        ("symbol", (), "string"),
        ("tokenURI", ("uint256",), "string"),
        ("ownerOf", ("uint256",), "address"),
        ("balanceOf", ("address",), "uint256"),
        ("totalSupply", (), "uint256"),
        ("tokenByIndex", ("uint256",), "uint256"),
        ("tokenOfOwnerByIndex", ("address", "uint256"), "uint256"),
        ("supportsInterface", ("bytes4",), "bool"),
    )
] + [
    {
        "type": "event",
        "name": "Transfer",
        "anonymous": False,
        "inputs": [
            {"name": name, "type": kind, "indexed": True}
            for name, kind in (("from", "address"), ("to", "address"), ("tokenId", "uint256"))
        ],
    }
]


def canonical(entry: dict[str, object]) -> str:
    """An ABI entry as its signature."""

    def kind(one: dict[str, object]) -> str:
        name = str(one["type"])
        if not name.startswith("tuple"):
            return name
        parts = one["components"]
        assert isinstance(parts, list)
        return f"({','.join(map(kind, parts))}){name.removeprefix('tuple')}"

    inputs = entry["inputs"]
    assert isinstance(inputs, list)
    return f"{entry['name']}({','.join(map(kind, inputs))})"


def selector(signature: str) -> bytes:
    return keccak(text=signature)[:4]


@pytest.mark.parametrize("name", INTERFACES)
def test_supports_interface__functions_of_the_standard__id_and_each_selector(
    site: TokenSite, name: str
) -> None:
    functions = INTERFACES[name]
    shown = {canonical(one) for one in site.nft.abi if one["type"] == "function"}

    number = 0
    for one in functions:
        number ^= int.from_bytes(selector(one), "big")

    assert set(functions) <= shown
    assert site.nft.supportsInterface(number.to_bytes(4, "big"))


def test_selectors__of_eip_7857__are_the_pinned_ones(site: TokenSite) -> None:
    shown = {
        canonical(one): selector(canonical(one)).hex()
        for one in site.nft.abi
        if one["type"] == "function"
    }

    assert {signature: shown[signature] for signature in PINNED} == PINNED
    for one in (EIP_7857_ID, EIP_7857_METADATA_ID):
        assert site.nft.supportsInterface(bytes.fromhex(one))


def test_supports_interface__updates_and_nothing_else(site: TokenSite) -> None:
    assert site.nft.supportsInterface(bytes.fromhex("49064906"))  # ERC-4906 names its id itself
    for other in ("ffffffff", "00000000", "589c5ce2", "d9b67a26"):
        assert not site.nft.supportsInterface(bytes.fromhex(other))


@pytest.mark.parametrize(("signature", "indexed"), EVENTS)
def test_event__of_the_standard__topic_and_indexed_arguments(
    site: TokenSite, signature: str, indexed: tuple[bool, ...]
) -> None:
    found = [one for one in site.nft.abi if one["type"] == "event" and canonical(one) == signature]

    assert len(found) == 1
    assert tuple(one["indexed"] for one in found[0]["inputs"]) == indexed


def test_structs__of_the_standard__names_and_order(site: TokenSite) -> None:
    [transfer] = [one for one in site.nft.abi if one.get("name") == "iTransfer"]
    access, ownership = transfer["inputs"][2]["components"]

    assert [one["name"] for one in access["components"]] == [
        "oldDataHash",
        "newDataHash",
        "nonce",
        "encryptedPubKey",
        "proof",
    ]
    assert [one["name"] for one in ownership["components"]] == [
        "oracleType",
        "oldDataHash",
        "newDataHash",
        "sealedKey",
        "encryptedPubKey",
        "nonce",
        "proof",
    ]


def test_generic_tooling__knows_only_erc_721__reads_and_follows_tokens(
    site: TokenSite, owner: str, receiver: str, token: int, plain: int, piece: Piece
) -> None:
    """web3's contract object with the plain standard's ABI encodes and decodes everything."""
    tool = Web3().eth.contract(address=to_checksum_address(site.nft.address), abi=ERC_721_ABI)

    def ask(name: str, *arguments: object) -> object:
        data = bytes.fromhex(tool.encode_abi(name, list(arguments))[2:])
        raw = boa.env.execute_code(to_address=site.nft.address, data=data).output
        [output] = tool.get_function_by_name(name).abi["outputs"]
        return tool.w3.codec.decode([output["type"]], raw)[0]

    site.nft.iTransfer(receiver, token, [a_proof(piece, piece.next())], sender=owner)

    assert (ask("name"), ask("symbol")) == ("Apogee Agents", "AGENT")
    assert ask("supportsInterface", bytes.fromhex("80ac58cd")) is True
    assert ask("totalSupply") == 2
    assert [ask("tokenByIndex", i) for i in range(2)] == [token, plain]
    assert str(ask("ownerOf", token)).lower() == receiver.lower()
    assert ask("balanceOf", owner) == ask("balanceOf", receiver) == 1
    assert ask("tokenOfOwnerByIndex", receiver, 0) == token
    assert ask("tokenURI", token) == "apogee:agent:1"


def test_enumeration__outside__refused(site: TokenSite, owner: str, unmoved: Refused) -> None:
    with unmoved("erc721: invalid token ID"):
        site.nft.tokenByIndex(0)
    with unmoved("erc721: owner index out of bounds"):
        site.nft.tokenOfOwnerByIndex(owner, 0)
    with unmoved("erc721: invalid token ID"):
        site.nft.tokenURI(1)
    with unmoved("erc721: the zero address is not a valid owner"):
        site.nft.balanceOf(NOBODY)


def test_approval__as_in_erc_721__set_read_and_cleared(
    site: TokenSite, owner: str, receiver: str, stranger: str, plain: int, unmoved: Refused
) -> None:
    with unmoved("agent_nft: not its owner"):
        site.nft.approve(stranger, plain, sender=stranger)
    with unmoved("erc721: approve to caller"):
        site.nft.setApprovalForAll(owner, True, sender=owner)
    site.nft.setApprovalForAll(receiver, True, sender=owner)

    site.nft.approve(stranger, plain, sender=receiver)

    assert site.nft.getApproved(plain) == stranger
    assert site.nft.isApprovedForAll(owner, receiver)
    site.nft.safeTransferFrom(owner, receiver, plain, b"memo", sender=stranger)
    assert site.nft.getApproved(plain) == NOBODY


def test_defect_3__what_the_verifier_is_told__names_token_epoch_operation_and_receiver(
    site: TokenSite, owner: str, receiver: str, token: int, piece: Piece
) -> None:
    """Chain, contract and deadline are in the verifier's domain; the rest it reads from here."""
    later = piece.next()
    site.nft.iTransfer(receiver, token, [a_proof(piece, later)], sender=owner)
    site.nft.iClone(owner, token, [a_proof(later, later.next())], sender=receiver)

    assert tuple(site.verifier.context())[:5] == (token, 1, 2, owner, 3)
