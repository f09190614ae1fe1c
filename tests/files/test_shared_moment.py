"""A moment in a file, for all processes of a user."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from aioglacier.files.shared_moment import SharedMoment

if TYPE_CHECKING:
    from pathlib import Path

ANOTHER = """
from aioglacier.files.shared_moment import SharedMoment
print(SharedMoment('rate').advance(100, 5))
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the file, a test's own."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


def test_processes_of_a_user_share_it(folder: Path) -> None:
    """Another process counts from what one process added; only the user can read the file."""
    assert SharedMoment("rate").advance(100, 1) == 101
    assert SharedMoment("rate").advance(100, 2) == 103
    done = subprocess.run([sys.executable, "-c", ANOTHER], capture_output=True, check=True, text=True)
    assert float(done.stdout) == 108
    assert SharedMoment("other").advance(100, 1) == 101
    assert SharedMoment("rate").advance(200, 1) == 201
    (file,) = folder.glob("*-rate-*")
    assert file.stat().st_mode & 0o777 == 0o600


def test_without_a_name_it_is_a_process_own(folder: Path) -> None:
    """Two moments know nothing of each other, and there is no file."""
    assert SharedMoment(None).advance(100, 1) == 101
    assert SharedMoment(None).advance(100, 1) == 101
    assert not [*folder.iterdir()]


def test_a_moment_of_a_former_start_counts_for_nothing(folder: Path) -> None:
    """After a start of the machine the monotonic clock begins at 0, and nothing waits for the old moment."""
    moment = SharedMoment("rate")
    moment.advance(1e9, 1)
    (file,) = folder.iterdir()
    file.write_bytes(file.read_bytes()[:8] + bytes(8))
    assert moment.advance(100, 1) == 101
    file.write_bytes(b"x")
    assert moment.advance(100, 1) == 101


def test_a_stopped_process_stops_no_other(folder: Path) -> None:
    """A lock that another process keeps does not keep this one waiting."""
    moment = SharedMoment("rate")
    moment.advance(100, 1)
    (file,) = folder.iterdir()
    with file.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert moment.advance(100, 1) == 102


def test_a_file_of_somebody_else_is_not_used(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A link that is there already is refused, with a warning, and the rate is this process's own."""
    (folder / "target").write_bytes(b"precious")
    (folder / f"aioglacier-rate-{os.getuid()}").symlink_to(folder / "target")
    assert SharedMoment("rate").advance(100, 1) == 101
    assert "rate is not shared" in caplog.text
    assert (folder / "target").read_bytes() == b"precious"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_not_used(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Another user could move the moment far on, and stop this user's transfers."""
    file = folder / f"aioglacier-rate-{os.getuid()}"
    file.touch()
    os.chown(file, 1, 1)
    assert SharedMoment("rate").advance(100, 1) == 101
    assert "rate is not shared" in caplog.text
    assert file.read_bytes() == b""
