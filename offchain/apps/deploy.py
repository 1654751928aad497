"""Deploys every contract with ape, as a user would: `ape run deploy --network http://...`."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from offchain.apps.home import project_root
from offchain.apps.settings import environment_for_children
from offchain.core.errors import Unavailable
from offchain.jobs.lifeline import lifeline_to

DEPLOY_SECONDS: Final = 900.0
TAIL_CHARACTERS: Final = 2_000


class DeployFailed(Unavailable):
    """The deployment with ape did not finish."""

    code = "deploy.failed"
    next_step = "Read the lines above; `ape compile -f` shows compiler errors on their own."


def deploy_contracts(
    rpc_url: str, folder: Path, *, name: str, divisor: int, say: Callable[[str], None]
) -> dict[str, object]:
    """Compile and deploy; what the script printed. Raises: DeployFailed."""
    command = [
        str(Path(sys.executable).parent / "ape"),
        "run",
        "deploy",
        "--network",
        rpc_url,
        "--name",
        name,
        "--folder",
        str(folder),
        "--divisor",
        str(divisor),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    running = subprocess.Popen(  # noqa: S603 - argv is built here
        command,
        cwd=project_root(),
        env=environment_for_children(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lifeline_to(os.getpid()),  # noqa: PLW1509 - two system calls, no locks
    )
    with running:
        try:
            out, err = running.communicate(timeout=DEPLOY_SECONDS)
        except subprocess.TimeoutExpired as error:
            running.kill()
            raise DeployFailed(reason="too slow", seconds=DEPLOY_SECONDS) from error
        except BaseException:
            running.kill()
            raise
    for line in err.splitlines():
        say(f"    {line}")
    if running.returncode:
        raise DeployFailed(exit_status=running.returncode, last_words=err[-TAIL_CHARACTERS:])
    try:
        return dict(json.loads(out.strip().splitlines()[-1]))
    except (ValueError, IndexError) as error:
        raise DeployFailed(reason="no JSON on stdout", said=out[-TAIL_CHARACTERS:]) from error
