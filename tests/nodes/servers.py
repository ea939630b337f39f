"""The servers that a node talks to, run on the node's own loopback: AWS endpoints, a package
repository, instance metadata.  A program of its own, for it runs inside the node's namespaces.

Usage: servers.py OPTIONS, a JSON object:
    certificate   path of certificate and key, for port 443
    s3_status     what every path of an S3 host but ``/`` is answered with (200)
    role          the instance's role; empty: metadata answers 404 for it
    imds          false: no metadata service at all
    clock_offset  seconds added to the Date header (0)
    silent        ports that accept and never answer
    instance_id   what metadata says the instance is (i-0a1b2c3d4e5f60001)
    tls           "old": TLS 1.1 at most, which nothing of today speaks
    dns           what the resolver on 127.0.0.1 answers to everything: nxdomain, refused, silent
    proxy         what the proxy on port 3128 answers to CONNECT: an HTTP status; 200 leads on
"""

from __future__ import annotations

import contextlib
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
        elif self.path.endswith("/meta-data/instance-id"):
            self.answer(200, OPTIONS.get("instance_id", "i-0a1b2c3d4e5f60001").encode())
        elif not self.path.endswith("/security-credentials/"):
            self.answer(500, b"keys were asked for")
        elif OPTIONS.get("role"):
            self.answer(200, OPTIONS["role"].encode())
        else:
            self.answer(404, b"<html>404 - Not Found</html>")


class Proxy(Endpoint):
    """A proxy that leads to this very machine, or does not."""

    def do_CONNECT(self) -> None:
        status = OPTIONS["proxy"]
        if status != 200:
            self.answer(status, b"")
            return
        self.send_response_only(200)
        self.end_headers()
        with socket.create_connection(("127.0.0.1", 443)) as there:
            back = threading.Thread(target=copy, args=(there, self.connection), daemon=True)
            back.start()
            copy(self.connection, there)
            back.join()


def copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(65536):
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)


def resolve(listener: socket.socket) -> None:
    """A resolver with one answer: the question back, with the code of that answer."""
    while True:
        question, asker = listener.recvfrom(512)
        if OPTIONS["dns"] != "silent":
            code = {"nxdomain": 0x83, "refused": 0x85}[OPTIONS["dns"]]
            head = question[:2] + bytes([0x81, code]) + question[4:6] + bytes(6)
            listener.sendto(head + question[12:], asker)


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
        if OPTIONS.get("tls") == "old":
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        tls.socket = context.wrap_socket(tls.socket, server_side=True)
        serve(tls)
    if OPTIONS.get("imds", True):
        serve(ThreadingHTTPServer(("169.254.169.254", 80), Metadata))
    if "proxy" in OPTIONS:
        serve(ThreadingHTTPServer(("127.0.0.1", 3128), Proxy))
    if "dns" in OPTIONS:
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listener.bind(("127.0.0.1", 53))
        threading.Thread(target=resolve, args=(listener,), daemon=True).start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    threading.Event().wait()


SILENT: list[socket.socket] = []

if __name__ == "__main__":
    main()
