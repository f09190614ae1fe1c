"""Two processes at once: they keep out of each other's way, and nothing is archived twice by accident."""

from __future__ import annotations

import os
import signal
import socket
import stat
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import MIB, data, wait_for
from tests.cli.test_signals import PARTS, SIZE, faulty, hang, sent

if TYPE_CHECKING:
    from pathlib import Path

UPLOAD = ("upload", "v", "big", "--part-size", "1MiB")
LAST_HANGS = hang("UploadMultipartPart", f"bytes {5 * MIB}-")


def locks(folder: Path) -> list[Path]:
    """The files of the locks of whoever has this home."""
    return list((folder / ".local" / "share" / "aioglacier" / "locks").iterdir())


@pytest.mark.parametrize("name", ["big", "./sub/../big"])
def test_a_file_is_uploaded_by_one_process_at_a_time(tmp_path: Path, name: str) -> None:
    """The second one is refused at once, is told by whom, and does not touch what the first one sends."""
    with faulty(tmp_path, LAST_HANGS) as cli:
        (tmp_path / "sub").mkdir()
        with cli.started(*UPLOAD) as process:
            wait_for(lambda: sent(cli) == PARTS - 1)
            refused = cli("--json", "upload", "v", name, "--part-size", "1MiB", code=5)
            assert refused.error["error"] == "UploadLockedError"
            assert (refused.error["pid"], refused.error["host"]) == (process.pid, socket.gethostname())
            assert not refused.out
            (upload,) = cli("--json", "uploads", "list", "v").records
            named = f"--upload-id={upload['upload_id']}"
            again = cli("--json", "uploads", "resume", "v", named, "big", code=5)
            assert again.error["error"] == "UploadLockedError"
            assert {stat.S_IMODE(path.stat().st_mode) for path in locks(tmp_path)} == {0o600}
            cli.stop(process, signal.SIGINT, code=130)
        assert not locks(tmp_path)
        assert "going on" in cli(*UPLOAD).err
        assert len(cli("--json", "inventory", "v").records) == 1


def test_a_dead_process_holds_no_lock(tmp_path: Path) -> None:
    """After SIGKILL the same command goes on at once, and leaves no lock file."""
    with faulty(tmp_path, LAST_HANGS) as cli:
        with cli.started(*UPLOAD) as process:
            wait_for(lambda: sent(cli) == PARTS - 1)
            process.kill()
            process.wait(5)
        assert locks(tmp_path)
        assert "going on" in cli(*UPLOAD).err
        assert not locks(tmp_path)


def test_the_upload_of_another_live_process_is_not_adopted(tmp_path: Path) -> None:
    """A copy of the file elsewhere has the same name and bytes; its upload is one of its own."""
    with faulty(tmp_path, LAST_HANGS) as cli:
        copy = tmp_path / "copy"
        copy.mkdir()
        (copy / "big").write_bytes(data(SIZE))
        with cli.started(*UPLOAD) as process:
            wait_for(lambda: sent(cli) == PARTS - 1)
            done = cli("upload", "v", "copy/big", "--part-size", "1MiB")
            assert "another process uploads" in done.err
            assert sent(cli) == PARTS - 1
            cli.stop(process, signal.SIGINT, code=130)
        assert "going on" in cli(*UPLOAD).err
        assert len(cli("--json", "inventory", "v").records) == 2


def test_locks_are_for_their_owner_alone(tmp_path: Path) -> None:
    """The folder that holds them, in ``XDG_DATA_HOME`` if that is set, is made with mode 0700."""
    with faulty(tmp_path) as cli:
        cli("upload", "v", "big", environment={"XDG_DATA_HOME": str(tmp_path / "data")})
    folder = tmp_path / "data" / "aioglacier" / "locks"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not (tmp_path / ".local").exists()


def test_an_upload_does_without_locks_where_none_can_be_made(tmp_path: Path) -> None:
    """One warning for all files, and they are archived."""
    with faulty(tmp_path) as cli:
        (tmp_path / "file").write_bytes(b"in the way")
        where = {"XDG_DATA_HOME": os.fspath(tmp_path / "file")}
        done = cli("--json", "upload", "v", "big", "file", environment=where)
        assert len(done.records) == 2
        assert done.err.count("no lock") == 1
