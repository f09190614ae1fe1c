"""The how-to pages: a reader without an account types their commands, and they do what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.slow, pytest.mark.long]  # forty commands, each a process

DOCS = Path(__file__).parents[1] / "docs"


def server(home: Path) -> str:
    """A server has a configuration file and a database; the tools' files are left out."""
    for name, content in {
        "etc/app.conf": "port = 1",
        "database/rows": "1 2 3",
        "cache/x": "x",
        "a.tmp": "",
    }.items():
        (home / "srv" / name).parent.mkdir(parents=True, exist_ok=True)
        (home / "srv" / name).write_text(content)
    return ""


def old_vault(home: Path) -> str:
    """Another program filled a vault, on another machine."""
    (home / "one.jpg").write_text("one")
    return """
        aioglacier vault create old
        for name in photos/2014/one.jpg letters/two.txt; do
          echo "$name" | aioglacier --catalog ~/other.db upload old - --description "$name"
        done
        """


def terabytes(home: Path) -> str:
    """Some files stand for terabytes."""
    (home / "data").mkdir()
    for name in ("film.mkv", "one.bin", "two.bin"):
        (home / "data" / name).write_text(name)
    return "aioglacier vault create photos\n"


@pytest.mark.parametrize(
    ("page", "prepare", "printed"),
    [
        ("server", server, ["[nightly]", "etc/app.conf", "0 findings"]),
        ("old-vault", old_vault, ["letters", "one.jpg", "2 archives"]),
        ("terabytes", terabytes, ["is stored and unchanged"]),
    ],
)
def test_the_commands_of_a_page_work(
    page: str, prepare: Callable[[Path], str], printed: list[str], tmp_path: Path
) -> None:
    """They run in their order, in one shell that stops at the first failure."""
    text = (DOCS / f"{page}.md").read_text()
    commands = "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    environment = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "AIOGLACIER_LOCAL": str(tmp_path / "depot"),
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", prepare(tmp_path) + commands],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    for each in printed:
        assert each in told
