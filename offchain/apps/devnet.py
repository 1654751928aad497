"""The devnet process: an EVM chain with JSON-RPC on loopback, kept across restarts."""

from pathlib import Path

from offchain.apps.home import Home, project_tools
from offchain.apps.logging import configure_logging
from offchain.apps.settings import DevnetSettings, read_settings


def run_devnet(**flags: object) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    from offchain.chain.devnet import serve as devnet

    settings = read_settings(DevnetSettings, **flags)
    configure_logging("devnet", level=settings.log_level)
    home = Home.at(settings.home)
    devnet.serve(
        devnet.DevnetSettings(
            state_dir=home.devnet,
            tools_dir=settings.tools or project_tools(),
            port=settings.devnet_port,
            backend=devnet.DevnetBackend(settings.backend),
        )
    )
    return 0


def resolve_backend(tools: Path, state: Path, wanted: str) -> str:
    """Which backend a devnet over `state` runs: this may bring Anvil. Raises: AnvilUnavailable."""
    from offchain.chain.devnet import serve as devnet

    settings = devnet.DevnetSettings(
        state_dir=state, tools_dir=tools, backend=devnet.DevnetBackend(wanted)
    )
    return devnet.choose_backend(settings).backend.value
