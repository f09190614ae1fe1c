"""Logs on a terminal: news, and no floods."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import pytest

from aioglacier.cli.program.logs import TroubleFilter
from tests.cli.conftest import faulty

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli


@pytest.mark.slow
def test_trouble_is_told_of_once(tmp_path: Path) -> None:
    """However many attempts fail, one line says so and why, and one that it is over; -v tells of each."""
    fault = {"operation": "UploadMultipartPart", "code": "ServiceUnavailableException", "count": 8}
    for verbose in ([], ["-v"]):
        (folder := tmp_path / f"folder{len(verbose)}").mkdir()
        with faulty(folder, fault) as cli:
            lines = cli("upload", "v", "big", "--part-size", "1MiB", *verbose).err.splitlines()
        if verbose:
            assert len([line for line in lines if "failed (TemporaryServiceError" in line]) == 8
            continue
        begins, ends = lines
        assert "The service is unavailable" in begins
        assert begins.endswith("trying again")
        assert "answers again" in ends


def test_trouble_that_lasts_is_told_of_now_and_then() -> None:
    """One line every 30 seconds, also for trouble that comes and goes."""
    now = 0.0
    trouble = TroubleFilter(lambda: now)

    def logs(*, is_trouble: bool) -> str:
        facts = {"is_trouble": is_trouble, "trouble": "ThrottledError: slow down"}
        record = logging.makeLogRecord({"levelno": logging.WARNING, **facts})
        return record.getMessage() if trouble.filter(record) else ""

    assert logs(is_trouble=True) == "ThrottledError: slow down; trying again"
    now = 29.0
    assert not logs(is_trouble=True)
    now = 30.0
    assert logs(is_trouble=True) == "ThrottledError: slow down; 3 attempts have failed so far"
    assert logs(is_trouble=False) == "the service answers again, after 3 failed attempts"
    assert not logs(is_trouble=False)
    now = 31.0
    assert not logs(is_trouble=True)
    assert not logs(is_trouble=False)
    now = 61.0
    assert logs(is_trouble=True) == "ThrottledError: slow down; trying again"
    assert logs(is_trouble=False) == "the service answers again, after 1 failed attempt"


def test_a_log_file_gets_what_a_quiet_run_does_not_print(program: Cli) -> None:
    """With -q a run that went well prints nothing, and the file has its results and notices with times."""
    (program.folder / "film").write_bytes(b"film")
    for _ in range(2):
        done = program("-q", "--log-file", "log", "upload", "photos", "film")
        assert (done.out, done.err) == (b"", "")
    lines = (program.folder / "log").read_text().splitlines()
    assert all(re.match(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d |  ", line) for line in lines)
    assert sum("skipped" in line for line in lines) == 1
    assert program("-q", "--json", "upload", "photos", "film").record["skipped"]
    assert "missing" in program("-q", "--log-file=log", "upload", "photos", "missing", code=1).err
    assert "missing" in (program.folder / "log").read_text()
    assert "no/log" in program("--log-file=no/log", "list", "photos", code=2).err
