"""A package repository as a node sees it, run on the node's own loopback: files of a folder, and
the failures that are wanted.  A program of its own, for it runs inside the node's namespaces.

Usage: repository_server.py OPTIONS, a JSON object:
    root         the folder whose files are served, on port 80 and 443
    status       what a "host/path" that begins so is answered with, {"host/path": 503}
    login        "user:password" that every request must bring
    certificate  path of certificate and key, for port 443
    clients      path of the authority that signs the certificates of clients, for port 443
    silent       ports that accept and never answer
"""

from __future__ import annotations

import base64
import json
import socket
import ssl
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

OPTIONS: dict[str, Any] = json.loads(sys.argv[1])


class Repository(SimpleHTTPRequestHandler):
    """Files, or the status that the address is to be answered with."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args, directory=OPTIONS.get("root", "/nonexistent"))

    def do_GET(self) -> None:
        address = self.headers.get("Host", "") + self.path
        login = OPTIONS.get("login")
        if login and self.headers.get("Authorization", "") != _basic(login):
            self.send_error(401)
            return
        for beginning, status in OPTIONS.get("status", {}).items():
            if address.startswith(beginning):
                self.send_error(status) if status >= 400 else self.answer_empty(status)
                return
        super().do_GET()

    def answer_empty(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Silence: the test reads stdout for one word."""


def _basic(login: str) -> str:
    return "Basic " + base64.b64encode(login.encode()).decode()


def _serve(server: ThreadingHTTPServer) -> None:
    threading.Thread(target=server.serve_forever, daemon=True).start()


def main() -> None:
    silent = OPTIONS.get("silent", [])
    for port in silent:
        listener = socket.create_server(("127.0.0.1", port))
        SILENT.append(listener)
    if 80 not in silent:
        _serve(ThreadingHTTPServer(("127.0.0.1", 80), Repository))
    if "certificate" in OPTIONS:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(OPTIONS["certificate"])
        if "clients" in OPTIONS:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(OPTIONS["clients"])
        tls = ThreadingHTTPServer(("127.0.0.1", 443), Repository)
        tls.socket = context.wrap_socket(tls.socket, server_side=True)
        _serve(tls)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    threading.Event().wait()


SILENT: list[socket.socket] = []

if __name__ == "__main__":
    main()
