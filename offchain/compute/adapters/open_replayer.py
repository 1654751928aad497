"""An auditor's models: the default ones and its own folders, loaded when a case first needs them.

Torch is imported only when something is judged.
"""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Final

from offchain.compute.audit_check import Replayer
from offchain.compute.model import Numerics, Service
from offchain.compute.model_hash import model_hash

REPLAYS: Final = {  # what a class is judged with: never with less than it claims
    Numerics.TORCH_FP32: Numerics.TORCH_FP32,
    Numerics.TORCH_BF16: Numerics.TORCH_BF16,
}


class Replayers:
    """Models by their hash; one that was loaded stays."""

    def __init__(self, defaults: Path, folders: Sequence[Path], device: str) -> None:
        self._defaults = defaults
        self._folders = tuple(folders)
        self._device = device
        self._hashes: dict[bytes, Path] | None = None
        self._loaded: dict[tuple[bytes, Numerics], Replayer] = {}
        self._lock = Lock()

    def of_service(self, service: Service) -> Replayer | None:
        """None for a model that is not here, or a class that no replay judges; blocking."""
        numerics = REPLAYS.get(service.numerics)
        if numerics is None:
            return None
        key = (service.model_hash, numerics)
        with self._lock:
            if key not in self._loaded:
                folder = self._folder_of(service.model_hash)
                if folder is None:
                    return None
                self._loaded[key] = self._load(folder, numerics)
            return self._loaded[key]

    def _folder_of(self, wanted: bytes) -> Path | None:
        from offchain.compute.adapters.default_models import DEFAULT_MODELS, open_default

        for model in DEFAULT_MODELS.values():
            if model.model_hash == wanted:
                return open_default(model, self._defaults)
        if self._hashes is None:
            self._hashes = {model_hash(folder): folder for folder in self._folders}
        return self._hashes.get(wanted)

    def _load(self, folder: Path, numerics: Numerics) -> Replayer:
        from offchain.compute.adapters.torch_model import TorchPlace, load_model
        from offchain.compute.adapters.torch_replay import TorchReplayer

        return TorchReplayer(load_model(folder, TorchPlace(numerics, self._device)))
