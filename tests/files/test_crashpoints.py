"""Crash points: a process kills itself at the named one, and refuses a name that is none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

#: Passes one point three times.
PROGRAM = """
from aioglacier.files.crashpoints import passing
for number in range(3):
    print(number, flush=True)
    passing("completed")
"""


def run(point: str) -> subprocess.CompletedProcess[str]:
    """Run the program with a crash point."""
    environment = {**os.environ, "AIOGLACIER_CRASH_AT": point}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("point", "passed"), [("completed", "0\n"), ("completed:3", "0\n1\n2\n"), ("deleted", "0\n1\n2\n")]
)
def test_a_process_kills_itself_at_the_named_point(point: str, passed: str) -> None:
    """The number after the colon says at which passing of the point."""
    done = run(point)
    assert done.stdout == passed
    assert done.returncode == (0 if point == "deleted" else -signal.SIGKILL)


def test_a_name_that_is_no_point_is_refused() -> None:
    """A misspelt name would let a test of crashes pass without one."""
    done = run("complete")
    assert "AIOGLACIER_CRASH_AT='complete' is no crash point" in done.stderr
    assert done.returncode == 1
