"""`apogee agent new`: the files of a first agent in a folder, to be changed and minted."""

from pathlib import Path
from typing import Final

from offchain.agents.linter import lint
from offchain.agents.template import template_bundle
from offchain.apps.exit_codes import ExitCode
from offchain.apps.output import print_result
from offchain.compute.adapters.default_models import DEFAULT_MODELS
from offchain.core.errors import Conflict, InvalidInput

OWN_STREAM: Final = bytes(32)  # the stream of the account it will have


class FolderTaken(Conflict):
    """The folder exists."""

    code = "agents.new.folder_taken"
    next_step = "Name another folder; what is there stays as it is."


def new(folder: Path, name: str, model: str, *, as_json: bool) -> int:
    """Raises: FolderTaken, InvalidInput for a model nobody knows."""
    files = template_bundle(name, model_hash=_model_hash(model), stream=OWN_STREAM)
    lint(files)
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        raise FolderTaken(folder=str(folder)) from error
    for path, raw in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(raw)
        place.chmod(0o600)  # the memory key is in the manifest
    told = {
        "folder": str(folder),
        "files": len(files),
        "next": f"apogee agent mint {folder} --yes",
    }
    print_result(told, as_json=as_json)
    return ExitCode.DONE


def _model_hash(model: str) -> bytes:
    known = {one.name: one.model_hash for one in DEFAULT_MODELS.values()}
    if model in known:
        return known[model]
    try:
        raw = bytes.fromhex(model.removeprefix("0x"))
    except ValueError:
        raw = b""
    if len(raw) != 32:
        raise InvalidInput("no such model", model=model[:80], known=", ".join(sorted(known)))
    return raw
