"""What the doctor is told about each backend is what the backend does."""

from typing import Any

from web3 import Web3

from offchain.chain.devnet.capabilities import capabilities
from offchain.core.errors import Rejected


def test_capabilities__of_each_backend__all_of_prague_and_p256_only_on_pyevm(
    w3: Web3, backend: str
) -> None:
    def ask(method: str, params: list[Any]) -> Any:
        answer = w3.provider.make_request(method, params)
        if "error" in answer:
            raise Rejected(answer["error"]["message"])
        return answer["result"]

    found = capabilities(ask)

    assert (found.chain_id, found.has_bls, found.has_kzg, found.has_history) == (
        31_337,
        True,
        True,
        True,
    )
    assert found.has_p256 == (backend == "pyevm")
    expected = () if backend == "pyevm" else ("P-256 precompile at 0x100 (EIP-7951)",)
    assert expected == found.missing()
    assert ("py-evm" if backend == "pyevm" else "anvil") in found.client
