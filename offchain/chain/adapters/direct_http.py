"""POST to this machine's own node on one plain connection, with little work around it.

A process asks its node some hundred times for each blob, and a general HTTP client spends more time
on a request than the node does. Only for loopback: no TLS, no proxies, no redirects.
"""

import http.client
from typing import Final
from urllib.parse import urlsplit

_HEADERS: Final = {"content-type": "application/json"}


class AnswerTooLarge(Exception):
    """The answer passes the limit; the connection is closed."""


class DirectPoster:
    """One keep-alive connection; the caller lets one thread in at a time."""

    def __init__(self, url: str, *, timeout_seconds: float, max_bytes: int) -> None:
        parts = urlsplit(url)
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._max_bytes = max_bytes
        self._is_used = False
        self._connection = http.client.HTTPConnection(
            parts.hostname or "", parts.port or 80, timeout=timeout_seconds
        )

    def post(self, body: bytes) -> tuple[int, bytes]:
        """Status and answer. A connection that went stale while idle is opened again, once.

        Raises: OSError, http.client.HTTPException, AnswerTooLarge.
        """
        if self._is_used:
            try:
                return self._post(body)
            except (ConnectionError, http.client.RemoteDisconnected):
                self.close()
        return self._post(body)

    def close(self) -> None:
        self._is_used = False
        self._connection.close()

    def _post(self, body: bytes) -> tuple[int, bytes]:
        try:
            self._connection.request("POST", self._path, body=body, headers=_HEADERS)
            answer = self._connection.getresponse()
            raw = answer.read(self._max_bytes + 1)
        except BaseException:
            self.close()
            raise
        if len(raw) > self._max_bytes:
            self.close()
            raise AnswerTooLarge
        self._is_used = True
        return answer.status, raw
