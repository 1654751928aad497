"""The routes of a gateway; nothing below them is asked."""

import asyncio
from pathlib import Path

import pytest
from fastapi import FastAPI

from offchain.gateway.app import build_routes
from tests.support.da_network import a_site, memory_network
from tests.support.gateway import a_face, below_site


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    return asyncio.run(_build(tmp_path_factory.mktemp("gateway")))


async def _build(folder: Path) -> FastAPI:
    site = a_site(4)
    return build_routes(a_face(below_site(site, memory_network(site)), folder))
