"""The demonstration against a local Glacier."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from aioglacier.cli.commands.local.demo import simple_tree_hash
from aioglacier.core.treehash import tree_hash
from tests.cli.conftest import MIB, Cli, data

if TYPE_CHECKING:
    from pathlib import Path


def test_the_demo_tells_a_story(bare: Cli) -> None:
    """Every step with its time, no folder left, nothing on standard error."""
    done = bare("demo", "--size", "20MiB", environment={"TMPDIR": str(bare.folder)})
    steps = [line.split()[0] for line in done.text.splitlines() if line.startswith("  ")]
    assert [step for step in steps if step not in {"archive", "tree", "aioglacier"}] == [
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
