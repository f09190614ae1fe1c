"""Commands that only read, in each kind of surroundings: pipes, terminals of two widths, locales."""

from __future__ import annotations

import os
import pty
import subprocess

import pytest

from aioglacier.cli.render.table import measure
from tests.cli.conftest import MIB, Cli, data

pytestmark = pytest.mark.slow

#: A name of wide characters, wider than each terminal of the tests; a vault's description escapes it.
NAME = "\N{CJK UNIFIED IDEOGRAPH-66F8}" * 50 + ".pdf"

#: Commands that print tables and paths.
TABLES = (
    "list photos",
    "list s3://museum",
    "ls photos",
    "find photos *",
    "du photos",
    "snapshots photos",
    "vault list",
    "bucket list",
    "jobs list photos",
    "jobs list s3://museum",
    "uploads list photos",
)

#: Commands that print ids, hashes or whole texts, which no terminal shortens.
OTHERS = (
    "list --long photos",
    "ls --long photos",
    "jobs list --long photos",
    "vault show photos",
    "vault tags list photos",
    "account policy show",
    "config show",
    "tree-hash film",
    "verify tree photos",
    "completion bash",
    "--help",
)

#: Widths, each with an environment that asks for plain output.
TERMINALS = ((80, {"TERM": "xterm-256color", "NO_COLOR": "1"}), (40, {"TERM": "dumb", "LC_ALL": "C"}))


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The program on a local Glacier that has something to show for each command."""
    folder = tmp_path_factory.mktemp("furnished")
    cli = Cli(folder, ("--local", "glacier"))
    deep = folder / "tree" / ("deep" * 20)
    deep.mkdir(parents=True)
    (deep / NAME[-40:]).write_bytes(b"leaf")
    (folder / "film").write_bytes(data(3 * MIB))
    cli("vault", "create", "photos")
    cli("account", "policy", "set", "none")
    cli("bucket", "create", "museum")
    (folder / NAME).write_bytes(b"named")
    cli("upload", "photos", NAME)
    cli("upload", f"s3://museum/{NAME[-60:]}", "film", "--storage-class", "DEEP_ARCHIVE")
    cli("sync", "tree", "photos")
    cli("download", "photos", "--name", NAME, "fetched")
    cli("download", "s3://museum", NAME[-60:], "restored")
    killed = {**cli.env(), "AIOGLACIER_CRASH_AT": "part sent"}
    half = cli.command("upload", "photos", "film", "--part-size=1MiB", "--description=half")
    assert subprocess.run(half, cwd=folder, env=killed, check=False, capture_output=True).returncode < 0
    return cli


def shown(cli: Cli, words: list[str], columns: int, environment: dict[str, str]) -> str:
    """Run a command with a terminal as its standard output and return the text that it shows there."""
    outer, inner = pty.openpty()
    try:
        env = cli.env({"COLUMNS": str(columns), **environment})
        with cli.started(*words, stdout=inner, env=env) as run:
            _, err = run.communicate(timeout=30)
            assert run.returncode == 0, err
        os.write(inner, b"\0")  # so that the reader knows the end
        text = b""
        while not text.endswith(b"\0"):
            text += os.read(outer, 65536)
    finally:
        os.close(outer)
        os.close(inner)
    return text.removesuffix(b"\0").decode().replace("\r", "")


@pytest.mark.parametrize("words", TABLES)
def test_a_table_fits_the_terminal(furnished: Cli, words: str) -> None:
    """No line is wider than 80 or 40 columns whatever the names are, and nothing in it moves the cursor."""
    for columns, environment in TERMINALS:
        text = shown(furnished, words.split(), columns, environment)
        assert text.strip()
        assert [line for line in text.splitlines() if measure(line) > columns] == []
        assert "\x1b" not in text


@pytest.mark.parametrize("words", [*TABLES, *OTHERS])
def test_results_in_a_pipe_are_plain_text(furnished: Cli, words: str) -> None:
    """A pipe gets no escape, on neither stream, and no name is cut; an empty locale is no error."""
    done = furnished(*words.split(), environment={"LC_ALL": "C", "TERM": "xterm-256color"})
    assert done.text.strip()
    assert "\x1b" not in done.text + done.err
    assert "..." not in done.text or words in OTHERS


def test_an_encoding_without_the_characters_shows_them_escaped(furnished: Cli) -> None:
    """A name that the locale cannot write is no error: the reader sees its code points."""
    environment = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = subprocess.run(
        furnished.command("list", "photos"),
        cwd=furnished.folder,
        env=furnished.env(environment),
        check=True,
        capture_output=True,
    )
    assert b"\\u66f8" in done.stdout
    assert done.stdout.isascii()


def test_the_demo_fits_the_terminal(furnished: Cli) -> None:
    """Its sentences are broken between words; ids, hashes, paths and commands stay whole, to be copied."""
    for columns, environment in TERMINALS:
        text = shown(furnished, ["demo", "--size", "1MiB"], columns, environment)
        wide = {line.split()[0] for line in text.splitlines() if measure(line) > columns}
        assert {word for word in wide if not word.startswith("/")} <= {"archive", "tree", "aioglacier"}
        assert "at AWS it takes" in text
