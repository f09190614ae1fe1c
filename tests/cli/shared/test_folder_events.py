"""Progress and failures of the commands for folders."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aioglacier.bulk.path_failures import PathFailure
from aioglacier.cli.shared.folder_events import moving, snapshot_record, summarize, tell_failures
from aioglacier.core.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from aioglacier.cli.program.session import Session


@dataclass
class Counters:
    """Counters of a run."""

    files: int
    folder: bytes


def test_failures_are_listed_and_the_rest_counted(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each names its path, also one that is not UTF-8; the top is "."."""
    error = TargetError("it is in the way", path="x")
    tell_failures(session, [PathFailure(b"a\xff", error), PathFailure(b"", error)], 7)
    err = capsys.readouterr().err
    assert "it is in the way" in err
    assert "aioglacier: .:" in err
    assert "warning: and 5 more" in err


def test_the_last_record_has_counters_cost_and_time(
    make_session: Callable[..., Session], capsys: pytest.CaptureFixture[str]
) -> None:
    """A program reads one summary; its bytes are text."""
    session = make_session(json=True)
    summarize(session, Counters(3, b"\xff"), {"cost": 1.5}, time.monotonic(), str, dry_run=True)
    record = json.loads(capsys.readouterr().out)
    assert record.pop("seconds") >= 0
    expected = {"event": "summary", "dry_run": True, **snapshot_record(Counters(3, b"\xff")), "cost": 1.5}
    assert record == expected


def test_progress_without_a_speed_shows_amounts_only() -> None:
    """A rate and the time left appear once they are known."""
    assert moving(None, 1024, None) == ("1 KiB", "", "")
    assert moving(None, 1024, 2048) == ("1 KiB of 2 KiB", "", "")
