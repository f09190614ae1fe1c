"""Unfinished uploads by their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import MIB, faulty, hang, sent, wait_for

if TYPE_CHECKING:
    from pathlib import Path

PARTS = 12
SIZE = PARTS * MIB - 5


@pytest.mark.slow
def test_uploads_are_aborted_by_their_ids(tmp_path: Path) -> None:
    """``uploads abort`` forgets an upload; that there is none any more is no error, and a list says so."""
    with faulty(tmp_path, hang("UploadMultipartPart", f"bytes {5 * MIB}-")) as cli:
        with cli.started("upload", "v", "big", "--part-size", "1MiB") as process:
            wait_for(lambda: sent(cli) >= 1)
            process.kill()  # a signal would wait for the last part
            process.communicate(timeout=10)
        (upload,) = cli("--json", "uploads", "list", "v").records
        done = cli("uploads", "list", "v")
        titles, line = done.text.splitlines()
        assert titles.split() == ["DATE", "(UTC)", "SENT", "PARTS", "STATE", "NAME"]
        assert (line.split()[5:], f"{upload['parts']} " in line) == (["open", "big"], True)
        assert "1 unfinished upload, " in done.err
        assert upload["upload_id"] in cli("uploads", "list", "--long", "v").text
        assert cli("--json", "uploads", "abort", "v", f"--upload-id={upload['upload_id']}").record["aborted"]
        assert cli("--json", "uploads", "abort", "v", "--", upload["upload_id"]).record["aborted"]
        assert cli("uploads", "list", "v").err == "no unfinished uploads in vault v\n"
        cli("uploads", "abort", "nowhere", "--", upload["upload_id"], code=7)
