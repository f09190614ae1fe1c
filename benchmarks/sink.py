"""A server of minimal cost: it reads bodies, keeps nothing, and answers as Glacier and S3 do.

What a benchmark measures is then the client. Each connection has a process of its own, so no lock is shared.
On a plain connection the kernel throws bodies away without a copy (MSG_TRUNC) and sends outputs without one
(sendfile); on TLS they have to be decrypted and encrypted. A job named "J" and a number has that many bytes
of output, with their hashes. With a round trip or a bandwidth, connections are as slow as such a line.

It runs as a process of its own: ``python -m benchmarks.sink JSON`` prints its URL and ends when its standard
input does.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import ssl
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from benchmarks import answering, s3_answers
from benchmarks.line import Line
from benchmarks.programs import start

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = 1024 * 1024


@dataclass(frozen=True)
class Sink:
    """The properties of a sink.

    Attributes:
        certificate: A file with certificate and key; without one it speaks plain http.
        round_trip_seconds: How long a question and its answer take on the line.
        bytes_per_second: What one connection carries.
        link_bytes_per_second: What all connections carry together.
    """

    certificate: str | None = None
    round_trip_seconds: float = 0.0
    bytes_per_second: float = 0.0
    link_bytes_per_second: float = 0.0

    @contextmanager
    def running(self) -> Iterator[str]:
        """Run the sink in its own process and yield its URL."""
        command = [sys.executable, "-m", "benchmarks.sink", json.dumps(asdict(self))]
        with start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin
            assert process.stdout
            try:
                yield process.stdout.readline().strip()
            finally:
                process.stdin.close()

    def serve(self) -> None:
        """Serve until standard input ends."""
        line = Line(self.round_trip_seconds, self.bytes_per_second, self.link_bytes_per_second)
        context = None
        if self.certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)
        listener = socket.socket()
        if size := line.receive_buffer_size:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        port = listener.getsockname()[1]
        # A certificate may also name the host instead of the address.
        print(f"https://localhost:{port}" if context else f"http://127.0.0.1:{port}", flush=True)
        children = []
        output = answering.Output()
        while listener in select.select([listener, sys.stdin], [], [])[0]:
            connection, _ = listener.accept()
            if child := os.fork():
                children.append(child)
                connection.close()
                continue
            listener.close()
            with suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                _Connection(connection, context, line, output).talk()
            os._exit(0)
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)
            os.waitpid(child, 0)


class _Connection:
    """One connection, served until the client closes it."""

    def __init__(
        self, raw: socket.socket, context: ssl.SSLContext | None, line: Line, output: answering.Output
    ) -> None:
        self._line = line
        self._output = output
        self._block = bytearray(_BLOCK)
        line.connect(round_trips=2 if context else 1)
        self._is_plain = context is None
        self._socket = context.wrap_socket(raw, server_side=True) if context else raw

    def talk(self) -> None:
        buffered = b""
        while True:
            while b"\r\n\r\n" not in buffered:
                data = self._socket.recv(65536)
                if not data:
                    return
                self._line.carry(len(data))
                buffered += data
            head, _, buffered = buffered.partition(b"\r\n\r\n")
            request = answering.Request.parse(head)
            if request.headers.get("expect"):
                self._line.turn_around()
                self._socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            left = int(request.headers.get("content-length", 0))
            taken = min(left, len(buffered))
            document, buffered = buffered[:taken], buffered[taken:]
            kept = s3_answers.kept_of(request, left)
            if not self._throw_away(max(0, left - taken - kept)):
                return
            while len(document) < min(left, taken + kept):
                document += self._socket.recv(left - len(document))
            self._line.turn_around()
            if request.is_for_output:
                start, count, answer = self._output.answer(request)
                self._socket.sendall(answer)
                self._send_output(start, count)
            elif s3_answers.is_for_s3(request):
                self._socket.sendall(s3_answers.answer(request, document))
            else:
                self._socket.sendall(request.answer())

    def _throw_away(self, left: int) -> bool:
        """Read a body; return False if the connection ended early."""
        flags = socket.MSG_TRUNC if self._is_plain else 0
        most = min(_BLOCK, self._line.most_at_once)
        while left:
            count = self._socket.recv_into(self._block, min(left, most), flags)
            if not count:
                return False
            self._line.carry(count)
            left -= count
        return True

    def _send_output(self, start: int, count: int) -> None:
        while count:
            at = start % _BLOCK
            some = min(count, _BLOCK - at)
            if self._is_plain:
                self._socket.sendfile(self._output.file, at, some)
            else:
                self._socket.sendall(self._output.block[at : at + some])
            start, count = start + some, count - some


if __name__ == "__main__":
    Sink(**json.loads(sys.argv[1])).serve()
