"""How long does it take to import the package, to start the command, and to send an upload's first byte?

Each is a process of its own, files cached, bytecode compiled. The first byte is what the sink's side of a
connection sees first of a request with a body, counted from the command's start.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks import measure, turns
from benchmarks.clients import KEYS, Task, environment
from benchmarks.measure import MIB
from benchmarks.sink import Sink

COMMAND = str(Path(sys.executable).with_name("aioglacier"))


def _seconds(command: list[str]) -> tuple[float, float]:
    cost = measure.run(command)
    return cost.wall_seconds, cost.cpu_seconds


def _starts(options: Any) -> dict[str, Any]:
    """Return milliseconds of the interpreter alone and of each start, as [median, minimum, maximum]."""
    commands = {
        "python": [sys.executable, "-c", "pass"],
        "import aioglacier": [sys.executable, "-c", "import aioglacier"],
        "aioglacier --help": [COMMAND, "--help"],
        "aioglacier upload --help": [COMMAND, "upload", "--help"],
        "import aiobotocore.session": [sys.executable, "-c", "import aiobotocore.session"],
        "import boto3": [sys.executable, "-c", "import boto3"],
        "aws --version": [str(Path(COMMAND).with_name("aws")), "--version"],
    }
    if options.quick:
        commands = {name: commands[name] for name in ("python", "import aioglacier", "aioglacier --help")}
    found: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(options.rounds if options.quick else options.rounds + 1):
        for name, command in commands.items():
            found[name].append(_seconds(command)[0] * 1000)
    found = {name: values[-options.rounds :] for name, values in found.items()}  # the first fills caches
    figures: dict[str, Any] = {
        name: [measure.median(values), *measure.spread(values)] for name, values in found.items()
    }
    own = [both - alone for both, alone in zip(found["import aioglacier"], found["python"], strict=True)]
    figures["import aioglacier, without python"] = [measure.median(own), *measure.spread(own)]
    return figures


class _Watcher:
    """A proxy that notes the time of the first byte of a request's body."""

    def __init__(self, url: str) -> None:
        host, _, port = url.rpartition("/")[2].partition(":")
        self._to = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.first = threading.Event()
        self.seconds = 0.0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            server = socket.create_connection(self._to)
            threading.Thread(target=self._pass_on, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(server, client, False), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, is_request: bool) -> None:
        with suppress(OSError), source:  # the other side may have closed first
            while data := source.recv(1 << 20):
                if is_request and b"tree-hash" in data and not self.first.is_set():
                    self.seconds = time.perf_counter()
                    self.first.set()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


def _first_byte(url: str, folder: Path, options: Any) -> dict[str, Any]:
    source = measure.make_file(folder / "source", options.size)
    found: dict[str, list[float]] = {"aioglacier upload": [], "aws glacier upload-archive": []}
    if options.quick:
        del found["aws glacier upload-archive"]
    for _ in range(options.rounds):
        for name, values in found.items():
            watcher = _Watcher(url)
            task = Task(url=watcher.url, path=str(source))
            command = [COMMAND, "--region", KEYS["region_name"], "--endpoint-url", watcher.url]
            command += ["upload", "v", str(source)]
            if name.startswith("aws"):
                command = [str(Path(COMMAND).with_name("aws")), "glacier", "upload-archive"]
                command += ["--account-id", "-", "--vault-name", "v", "--body", str(source)]
            started = time.perf_counter()
            subprocess.run(command, env=environment(task), capture_output=True, check=True, timeout=60)
            assert watcher.first.wait(1)
            values.append((watcher.seconds - started) * 1000)
    return {name: [measure.median(values), *measure.spread(values)] for name, values in found.items()}


def main() -> None:
    """Measure and print."""
    parser = turns.parser("start_up", __doc__, rounds=9)
    parser.add_argument(
        "--size", type=int, default=64 * MIB, help="of the file whose first byte is waited for"
    )
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.size = 1, MIB
    figures: dict[str, Any] = {"rounds": options.rounds, "size": options.size, "ms": _starts(options)}
    with turns.opened(Sink()) as place:
        figures["first_byte_ms"] = _first_byte(place.task.url, place.folder, options)
    measure.publish("start_up", figures)


if __name__ == "__main__":
    main()
