"""The tutorial: every command and program of it does what the page says."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.forking import forks

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[1] / "docs" / "tutorial.md").read_text()


def test_the_tutorial_works_as_it_stands(tmp_path: Path) -> None:
    """Its blocks run in their order, in one empty folder, by a user who has no account."""
    environment = {
        "PATH": os.pathsep.join([str(tmp_path), os.environ["PATH"]]),
        "HOME": str(tmp_path / "home"),
        "LANG": "C.UTF-8",
    }
    folder = tmp_path / "empty"
    folder.mkdir()
    commands = "".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env=environment,
        pass_fds=[forks().install(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    printed = done.stdout + done.stderr
    assert "is stored and unchanged, so it was skipped" in printed
    assert "0 paths archived, 0 bytes, 4 unchanged" in printed
    assert "0 findings" in printed
    ((program, output),) = re.findall(
        r"```python\n(.*?)```\s+It prints:\s+```text\n(.*?)```", PAGE, re.DOTALL
    )
    assert forks().run(["-c", program], cwd=folder, env=environment) == (0, output.encode(), b"")
