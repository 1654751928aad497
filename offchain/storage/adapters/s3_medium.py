"""Shard files in a bucket of anything that speaks S3.

A write carries a SHA-256 that the server has to check, creates and never replaces
(`If-None-Match: *`), and is read back by length and digest before it counts. What stands in its way
came from a crash or from rot: it is kept if it is the same and replaced if it is not.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from offchain.node.disk import Chunk
from offchain.node.errors import StoreFull
from offchain.storage.errors import BackendUnreachable
from offchain.storage.medium import ASIDE

PREFIX: Final = "shards/"
_THERE: Final = frozenset({HTTPStatus.PRECONDITION_FAILED, HTTPStatus.CONFLICT})
_FULL: Final = frozenset({"QuotaExceeded", "XMinioStorageFull", "InsufficientStorage"})


@dataclass(frozen=True, slots=True)
class S3Place:
    """Where the bucket is. `endpoint` None is the service of Amazon; keys come from its settings.

    `seconds` for connecting and for each answer, `attempts` for each call.
    """

    bucket: str
    endpoint: str | None = None
    region: str = "us-east-1"
    access_key: str | None = None
    secret_key: str | None = None
    seconds: float = 20.0
    attempts: int = 3


class S3Medium:
    """A `Medium` over one bucket, whose prefix is this node's alone."""

    def __init__(self, place: S3Place) -> None:
        import boto3
        from botocore.config import Config

        self._bucket = place.bucket
        self._s3: Any = boto3.client(
            "s3",
            endpoint_url=place.endpoint,
            region_name=place.region,
            aws_access_key_id=place.access_key,
            aws_secret_access_key=place.secret_key,
            config=Config(
                connect_timeout=place.seconds,
                read_timeout=place.seconds,
                retries={"total_max_attempts": place.attempts, "mode": "standard"},
                max_pool_connections=16,
                s3={"addressing_style": "path"} if place.endpoint else None,
            ),
        )

    def close(self) -> None:
        """Give the connections back."""
        self._s3.close()

    def sizes(self) -> Mapping[str, int]:
        found: dict[str, int] = {}
        with _typed("list"):
            pages = self._s3.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=PREFIX):
                for entry in page.get("Contents", ()):
                    found[entry["Key"].removeprefix(PREFIX)] = int(entry["Size"])
        return found

    def write(self, name: str, parts: Sequence[Chunk]) -> None:
        body = b"".join(parts)
        digest = _sha256(body)
        if not self._create(name, body, digest) and not self._is_kept(name, len(body), digest):
            self._put(name, body, digest, {})
        if not self._is_kept(name, len(body), digest):
            raise BackendUnreachable(object=name, reason="what was written does not read back")

    def read(self, name: str, start: int, size: int) -> bytes:
        asked = f"bytes={start}-{start + size - 1}"
        try:
            with _typed(name):
                answer = self._s3.get_object(Bucket=self._bucket, Key=PREFIX + name, Range=asked)
                return bytes(answer["Body"].read(size))
        except _PastTheEnd:
            return b""

    def set_aside(self, name: str) -> None:
        try:
            with _typed(name):
                source = {"Bucket": self._bucket, "Key": PREFIX + name}
                self._s3.copy_object(
                    Bucket=self._bucket, Key=PREFIX + name + ASIDE, CopySource=source
                )
                self._s3.delete_object(Bucket=self._bucket, Key=PREFIX + name)
        except FileNotFoundError:
            return

    def remove(self, name: str) -> None:
        for gone in (name, name + ASIDE):
            with _typed(name):
                self._s3.delete_object(Bucket=self._bucket, Key=PREFIX + gone)

    def _create(self, name: str, body: bytes, digest: str) -> bool:
        """Write what is not there yet; False when something is."""
        try:
            self._put(name, body, digest, {"IfNoneMatch": "*"})
        except _Occupied:
            return False
        return True

    def _put(self, name: str, body: bytes, digest: str, more: Mapping[str, str]) -> None:
        with _typed(name):
            self._s3.put_object(
                Bucket=self._bucket,
                Key=PREFIX + name,
                Body=body,
                ContentLength=len(body),
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=digest,
                **more,
            )

    def _is_kept(self, name: str, size: int, digest: str) -> bool:
        """Whether the server holds exactly these bytes: by its checksum, else by reading them."""
        try:
            with _typed(name):
                head = self._s3.head_object(
                    Bucket=self._bucket, Key=PREFIX + name, ChecksumMode="ENABLED"
                )
        except FileNotFoundError:
            return False
        if head["ContentLength"] != size:
            return False
        if "ChecksumSHA256" in head:
            return bool(head["ChecksumSHA256"] == digest)
        return _sha256(self.read(name, 0, size)) == digest


def _sha256(content: bytes) -> str:
    """A digest as S3 writes it."""
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


class _Occupied(Exception):
    """Something has this name already."""


class _PastTheEnd(Exception):
    """The object ends before the range that was asked for."""


@contextmanager
def _typed(name: str) -> Iterator[None]:
    """What the client raises, as ours. Raises: FileNotFoundError, StoreFull, BackendUnreachable."""
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

    try:
        yield
    except ClientError as error:
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        code = str(error.response.get("Error", {}).get("Code", ""))[:80]
        if code in {"NoSuchKey", "404"}:
            raise FileNotFoundError(name) from error
        if status in _THERE:
            raise _Occupied from error
        if code in _FULL or status == HTTPStatus.INSUFFICIENT_STORAGE:
            raise StoreFull(file=name, reason=code) from error
        if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise _PastTheEnd from error
        raise BackendUnreachable(object=name, status=status, reason=code) from error
    except (BotoCoreError, HTTPClientError) as error:
        raise BackendUnreachable(object=name, reason=type(error).__name__) from error
