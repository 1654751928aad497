"""What an engine says of the demo's model, asked in a process of its own beside the first acts.

Unpacking and loading a model keeps a core busy for seconds; every provider of the home finds it
unpacked afterwards. Run as a module it loads the model and prints one JSON object.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from offchain.apps.home import Home
from offchain.apps.processes import inherited_environment
from offchain.compute.adapters.open_engine import EngineSpec
from offchain.compute.engine import ModelFacts
from offchain.compute.model import Kind, Numerics
from offchain.core.errors import Unavailable
from offchain.jobs.lifeline import lifeline_to

LOAD_SECONDS: Final = 300.0
HASHES: Final = ("model_hash", "tokenizer_hash")


class ModelNotLoaded(Unavailable):
    """The model could not be unpacked or loaded."""

    code = "demo.model_not_loaded"
    next_step = "Run again with --keep DIR and read logs/model.log."


class AskedFacts:
    """One loading under way."""

    def __init__(self, model: str, models: Path, log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log
        with log.open("ab") as file:
            self._child = subprocess.Popen(  # noqa: S603 - argv is built here
                [sys.executable, "-m", "offchain.apps.demo.model_facts", model, str(models)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=file,
                env=inherited_environment(),
                start_new_session=True,
                preexec_fn=lifeline_to(os.getpid()),  # noqa: PLW1509 - two system calls, no locks
            )

    def get(self) -> ModelFacts:
        """Wait for it. Raises: ModelNotLoaded."""
        try:
            said, _ = self._child.communicate(timeout=LOAD_SECONDS)
        except subprocess.TimeoutExpired as error:
            self.stop()
            raise ModelNotLoaded(seconds=LOAD_SECONDS) from error
        if self._child.returncode:
            raise ModelNotLoaded(exit_status=self._child.returncode, log=self._log)
        told = json.loads(said)
        return ModelFacts(
            name=told["name"],
            kind=Kind(told["kind"]),
            numerics=Numerics(told["numerics"]),
            model_hash=bytes.fromhex(told["model_hash"]),
            tokenizer_hash=bytes.fromhex(told["tokenizer_hash"]),
            context_tokens=told["context_tokens"],
        )

    def stop(self) -> None:
        """End it, done or not."""
        if self._child.poll() is None:
            self._child.kill()
        self._child.wait()
        if self._child.stdout:
            self._child.stdout.close()


@contextmanager
def asked_facts(model: str, home: Home) -> Iterator[AskedFacts]:
    """Ask, and end the asking with whatever it is for."""
    asked = AskedFacts(model, home.root / "models", home.log("model"))
    try:
        yield asked
    finally:
        asked.stop()


def main(model: str, models: str) -> int:
    from offchain.compute.adapters.open_engine import model_folder
    from offchain.compute.adapters.torch_model import TorchPlace, load_model

    spec = EngineSpec(model)
    facts = load_model(model_folder(spec, Path(models)), TorchPlace(spec.numerics)).facts
    told = {
        "name": facts.name,
        "kind": facts.kind.value,
        "numerics": facts.numerics.value,
        "context_tokens": facts.context_tokens,
        **{name: getattr(facts, name).hex() for name in HASHES},
    }
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
