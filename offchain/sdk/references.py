"""What names published bytes: one blob, a file of many blobs, or an item of a shared matrix.

apogee:da:blob:<64 hex>    apogee:da:file:<64 hex>    apogee:da:item:<64 hex>:<number>
"""

from dataclasses import dataclass
from typing import Final

from offchain.da.shared_matrix import MAX_ITEMS
from offchain.da.split import FileReference, FileReferenceInvalid

ITEM_PREFIX: Final = "apogee:da:item:"

__all__ = ["AnyReference", "FileReference", "ItemReference", "parse_reference"]


@dataclass(frozen=True, slots=True)
class ItemReference:
    """Item `number` of the shared matrix `blob_id`."""

    blob_id: bytes
    number: int

    def __str__(self) -> str:
        return f"{ITEM_PREFIX}{self.blob_id.hex()}:{self.number}"

    @classmethod
    def parse(cls, text: str) -> "ItemReference":
        """Raises: FileReferenceInvalid."""
        digits, _, number = text.removeprefix(ITEM_PREFIX).partition(":")
        is_hex = len(digits) == 64 and set(digits) <= set("0123456789abcdef")
        is_number = number.isascii() and number.isdigit() and len(number) <= 5
        if not text.startswith(ITEM_PREFIX) or not is_hex or not is_number:
            raise FileReferenceInvalid(reference=text[:120])
        if int(number) >= MAX_ITEMS or number != str(int(number)):
            raise FileReferenceInvalid(reference=text[:120])
        return cls(bytes.fromhex(digits), int(number))


AnyReference = FileReference | ItemReference | str


def parse_reference(reference: AnyReference) -> FileReference | ItemReference:
    """A reference in any of its forms. Raises: FileReferenceInvalid."""
    if not isinstance(reference, str):
        return reference
    if reference.startswith(ITEM_PREFIX):
        return ItemReference.parse(reference)
    return FileReference.parse(reference)
