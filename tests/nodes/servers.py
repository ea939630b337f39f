"""The servers that a node talks to, run on the node's own loopback: AWS endpoints, a package
repository, instance metadata.  A program of its own, for it runs inside the node's namespaces.

Usage: servers.py OPTIONS, a JSON object:
    certificate   path of certificate and key, for port 443
    s3_status     what every path of an S3 host but ``/`` is answered with (200)
    role          the instance's role; empty: metadata answers 404 for it
    imds          false: no metadata service at all
    clock_offset  seconds added to the Date header (0)
    silent        ports that accept and never answer
"""

from __future__ import annotations

import json
import socket
import ssl
import sys
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

OPTIONS: dict[str, Any] = json.loads(sys.argv[1])


class Endpoint(BaseHTTPRequestHandler):
    """Any AWS endpoint or repository: what matters is that it answers, and with which status."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        host = self.headers.get("Host", "")
        status = OPTIONS.get("s3_status", 200) if self.path != "/" and "s3" in host else 200
        self.answer(status, b"")

    def do_GET(self) -> None:
        self.do_HEAD()

    def answer(self, status: int, body: bytes) -> None:
        self.send_response_only(status)
        offset = OPTIONS.get("clock_offset", 0)
        self.send_header("Date", formatdate(time.time() + offset, usegmt=True))
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silence: the test reads stdout for one word."""


class Metadata(Endpoint):
    """Instance metadata, version 2 only; hands out no keys, for nothing may ask for them."""

    def do_PUT(self) -> None:
        self.answer(200, b"token-of-the-test")

    def do_GET(self) -> None:
        if self.headers.get("X-aws-ec2-metadata-token") != "token-of-the-test":
            self.answer(401, b"")
        elif not self.path.endswith("/security-credentials/"):
            self.answer(500, b"keys were asked for")
        elif OPTIONS.get("role"):
            self.answer(200, OPTIONS["role"].encode())
        else:
            self.answer(404, b"<html>404 - Not Found</html>")


def serve(server: ThreadingHTTPServer) -> None:
    threading.Thread(target=server.serve_forever, daemon=True).start()


def main() -> None:
    silent = set(OPTIONS.get("silent", ()))
    for port in silent:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(64)
        SILENT.append(listener)
    if 80 not in silent:
        serve(ThreadingHTTPServer(("127.0.0.1", 80), Endpoint))
    if 443 not in silent and "certificate" in OPTIONS:
        tls = ThreadingHTTPServer(("127.0.0.1", 443), Endpoint)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(OPTIONS["certificate"])
        tls.socket = context.wrap_socket(tls.socket, server_side=True)
        serve(tls)
    if OPTIONS.get("imds", True):
        serve(ThreadingHTTPServer(("169.254.169.254", 80), Metadata))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    threading.Event().wait()


SILENT: list[socket.socket] = []

if __name__ == "__main__":
    main()
