"""What a program imports to use Apogee: one client object per layer, thin over the use cases.

Owns: `Apogee`, `AsyncApogee`, references, typed errors. May import: da and below.
"""

from offchain.core.errors import ApogeeError
from offchain.sdk.client import Apogee, AsyncApogee
from offchain.sdk.connection import Connection
from offchain.sdk.da import BlobStatus, Sampling
from offchain.sdk.references import FileReference, ItemReference

__all__ = [
    "Apogee",
    "ApogeeError",
    "AsyncApogee",
    "BlobStatus",
    "Connection",
    "FileReference",
    "ItemReference",
    "Sampling",
]
