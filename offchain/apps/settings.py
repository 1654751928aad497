"""Every knob of every process: one class a process; flag > environment > apogee.toml > default.

The setting `broker_url` is the flag --broker-url, the variable APOGEE_BROKER_URL and the line
`broker_url = "..."` under [apogee] in apogee.toml of the current folder. Nothing else in offchain/
reads the environment.
"""

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    PyprojectTomlConfigSettingsSource,
    SettingsConfigDict,
)

from offchain.core.errors import InvalidInput

FILE = Path("apogee.toml")
TABLE = ("apogee",)
Url = Annotated[str, Field(pattern=r"^https?://[^\s]+$", max_length=200)]
Port = Annotated[int, Field(ge=1, le=65_535)]
Backend = Literal["auto", "anvil", "pyevm"]

# Eight nodes share two cores: one thread each, and waiting threads sleep instead of spinning.
THREADS = {
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",
}


class SettingInvalid(InvalidInput):
    """A setting has a value that cannot be used."""

    code = "setting.invalid"
    next_step = "Correct the flag, the APOGEE_... variable or the line in apogee.toml named above."


class ProcessSettings(BaseSettings):
    """What every process needs: where its home is and how it logs."""

    model_config = SettingsConfigDict(
        env_prefix="APOGEE_", pyproject_toml_table_header=TABLE, extra="ignore", frozen=True
    )

    home: Path = Path(".apogee")  # folder with keys, chain state, rows, logs
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - .env files are not read
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the name is given
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = PyprojectTomlConfigSettingsSource(settings_cls, FILE)
        return init_settings, env_settings, file


class DevnetSettings(ProcessSettings):
    """`apogee devnet`: one chain."""

    backend: Backend = "auto"
    devnet_port: Port = 8_545
    tools: Path | None = None  # where Anvil is brought to; the checkout's .tools when not given


class UpSettings(ProcessSettings):
    """`apogee up` and `apogee demo`: what is started."""

    backend: Backend = "auto"  # anvil where it can be had, otherwise pyevm
    nodes: Annotated[int, Field(ge=1, le=64)] = 8  # da-nodes, each its own process
    divisor: Annotated[int, Field(ge=1, le=100)] = 100  # production durations are divided by this


class ChainSettings(ProcessSettings):
    """A process that talks to a chain; both are read from the home when not given."""

    rpc_url: str | None = None
    deployments: Path | None = None  # folder with <network>.json
    network: str = "devnet"  # which <network>.json


class DaNodeSettings(ChainSettings):
    """`apogee da-node`: one operator's node."""

    node_index: Annotated[int, Field(ge=0, le=63)] = 0  # which operator of this home
    node_port: Port | None = None  # read from the home when not given
    samples_at_a_loss: bool = False  # show winning leaves that earn less than their gas costs
    # Drills on a devnet: how the node cheats after it has signed.
    adversary: Literal["withhold", "friends-only", "wrong-bytes", "wrong-index"] | None = None


class StorageNodeSettings(ChainSettings):
    """`apogee storage-node`: one operator's node for files and streams."""

    node_index: Annotated[int, Field(ge=0, le=63)] = 0  # which operator of this home
    node_port: Port | None = None  # read from the home when not given
    store: Literal["folder", "s3"] = "folder"  # where shards lie
    store_folder: Path | None = None  # of shards; in the home when not given
    s3_bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")] | None = None
    s3_endpoint: Annotated[str, Field(pattern=r"^https?://[^\s]+$", max_length=200)] | None = None
    s3_region: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")] = "us-east-1"
    s3_access_key: str | None = None  # from the environment; otherwise as Amazon's tools find it
    s3_secret_key: SecretStr | None = None
    scrub_days: Annotated[float, Field(gt=0, le=365)] = 30.0  # every shard is re-read once in
    scrub_mb_s: Annotated[float, Field(gt=0, le=100_000)] = 20.0  # and never faster than
    upload_mb: Annotated[int, Field(ge=40, le=65_536)] = 96  # bodies in memory at once
    streams: Annotated[str, Field(max_length=70_000)] = "all"  # to follow: all, none, or ids
    stream_limit: Annotated[int, Field(ge=0, le=65_536)] = 4_096  # followed at most
    stream_peers: tuple[Url, ...] = ()  # to open streams from; replica seats when not given
    # Where batches are published when the operator has no DA stake of its own.
    stream_gateway: Url | None = None
    stream_gateway_key: SecretStr | None = None
    # Drills on a devnet: how the node cheats after it has signed.
    adversary: Literal["withhold", "silent", "slow", "wrong-bytes", "swapped", "short"] | None = (
        None
    )


