"""A real S3 server on loopback, with an empty bucket for each test that asks for one."""

import itertools
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from moto.server import ThreadedMotoServer

from offchain.storage.adapters.s3_medium import S3Medium, S3Place

KEY = "apogee-test"
_numbers = itertools.count()


@contextmanager
def s3_endpoint() -> Iterator[str]:
    """The address of a server that runs meanwhile."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def a_place(endpoint: str, bucket: str) -> S3Place:
    return S3Place(bucket, endpoint, access_key=KEY, secret_key=KEY, seconds=60.0)


@contextmanager
def an_s3_medium(endpoint: str) -> Iterator[S3Medium]:
    """A medium over a bucket of its own."""
    import boto3

    bucket = f"shards-{next(_numbers)}"
    admin = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=KEY,
        aws_secret_access_key=KEY,
    )
    admin.create_bucket(Bucket=bucket)
    admin.close()
    medium = S3Medium(a_place(endpoint, bucket))
    try:
        yield medium
    finally:
        medium.close()
