"""A server that costs as little as can be: it reads bodies, keeps nothing, and answers as Glacier does.

What a benchmark measures is then the client. On a plain connection the kernel throws the bytes away without a
copy (MSG_TRUNC); on TLS they have to be decrypted. It runs as a process of its own: ``python -m
benchmarks.sink [CERTIFICATE KEY]`` prints its URL and ends when its standard input does.
"""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ID = "A" * 92
_ARCHIVE_ID = "B" * 138
_BLOCK = 1024 * 1024


def serve(certificate: str | None = None, key: str | None = None) -> None:
    """Serve until standard input ends."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
    scheme = "https" if context else "http"
    print(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    threading.Thread(target=_accept, args=(listener, context), daemon=True).start()
    sys.stdin.buffer.read()


def _accept(listener: socket.socket, context: ssl.SSLContext | None) -> None:
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_talk, args=(connection, context), daemon=True).start()


def _talk(raw: socket.socket, context: ssl.SSLContext | None) -> None:
    block = bytearray(_BLOCK)
    try:
        with context.wrap_socket(raw, server_side=True) if context else raw as connection:
            buffered = b""
            while True:
                while b"\r\n\r\n" not in buffered:
                    data = connection.recv(65536)
                    if not data:
                        return
                    buffered += data
                head, _, buffered = buffered.partition(b"\r\n\r\n")
                lines = head.decode("latin-1").split("\r\n")
                headers = {}
                for line in lines[1:]:
                    name, _, value = line.partition(":")
                    headers[name.lower()] = value.strip()
                left = int(headers.get("content-length", 0))
                if headers.get("expect"):
                    connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                taken = min(left, len(buffered))
                buffered, left = buffered[taken:], left - taken
                flags = 0 if context else socket.MSG_TRUNC
                while left:
                    count = connection.recv_into(block, min(left, _BLOCK), flags)
                    if not count:
                        return
                    left -= count
                connection.sendall(_answer(lines[0], headers))
    except OSError:
        return


def _answer(request: str, headers: dict[str, str]) -> bytes:
    method, path, _ = request.split(" ")
    tree_hash = headers.get("x-amz-sha256-tree-hash", "")
    if method == "PUT" and "/multipart-uploads/" in path:
        status, extra, body = "204 No Content", f"x-amz-sha256-tree-hash: {tree_hash}\r\n", b""
    elif path.endswith("/multipart-uploads"):
        location = f"/012345678901/vaults/v/multipart-uploads/{_ID}"
        extra = f"x-amz-multipart-upload-id: {_ID}\r\nLocation: {location}\r\n"
        status, body = "201 Created", b"{}"
    else:
        extra = f"x-amz-archive-id: {_ARCHIVE_ID}\r\nx-amz-sha256-tree-hash: {tree_hash}\r\n"
        extra += f"Location: /012345678901/vaults/v/archives/{_ARCHIVE_ID}\r\n"
        status, body = "201 Created", b"{}"
    date = "Date: Tue, 24 Nov 2026 12:00:00 GMT\r\n"
    length = (
        ""
        if status.startswith("204")
        else f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    )
    return f"HTTP/1.1 {status}\r\nx-amzn-RequestId: {'R' * 47}\r\n{extra}{date}{length}\r\n".encode() + body


@contextmanager
def running(certificate: str | None = None, key: str | None = None) -> Iterator[str]:
    """Run a sink in a process of its own, and give its URL."""
    command = [sys.executable, "-m", "benchmarks.sink", *([certificate, key] if certificate and key else [])]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    assert process.stdin
    assert process.stdout
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


if __name__ == "__main__":
    serve(*sys.argv[1:3])
