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

#: What each shell runs: it reads the printed script and prints the words that fit, as "upload" and "uploads".
SCRIPTS = {
    "bash": """
eval "$(aioglacier completion bash)"
for line in "aioglacier upl" "aioglacier vault cr" "aioglacier sync --dry"; do
    COMPREPLY=(); COMP_WORDS=($line); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _aioglacier_completion aioglacier; printf "%s\\n" "${COMPREPLY[@]}"
done
""",
    "fish": """
aioglacier completion fish | source
for line in "aioglacier upl" "aioglacier vault cr" "aioglacier sync --dry"
    complete -C $line | string replace -r "\\t.*" ""
end
""",
    "zsh": """
autoload -U compinit; compinit -u -D
eval "$(aioglacier completion zsh)"
_describe() { print -rl -- ${${(P)3}%%:*} }  # it would show them in the line editor
for line in "aioglacier upl" "aioglacier vault cr" "aioglacier sync --dry"; do
    words=(${=line}); CURRENT=${#words}; _aioglacier_completion
done
""",
}


def completed_by(shell: str, script: str, folder: Path) -> str:
    """Run a script in a shell that finds the program, and return what it prints."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
    }
    command = {"bash": ["bash", "-c"], "fish": ["fish", "--no-config", "-c"], "zsh": ["zsh", "-fc"]}[shell]
    done = subprocess.run(
        [*command, script], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_shell_completes_commands_and_options(shell: str, tmp_path: Path) -> None:
    """The printed script works in the shell itself, which gets the words that fit."""
    found = completed_by(shell, SCRIPTS[shell], tmp_path).split()
    assert found == ["upload", "uploads", "create", "--dry-run"]


@pytest.mark.slow
def test_fish_shows_the_whole_description(tmp_path: Path) -> None:
    """A comma in a description does not end it."""
    script = 'aioglacier completion fish | source; complete -C "aioglacier upload v f --dry-"'
    assert "--dry-run\tPrint the plan and its cost; connect to nothing, read nothing." in completed_by(
        "fish", script, tmp_path
    )


def test_each_shell_has_a_script(cli: Cli) -> None:
    """Another shell is refused with the names of those that are known."""
    assert b"complete --no-files --command aioglacier" in cli("completion", "fish").out
    assert b"#compdef aioglacier" in cli("completion", "zsh").out
    assert "bash, fish, zsh" in cli("completion", "csh", code=2).err


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
