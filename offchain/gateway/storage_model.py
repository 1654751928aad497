"""What travels as JSON on the storage routes; the conventions are those of model.py."""

from pydantic import Field

from offchain.gateway.model import Address, Hex32, Model, Wei
from offchain.storage.client_ports import Quote
from offchain.storage.model import Profile
from offchain.storage.ports import StoredFile


class StorageQuote(Model):
    """What keeping so many bytes costs now."""

    length: int = Field(description="Payload bytes.", examples=[1_000])
    profile: str = Field(description="How the bytes are spread.", examples=["durable"])
    epochs: int = Field(description="Of the term, which covers the days asked for.", examples=[84])
    kept_bytes: int = Field(description="By all seats together.", examples=[524_288])
    cost_wei: Wei = Field(description="Likely cost of the whole term.")
    deposit_wei: Wei = Field(description="Held at most; what is not spent comes back.")
    groups: int = Field(description="Open groups that take files of this term.", examples=[1])


class StorageFile(Model):
    """One submission as the chain knows it."""

    id: Hex32
    root: Hex32
    owner: Address
    state: str = Field(description="SUBMITTED, PLACED, STORED, or its end.", examples=["STORED"])
    length: int = Field(
        description="Bytes as stored: a sealed file's are sealed.", examples=[1_000]
    )
    profile: str = Field(description="How the bytes are spread.", examples=["durable"])
    group: int = Field(description="Who keeps it; 0 until it is placed.", examples=[262_145])
    ends: int = Field(description="Chain time of its paid term's end.", examples=[1_795_000_000])


class StorageFiles(Model):
    """Submissions of one owner, oldest first."""

    files: list[StorageFile] = Field(description="At most as many as asked for.", examples=[[]])


def shown_file(file: StoredFile) -> StorageFile:
    """A chain record as JSON."""
    return StorageFile(
        id="0x" + file.file_id.hex(),
        root="0x" + file.root.hex(),
        owner="0x" + file.owner.hex(),
        state=file.state.name,
        length=file.shape.length,
        profile=file.profile.name,
        group=file.group,
        ends=file.expiry,
    )


def shown_quote(length: int, profile: Profile, epochs: int, found: Quote) -> StorageQuote:
    """A price as JSON."""
    return StorageQuote(
        length=length,
        profile=profile.name,
        epochs=epochs,
        kept_bytes=found.kept_bytes * profile.seats,
        cost_wei=str(found.cost_wei),
        deposit_wei=str(found.deposit_wei),
        groups=found.groups,
    )
