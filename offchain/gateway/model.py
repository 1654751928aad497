"""What travels as JSON: requests' parts and answers, with the examples that OpenAPI shows.

Ids, roots and hashes are 0x and 64 hex digits, addresses 0x and 40, amounts wei as decimal strings
(JavaScript's numbers end at 2^53), times chain seconds.
"""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

HASH: Final = "0x" + "5f" * 32
ADDRESS: Final = "0x" + "a1" * 20
Hex32 = Annotated[str, Field(pattern=r"^0x[0-9a-f]{64}$", examples=[HASH])]
Address = Annotated[str, Field(pattern=r"^0x[0-9a-f]{40}$", examples=[ADDRESS])]
Hex = Annotated[str, Field(pattern=r"^0x([0-9a-f]{2})*$", examples=["0x" + "c0" * 48])]
Wei = Annotated[str, Field(pattern=r"^[0-9]+$", examples=["3555328000000000"])]


class Model(BaseModel):
    """Every answer: unknown fields are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Lane(StrEnum):
    """Whether bytes get a matrix of their own or share one with others' small items."""

    OWN = "own"
    SHARED = "shared"


class Quote(Model):
    """What a blob costs now."""

    length: int = Field(description="Payload bytes.", examples=[1_000])
    days: int = Field(description="Whole days of retention.", examples=[14])
    fee_wei: Wei = Field(description="The exact fee of a matrix of its own.")
    confirm_seconds: int = Field(
        description="From payment to the end of the time for a certificate.", examples=[300]
    )
    lane: Lane = Field(description="The lane that costs less.", examples=[Lane.SHARED])
    block: int = Field(description="The block that was asked.", examples=[8_214])


class Receipt(Model):
    """The disperser's EIP-712 signature that the item has this place (docs/protocol/da.md)."""

    number: int = Field(description="Place of the item in the matrix.", examples=[17])
    item_hash: Hex32 = Field(description="keccak-256 of the item.")
    length: int = Field(description="Bytes of the item.", examples=[1_000])
    signature: Hex = Field(
        description="65 bytes r || s || v.", examples=["0x" + "1b" * 65], max_length=132
    )


class Accepted(Model):
    """A blob or an item that is written down durably and on its way."""

    blob_id: Hex32
    item_id: str | None = Field(
        default=None,
        description="`BLOB_ID/items/NUMBER`, on the shared lane.",
        examples=[f"{HASH}/items/17"],
    )
    data_root: Hex32 = Field(description="D: compute it yourself and compare.")
    commitment: Hex = Field(description="C, the 48 bytes that the chain keeps beside D.")
    matrix_bytes: int = Field(description="Payload bytes of the matrix.", examples=[1_000])
    days: int = Field(examples=[14])
    payer: Address
    disperser: Address
    salt: Hex32 = Field(description="With the fields above it hashes to blob_id.")
    fee_wei: Wei = Field(description="The fee of the whole matrix.")
    receipt: Receipt | None = Field(default=None, description="On the shared lane.")

    @property
    def raw_id(self) -> bytes:
        """The blob id's 32 bytes."""
        return bytes.fromhex(self.blob_id[2:])


class Certificate(Model):
    """The signatures that the chain has accepted for a blob."""

    transaction: Hex32
    certificate_hash: Hex32
    seed: Hex32
    slices: int = Field(description="Signed slices of 3,072.", examples=[2_688])
    operators: int = Field(examples=[7])


class Standing(Model):
    """Where a blob stands, on the chain and in this gateway."""

    blob_id: Hex32
    state: str = Field(
        description="PLANNED before payment; PAID, CONFIRMED, REFUNDED or VOID on the chain.",
        examples=["CONFIRMED"],
    )
    data_root: Hex32
    length: int = Field(examples=[1_000])
    block: int | None = Field(default=None, examples=[8_214])
    chain_time: int | None = Field(default=None, examples=[1_790_000_000])
    deadline: int | None = Field(default=None, description="Of the certificate.", examples=[300])
    expiry: int | None = Field(default=None, examples=[1_790_012_096])
    fee_wei: Wei | None = None
    slices_signed: int | None = Field(default=None, examples=[2_688])
    slices_needed: int | None = Field(default=None, examples=[2_048])
    bytes_sent: int | None = Field(default=None, examples=[98_304])
    paid_transaction: Hex32 | None = None
    certificate: Certificate | None = None
    problem: str | None = Field(
        default=None, description="Why it does not go on, as an error code.", examples=[None]
    )


class Sample(Model):
    """What random rows say of a blob's availability."""

    blob_id: Hex32
    block: int = Field(examples=[8_214])
    asked: int = Field(description="Rows asked for.", examples=[30])
    good: int = Field(description="Rows that came and hold.", examples=[30])
    operators: int = Field(description="Operators that answered.", examples=[8])
    doubt: float = Field(
        description="P[a blob that is lost answers so well], at most.", examples=[2.1e-7]
    )
    confidence: float = Field(description="1 - doubt.", examples=[0.99999979])
    asked_confidence: float = Field(examples=[0.999999])
    is_reached: bool = Field(description="Whether it is as sure as was asked.", examples=[True])
    blame: list[str] = Field(description="Who did not answer rightly, and why.", examples=[[]])


class Problem(BaseModel):
    """RFC 9457 with our code, fields and what to do next."""

    type: str = Field(examples=["urn:apogee:error:da.blob.unknown"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["The named block knows no such blob."])
    request_id: str = Field(examples=["9f2c1a7b3d5e8f60"])
    kind: str = Field(examples=["NotFound"])
    code: str = Field(examples=["da.blob.unknown"])
    fields: dict[str, str | int | float | bool | None] = Field(examples=[{"blob_id": "5f5f"}])
    next_step: str = Field(examples=["Check the blob id and the network."])


class Health(Model):
    """The process answers."""

    status: str = Field(examples=["alive"])


def show(raw: bytes) -> str:
    """Bytes as 0x-hex."""
    return "0x" + raw.hex()
