"""What one client may ask for at once; the same for every backend."""

from typing import Final

MAX_BODY_BYTES: Final = 8 * 1024 * 1024
MAX_BATCH: Final = 1_000
MAX_LOG_BLOCKS: Final = 10_000
MAX_LOG_RESULTS: Final = 20_000
MAX_FEE_HISTORY_BLOCKS: Final = 1_024