class GatewaySettings(ChainSettings):
    """`apogee gateway`: the HTTP face of this home's disperser and of a reader."""

    gateway_port: Port | None = None  # read from the home when not given
    gateway_threads: Annotated[int, Field(ge=1, le=64)] = 2  # for encoding and decoding
    item_wait_seconds: Annotated[float, Field(gt=0, le=60)] = 1.0  # a shared matrix fills so long
    open_blobs: Annotated[int, Field(ge=1, le=1_024)] = 64  # between answer and certificate
    # Keys, vouchers, receipts: sqlite:///FILE or postgresql://..; a file of the home when not given
    book_url: SecretStr | None = None
    # Whose deposits pay providers, if the gateway's key is only that account's delegate.
    payer: Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{40}$")] | None = None
    # An EIP-3009 token that x402 payments are taken in, as ADDRESS:NAME:VERSION of its EIP-712
    # domain; without one, requests need an API key.
    x402_asset: Annotated[
        str | None, Field(pattern=r"^0x[0-9a-fA-F]{40}:[^:]{1,64}:[^:]{1,16}$")
    ] = None


BrokerUrl = Annotated[str, Field(pattern=r"^(redis|rediss|amqp|amqps)://[^\s]+$", max_length=2_000)]


class WorkerSettings(ChainSettings):
    """`apogee worker`: Celery jobs and the loop that finds lost ones."""

    broker_url: BrokerUrl | None = None  # redis:// or amqp://; None is the embedded broker
    worker_pool: Literal["solo", "prefork"] = "solo"  # solo is one process; prefork uses more cores
    worker_concurrency: Annotated[int, Field(ge=1, le=64)] = 1
    reconcile_seconds: Annotated[float, Field(gt=0, le=3_600)] = 2.0  # between looks at the chain


class ProviderSettings(ChainSettings):
    """`apogee provider`: services of this home that are sold."""

    provider_role: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")] = "provider"
    provider_port: Port | None = None  # read from provider.json when not given
    settle_seconds: Annotated[float, Field(gt=0, le=86_400)] | None = None  # from the escrow's lock
    tee: Literal["auto", "none"] = "auto"  # a devnet's software TEE where there is one
    adversary: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,24}$")] | None = None  # devnet drills


class AuditorSettings(ChainSettings):
    """`apogee auditor`: whose seats it fills, and which models it has beside the default ones."""

    roles: Annotated[tuple[str, ...], Field(max_length=64)] = ()  # none: every operator of the home
    model_folders: Annotated[tuple[Path, ...], Field(max_length=16)] = ()
    device: Annotated[str, Field(pattern=r"^(cpu|cuda(:[0-9]{1,2})?)$")] = "cpu"


class RelayerSettings(ChainSettings):
    """`apogee relayer`: for whom it judges, and where it answers."""

    roles: Annotated[tuple[str, ...], Field(max_length=64)] = ()  # none: every operator of the home
    relayer_port: Port | None = None  # read from the home when not given
    # How many of its operators deliver agents too, in an enclave of their own.
    oracles: Annotated[int, Field(ge=0, le=16)] = 6


def environment_for_children() -> dict[str, str]:
    """The environment handed to child processes; a caller's own thread counts win.

    Programs beside this interpreter come first on PATH: ape looks for `vyper` there.
    """
    beside = str(Path(sys.executable).parent)
    path = os.pathsep.join((beside, os.environ.get("PATH", os.defpath)))
    return {**THREADS, **os.environ, "PATH": path}


T = TypeVar("T", bound=ProcessSettings)


def read_settings(kind: type[T], **flags: Any) -> T:
    """Settings of one process; flags that are None were not given. Raises: SettingInvalid."""
    try:
        return kind(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingInvalid(
            setting=".".join(map(str, first["loc"])), why=first["msg"], value=first.get("input")
        ) from error
