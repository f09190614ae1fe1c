"""Every block of code in the manual of the local Glacier runs and does what the manual says.

Shell, Python and pytest blocks run here against ``aioglacier serve``, started as in the manual but on a free
port; the JavaScript block runs with the tests of the SDK.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aioglacier.server import FaultKind, LocalGlacier, Moment
from aioglacier.server.control_api import __doc__ as control_manual
from tests.forking import forks

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

MANUAL = (Path(__file__).parents[1] / "docs" / "local-glacier.md").read_text()
URL = "http://127.0.0.1:8080"

#: Every block: the heading it stands under, its language, its text.
BLOCKS = [
    (re.findall(r"^## (.*)$", MANUAL[: match.start()], re.MULTILINE)[-1], match[1], match[2])
    for match in re.finditer(r"^```(\w*)\n(.*?)^```$", MANUAL, re.MULTILINE | re.DOTALL)
]


def blocks(heading: str, language: str) -> list[str]:
    """Return the blocks of a language under a heading."""
    return [text for under, spoken, text in BLOCKS if (under, spoken) == (heading, language)]


INSTALL_AND_SERVE, EXPORTS = blocks("Start it", "sh")
SERVE = INSTALL_AND_SERVE.splitlines()[1]
IS_TEST = re.compile(r"^ *(async )?def test_", re.MULTILINE)


class Reader:
    """A reader who types the manual's commands in an empty folder, beside a server."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self._environment = {"HOME": str(folder), "LANG": "C.UTF-8", "AWS_EC2_METADATA_DISABLED": "true"}
        self.url = url

    def types(self, text: str) -> str:
        """Run shell commands after the manual's exports; return their output."""
        commands = self._folder / "commands"
        commands.mkdir()
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", (EXPORTS + text).replace(URL, self.url)],
            cwd=self._folder,
            env={**self._environment, "PATH": f"{commands}:{os.environ['PATH']}"},
            pass_fds=[forks("aws").install(commands)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        return done.stdout

    def runs(self, program: str) -> str:
        """Run a Python program with the variables that the manual exports; return its output."""
        exported = dict(re.findall(r"(\w+)=(\S+)", EXPORTS.replace(URL, self.url)))
        words = ["-c", program.replace(URL, self.url)]
        code, out, err = forks().run(words, cwd=self._folder, env={**self._environment, **exported})
        assert (code, err) == (0, b""), out
        return out.decode()

    def status(self) -> dict[str, Any]:
        """Return the archives that the server holds."""
        with urllib.request.urlopen(f"{self.url}/_local/status", timeout=30) as answer:  # noqa: S310  # ours
            found: dict[str, Any] = json.load(answer)
        return found


@contextmanager
def served(folder: Path, command: str) -> Iterator[str]:
    """Run the manual's command for the server on a free port; yield the URL that it prints."""
    program, *words = command.replace("8080", "0").split()
    with forks(program).start(words, cwd=folder, env=os.environ) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().decode().strip()
        finally:
            server.send_signal(signal.SIGTERM)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """A reader who has started the server."""
    with served(tmp_path, SERVE) as url:
        yield Reader(tmp_path, url)


def test_every_block_is_run_by_some_test() -> None:
    """A test knows every block: its language and its heading."""
    assert {(under, language) for under, language, _ in BLOCKS} == {
        ("Start it", "sh"),
        ("S3", "sh"),
        ("AWS CLI", "sh"),
        ("boto3", "python"),
        ("aiobotocore", "python"),
        ("aioglacier", "python"),
        ("JavaScript", "javascript"),  # tests/third_party/test_javascript.py
        ("pytest", "python"),
        ("Control endpoints", "sh"),
        ("Containers", "text"),  # needs a container engine, so no test runs it
        ("Faults", "json"),
    }


def test_s3(reader: Reader, tmp_path: Path) -> None:
    """The commands archive an object, restore it and read it."""
    (block,) = blocks("S3", "sh")
    assert 'ongoing-request="true"' in reader.types(block)
    assert (tmp_path / "restored.txt").read_text() == "november\n"
    assert (reader.status()["buckets"], reader.status()["objects"]) == (1, 1)


def test_the_aws_cli(reader: Reader, tmp_path: Path) -> None:
    """The commands archive a file, take the inventory and fetch it."""
    (block,) = blocks("AWS CLI", "sh")
    reader.types(block)
    (entry,) = json.loads((tmp_path / "inventory.json").read_text())["ArchiveList"]
    assert (entry["ArchiveDescription"], entry["Size"]) == ("november", len("november\n"))
    assert (reader.status()["archives"], reader.status()["jobs"]) == (1, 1)


@pytest.mark.parametrize(
    ("heading", "prints"),
    [
        ("boto3", "raw frames"),
        ("aiobotocore", r"[\w-]{138} [0-9a-f]{64}"),
        ("aioglacier", r"[\w-]{138} [0-9a-f]{64}"),
    ],
)
def test_python(reader: Reader, heading: str, prints: str) -> None:
    """Each program archives, and prints the documented output."""
    (block,) = blocks(heading, "python")
    assert re.fullmatch(prints + "\n", reader.runs(block))
    assert reader.status()["archives"] == 1


@pytest.mark.parametrize("block", blocks("pytest", "python"))
def test_pytest(tmp_path: Path, block: str) -> None:
    """The tests pass in a fresh run of pytest, with warnings as errors."""
    (tmp_path / "test_it.py").write_text(block)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    # A base folder of its own: pytest would remove those of earlier runs, this one's too.
    base = f"--basetemp={tmp_path / 'temporary'}"
    words = ["-W", "error", "-p", "no:cacheprovider", "-p", "no:asyncio", base]
    code, out, _ = forks("pytest").run(words, cwd=tmp_path, env=os.environ)
    assert code == 0, out.decode()
    assert f"{len(IS_TEST.findall(block))} passed" in out.decode()


def test_the_control_endpoints(reader: Reader) -> None:
    """The commands move the clock by a day and script a fault that strikes the AWS CLI, which repeats."""
    (block,) = blocks("Control endpoints", "sh")
    printed = reader.types(block)
    assert '"struck":2' in printed
    status = reader.status()
    assert (status["vaults"], status["clock_offset_seconds"], status["faults"]) == (1, 86400, [])
    table = set(re.findall(r"`((?:GET|POST|DELETE) /_local/\w+)`", MANUAL))
    assert table == {
        " ".join(words) for words in re.findall(r"(GET|POST|DELETE) +(/_local/\w+)", control_manual or "")
    }


def test_a_file_of_faults(tmp_path: Path) -> None:
    """``aioglacier serve --faults`` accepts the example, and each of its faults is pending."""
    (block,) = blocks("Faults", "json")
    (tmp_path / "faults.json").write_text(block)
    (command,) = re.findall(r"`(aioglacier serve depot --faults faults.json)`", MANUAL)
    with served(tmp_path, command) as url:
        faults = Reader(tmp_path, url).status()["faults"]
    assert [(fault["operation"], fault["kind"]) for fault in faults] == [
        (fault["operation"], fault.get("kind", "status")) for fault in json.loads(block)
    ]


def test_the_tables_of_faults_are_complete() -> None:
    """Every kind and every moment has its row."""
    for kind in (*FaultKind, *Moment):
        assert re.search(rf"^\| `{kind.value}`", MANUAL, re.MULTILINE), kind


def test_the_delays_are_those_of_the_server(tmp_path: Path) -> None:
    """The table of the clock lists the server's defaults."""
    settings = LocalGlacier(tmp_path / "depot").settings
    hours = {tier: seconds / 3600 for tier, seconds in settings.job_delay.items()}
    assert hours == {"Expedited": 0.05, "Standard": 4, "Bulk": 8, "Inventory": 4}
    assert "| Expedited, Standard, Bulk retrieval | 3 minutes, 4 hours, 8 hours |" in MANUAL
    assert "| inventory job | 4 hours |" in MANUAL
    assert settings.inventory_lag == 24 * 3600


def test_links_inside_the_manual_lead_somewhere() -> None:
    """Each link to a heading leads to one."""
    headings = {
        re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-")
        for one in re.findall(r"^## (.*)$", MANUAL, re.MULTILINE)
    }
    assert set(re.findall(r"\(#([\w-]+)\)", MANUAL)) <= headings
