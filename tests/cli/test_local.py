"""Commands without a service: the demo, the server, tree hashes, and a local Glacier in a folder."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from aioglacier.cli.commands.local.demo import simple_tree_hash
from aioglacier.core.treehash import tree_hash
from tests.cli.conftest import ACCESS_KEY_ID, MIB, SECRET, Cli, data, keys, serving, wait_for

if TYPE_CHECKING:
    from pathlib import Path


def test_the_demo_tells_a_story(bare: Cli) -> None:
    """Every step with its time, no folder left, nothing on standard error."""
    done = bare("demo", "--size", "20MiB", environment={"TMPDIR": str(bare.folder)})
    steps = [line.split()[0] for line in done.text.splitlines() if line.startswith("  ")]
    assert [step for step in steps if step not in {"archive", "tree"}] == [
        "make",
        "upload",
        "retrieve",
        "download",
        "compare",
        "verify",
    ]
    assert "MB/s" in done.text
    assert not done.err
    assert not list(bare.folder.iterdir())


def test_the_demo_keeps_what_it_made_where_asked(bare: Cli) -> None:
    """``--keep`` leaves the file, the copy and a local Glacier that other commands can look into."""
    content = data(3 * MIB)
    (bare.folder / "mine").write_bytes(content)
    record = bare("--json", "demo", "mine", "--keep", "kept").record
    assert record["tree_hash"] == tree_hash(content).hex()
    assert record["same_bytes"]
    assert (bare.folder / "kept" / "restored").read_bytes() == content
    assert bare("--json", "--local", "kept/glacier", "vault", "list").record["name"] == "demo"


def test_the_demo_is_stopped_like_everything_else(bare: Cli) -> None:
    """A signal leaves no folder behind."""
    with bare.loaded("demo", "--size", "2GiB", env=bare.env({"TMPDIR": str(bare.folder)})) as process:
        assert process.stdout is not None
        process.stdout.readline()
        bare.stop(process, signal.SIGTERM, code=143)
    assert not list(bare.folder.iterdir())


def test_the_other_implementation_agrees_with_published_hashes(tmp_path: Path) -> None:
    """The demo's own tree hash knows one leaf, an odd number of leaves, and a short last one."""
    for size in (1, MIB, MIB + 1, 3 * MIB, 5 * MIB + 3):
        path = tmp_path / str(size)
        path.write_bytes(data(size))
        assert simple_tree_hash(path) == tree_hash(data(size))


def test_a_server_says_where_it_is(bare: Cli) -> None:
    """One line, the URL; what was acknowledged is there after a restart."""
    with serving(bare, "glacier") as url:
        assert url.startswith("http://127.0.0.1:")
        cli = Cli(bare.folder, ("--endpoint-url", url, "--region", "us-east-1"), keys())
        cli("vault", "create", "kept")
    with serving(bare, "glacier", "--json") as line:
        url = json.loads(line)["url"]
        cli = Cli(bare.folder, ("--endpoint-url", url, "--region", "us-east-1"), keys())
        assert cli("--json", "vault", "list").record["name"] == "kept"


def test_a_server_takes_its_secret_from_a_file(bare: Cli) -> None:
    """Then it stands in no argument, and requests signed with another one are refused."""
    (bare.folder / "secret").write_text(SECRET + "\n")
    options = ["--access-key-id", ACCESS_KEY_ID, "--secret-access-key-file", "secret"]
    with serving(bare, "glacier", *options) as url:
        cli = Cli(bare.folder, ("--endpoint-url", url, "--region", "us-east-1"), keys())
        cli("vault", "list")
        cli("vault", "list", environment={"AWS_SECRET_ACCESS_KEY": "x" * 40}, code=6)


@pytest.mark.parametrize(
    "options",
    [
        ["--access-key-id", "A"],
        ["--job-delay", "soon"],
        ["--job-delay", "Turbo=1"],
        ["--job-delay=-1"],
        ["--account-id", "1", "--port", "0"],
        ["--port", "70000"],
        ["--faults", "missing"],
    ],
)
def test_a_server_refuses_what_makes_no_sense(bare: Cli, options: list[str]) -> None:
    """Exit 2 before anything is opened."""
    bare("serve", "glacier", *options, code=2)
    assert not (bare.folder / "glacier").exists()


def test_a_folder_is_served_once(bare: Cli) -> None:
    """A second server, and a program that would use the folder itself, say so, and what to do."""
    with serving(bare, "glacier"):
        assert "glacier" in bare("serve", "glacier", code=1).err
        told = bare("--local", "glacier", "vault", "list", code=5).err
        assert "aioglacier serve glacier" in told
        assert "--endpoint-url" in told


def test_two_commands_on_one_folder_take_turns(bare: Cli) -> None:
    """The second one waits until the first one has ended."""
    bare("--local", "glacier", "vault", "create", "v")
    before = set((bare.folder / "glacier").rglob("*"))
    with bare.started("--local", "glacier", "upload", "v", "-", stdin=subprocess.PIPE) as first:
        assert first.stdin is not None
        wait_for(lambda: set((bare.folder / "glacier").rglob("*")) != before)  # it is open
        with bare.started("--local", "glacier", "--json", "vault", "list") as second:
            out, err = first.communicate(b"archived")
            bare.judge(first.returncode, out, err, 0)
            out, err = second.communicate(timeout=20)
            assert bare.judge(second.returncode, out, err, 0).record["name"] == "v"


def test_tree_hashes_look_like_sha256sum(bare: Cli) -> None:
    """The hash, two spaces, the name; up to 1 MiB it is the SHA-256 itself."""
    small, large = data(1000), data(33 * MIB + 5)
    (bare.folder / "small").write_bytes(small)
    (bare.folder / "large").write_bytes(large)
    (bare.folder / "empty").write_bytes(b"")
    assert bare("tree-hash", "small", "large", "empty").text == (
        f"{hashlib.sha256(small).hexdigest()}  small\n"
        f"{tree_hash(large).hex()}  large\n"
        f"{hashlib.sha256().hexdigest()}  empty\n"
    )
    assert bare("tree-hash", "-", stdin=large).text == f"{tree_hash(large).hex()}  -\n"
    record = bare("--json", "tree-hash", "large").record
    assert record == {"path": "large", "size": len(large), "tree_hash": tree_hash(large).hex()}


def test_tree_hashes_go_on_after_a_file_that_cannot_be_read(bare: Cli) -> None:
    """Each failure is printed; exit 3 for several files, exit 1 for one."""
    (bare.folder / "good").write_bytes(b"good")
    done = bare("tree-hash", "missing", "good", ".", code=3)
    assert done.text.endswith("  good\n")
    assert done.err.splitlines() == [
        "aioglacier: missing: No such file or directory",
        "aioglacier: .: Is a directory",
    ]
    bare("tree-hash", "missing", code=1)


def test_a_line_break_in_a_name_stays_in_its_line(bare: Cli) -> None:
    """As sha256sum has it: a backslash in front of the line, and the break escaped."""
    (bare.folder / "two\nlines").write_bytes(b"")
    (bare.folder / os.fsdecode(b"caf\xe9")).write_bytes(b"")
    assert bare("tree-hash", "two\nlines").text.startswith("\\")
    assert bare("tree-hash", "two\nlines").text.endswith("  two\\nlines\n")


def test_pipes_and_devices_are_hashed_as_streams(bare: Cli) -> None:
    """A file without a size is read to its end."""
    assert bare("tree-hash", "/dev/null").text == f"{hashlib.sha256().hexdigest()}  /dev/null\n"
