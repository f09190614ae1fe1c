"""Hooks and metrics around a run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.cli.program.test_configuration import configure

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


def test_hooks_run_before_and_after(program: Cli) -> None:
    """They know the command and its exit code; their output is none of the result."""
    (program.folder / "film").write_bytes(b"film")
    say = 'echo "$AIOGLACIER_HOOK $AIOGLACIER_COMMAND $AIOGLACIER_EXIT_CODE" | tee -a told'
    configure(program, f"[hooks]\nbefore = '{say}'\nafter = '{say}'\n")
    assert program("--json", "upload", "photos", "film").record["size"] == 4
    program("upload", "photos", "missing", code=1)
    program("list", "photos")
    told = (program.folder / "told").read_text().splitlines()
    assert told == ["before upload ", "after upload 0", "before upload ", "after upload 1"]


def test_a_hook_that_fails(program: Cli) -> None:
    """Before a run it prevents the run; after one it is a warning, and the exit code is 1."""
    (program.folder / "film").write_bytes(b"film")
    configure(program, '[hooks]\nbefore = "exit 7"\n')
    assert "exit code 7" in program("upload", "photos", "film", code=1).err
    assert not program("list", "photos").out
    configure(program, '[hooks]\nafter = "exit 7"\n')
    assert "exit code 7" in program("upload", "photos", "film", code=1).err
    assert program("list", "photos").out


def test_metrics_are_a_textfile_for_prometheus(program: Cli) -> None:
    """Every line is a type or a value; a failed run keeps the time of the last good one."""
    (program.folder / "tree").mkdir()
    (program.folder / "tree" / "file").write_bytes(b"file")
    program("--metrics-file=run.prom", "sync", "tree", "photos")
    good = (program.folder / "run.prom").read_text()
    assert 'aioglacier_last_run_exit_code{command="sync",place="photos"} 0\n' in good
    assert re.search(r"aioglacier_last_run_archived\{.*\} [1-9]", good)
    line = r'(# TYPE \w+ gauge|\w+\{command="sync",place="photos"\} [0-9.e+-]+)'
    assert all(re.fullmatch(line, each) for each in good.splitlines())
    program("--metrics-file=run.prom", "sync", "missing", "photos", code=1)
    bad = (program.folder / "run.prom").read_text()
    (success,) = (each for each in good.splitlines() if each.startswith("aioglacier_last_success"))
    assert success in bad
    assert [each.name for each in program.folder.glob("run.prom*")] == ["run.prom"]
