"""A process for supervisor tests: an HTTP face that answers /healthz, until told otherwise.

Usage: small_process.py PORT [--stubborn] [--crash-first FILE] [--child]
  --stubborn     ignores SIGTERM
  --crash-first  exits with status 3 the first time: when FILE is not there, and makes it
  --child        starts a sleeping grandchild and prints its pid
"""

import http.server
import signal
import subprocess
import sys
from pathlib import Path


class Face(http.server.BaseHTTPRequestHandler):
    """200 to everything."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Requests are not logged."""


def main(arguments: list[str]) -> None:
    if "--crash-first" in arguments:
        mark = Path(arguments[arguments.index("--crash-first") + 1])
        if not mark.exists():
            mark.touch()
            print("crashing once", flush=True)
            sys.exit(3)
    if "--stubborn" in arguments:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if "--child" in arguments:
        sleep = "import threading; threading.Event().wait(600)"
        child = subprocess.Popen([sys.executable, "-c", sleep])
        print(child.pid, flush=True)
    http.server.HTTPServer(("127.0.0.1", int(arguments[0])), Face).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
