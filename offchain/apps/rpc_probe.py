"""Small HTTP and JSON-RPC questions for health checks and the doctor: no heavy imports, bounded.

Everything else talks to a chain through offchain/chain.
"""

import http.client
import json
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from offchain.core.errors import Unavailable

TIMEOUT_SECONDS: Final = 5.0
MAX_ANSWER_BYTES: Final = 1 << 20


class NoAnswer(Unavailable):
    """The chain's JSON-RPC does not answer as one."""

    code = "rpc.no_answer"
    next_step = "Run `apogee status`; start the devnet with `apogee up` or correct --rpc-url."


@dataclass(frozen=True, slots=True)
class RpcProbe:
    """One JSON-RPC endpoint."""

    url: str

    def ask(self, method: str, *params: object) -> object:
        """The result of one call. Raises: NoAnswer, also when the endpoint answers an error."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        status, text = request("POST", self.url, body)
        try:
            answer = json.loads(text)
        except ValueError as error:
            raise NoAnswer(url=self.url, method=method, status=status) from error
        if not isinstance(answer, dict) or "result" not in answer:
            raise NoAnswer(url=self.url, method=method, status=status, answer=text[:200])
        return answer["result"]

    def number(self, method: str, *params: object) -> int:
        return int(str(self.ask(method, *params)), 16)

    def head_time(self) -> int:
        """Timestamp of the newest block, chain seconds."""
        block = self.ask("eth_getBlockByNumber", "latest", False)
        if not isinstance(block, dict):
            raise NoAnswer(url=self.url, method="eth_getBlockByNumber")
        return int(str(block["timestamp"]), 16)

    def has_code(self, address: str) -> bool:
        return len(str(self.ask("eth_getCode", address, "latest"))) > len("0x")

    def call(self, address: str, data: bytes) -> bytes:
        call = {"to": address, "data": "0x" + data.hex()}
        return bytes.fromhex(str(self.ask("eth_call", call, "latest"))[2:])


def request(method: str, url: str, body: str | None) -> tuple[int, str]:
    """Status and text of one small HTTP request; status 0 and the reason when nobody answers."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(
        parts.hostname or "", parts.port or 80, timeout=TIMEOUT_SECONDS
    )
    headers = {"Content-Type": "application/json"} if body else {}
    try:
        connection.request(method, parts.path or "/", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read(MAX_ANSWER_BYTES).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error)
    finally:
        connection.close()
