"""What a program imports to use Apogee: one client object per layer, thin over the use cases.

Owns: `Apogee`, `AsyncApogee`, references, typed errors. May import: da, storage and below.
"""

from offchain.core.errors import ApogeeError
from offchain.sdk.client import Apogee, AsyncApogee
from offchain.sdk.connection import Connection
from offchain.sdk.da import BlobStatus, Sampling
from offchain.sdk.references import FileReference, ItemReference
from offchain.sdk.storage import StoredFile, StoreWish

__all__ = [
    "Apogee",
    "ApogeeError",
    "AsyncApogee",
    "BlobStatus",
    "Connection",
    "FileReference",
    "ItemReference",
    "Sampling",
    "StoreWish",
    "StoredFile",
]
