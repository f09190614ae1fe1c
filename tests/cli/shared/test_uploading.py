"""Locks of the files that commands upload."""

from __future__ import annotations

import signal
import socket
import stat
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import ACCESS_KEY_ID, MIB, SECRET, data, faulty, hang, sent, wait_for
from tests.cli.test_signals import PARTS, SIZE

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

UPLOAD = ("upload", "v", "big", "--part-size", "1MiB")
LAST_HANGS = hang("UploadMultipartPart", f"bytes {5 * MIB}-")


def locks(folder: Path) -> list[Path]:
    """Return the lock files of the user with this home."""
    return list((folder / ".local" / "share" / "aioglacier" / "catalog.db.locks").glob("*.lock"))


def test_a_file_is_uploaded_by_one_process_at_a_time(tmp_path: Path) -> None:
    """The second one, by any path, is refused at once, names the first one and leaves its upload alone."""
    with faulty(tmp_path, LAST_HANGS) as cli:
        (tmp_path / "sub").mkdir()
        with cli.started(*UPLOAD) as process:
            wait_for(lambda: sent(cli) == PARTS - 1)
            for name in ("big", "./sub/../big"):
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
            process.wait(30)
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
            assert "going on" not in cli("upload", "v", "copy/big", "--part-size", "1MiB").err
            assert sent(cli) == PARTS - 1
            process.kill()  # a signal would wait for the last part
            process.communicate(timeout=10)
        assert "going on" in cli(*UPLOAD).err
        assert len(cli("--json", "inventory", "v").records) == 2


def test_the_profile_makes_no_difference_to_a_lock(tmp_path: Path) -> None:
    """Two names for the same credentials are the same vault, and the same upload."""
    (tmp_path / "config").write_text(
        f"[profile other]\naws_access_key_id = {ACCESS_KEY_ID}\naws_secret_access_key = {SECRET}\n"
    )
    other = {"AWS_CONFIG_FILE": str(tmp_path / "config")}
    with faulty(tmp_path, LAST_HANGS) as cli, cli.started(*UPLOAD):
        wait_for(lambda: sent(cli) == PARTS - 1)
        refused = cli("--json", "--profile", "other", *UPLOAD, code=5, environment=other)
        assert refused.error["error"] == "UploadLockedError"
