"""Completion, as a shell asks for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

ASK = """
eval "$(aioglacier completion bash)"
COMPREPLY=(); COMP_WORDS=({words}); COMP_CWORD={last}
_aioglacier_completion aioglacier; echo "${{COMPREPLY[@]}}"
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_commands_and_options() -> None:
    """The printed script works in bash: the shell gets the words that fit."""
    script = "".join(
        ASK.format(words=" ".join(words), last=len(words) - 1)
        for words in (["aioglacier", "upl"], ["aioglacier", "vault", "cr"], ["aioglacier", "sync", "--dry"])
    )
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script], env={"PATH": path}, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.stdout.splitlines(), done.stderr) == (["upload uploads", "create", "--dry-run"], "")


def test_each_shell_has_a_script(cli: Cli) -> None:
    """Another shell is refused with the names of those that are known."""
    assert b"complete --no-files --command aioglacier" in cli("completion", "fish").out
    assert b"#compdef aioglacier" in cli("completion", "zsh").out
    assert "'bash', 'fish', 'zsh'" in cli("completion", "csh", code=2).err


def test_names_of_vaults_on_record_are_completed(program: Cli) -> None:
    """The shell gets the vaults that the catalog knows, and makes no catalog."""

    def complete(words: str) -> list[str]:
        asked = {"_AIOGLACIER_COMPLETE": "bash_complete", "COMP_WORDS": f"aioglacier {words}"}
        done = program(environment={**asked, "COMP_CWORD": str(len(words.split()))})
        return done.text.split()

    (program.folder / "film").write_bytes(b"film")
    program("upload", "photos", "film")
    program("--catalog=other.db", "upload", "photos", "film")
    assert complete("list ph") == ["plain,photos"]
    assert complete("vault show p") == ["plain,photos"]
    assert complete("--catalog other.db list ph") == ["plain,photos"]
    assert complete("--catalog none.db list ph") == []
    assert not (program.folder / "none.db").exists()
    (program.folder / "broken.db").write_bytes(b"x" * 9000)
    assert complete("--catalog broken.db list ph") == []


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("upload v fi", "file,fi"),
        ("sync so", "dir,so"),
        ("download v --name=x ta", "file,ta"),
        ("sync a v --exclude-from f", "file,f"),
        ("vault show x", ""),
    ],
)
def test_names_of_files_are_completed(bare: Cli, words: str, completed: str) -> None:
    """The shell looks for files where a file is due, and for folders where a folder is."""
    asked = {"_AIOGLACIER_COMPLETE": "bash_complete", "COMP_WORDS": f"aioglacier {words}"}
    done = bare(environment={**asked, "COMP_CWORD": str(len(words.split()))})
    assert done.text.strip() == completed
