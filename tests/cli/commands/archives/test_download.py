"""``aioglacier download``: what is asked before money is spent."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


def test_expedited_is_asked_for(cli: Cli, vault: str) -> None:
    """Without a terminal an Expedited retrieval needs --yes; its price is said, and --max-cost holds."""
    (cli.folder / "file").write_bytes(b"archived")
    archive_id = cli("--json", "upload", vault, "file").record["archive_id"]
    words = ["download", vault, f"--archive-id={archive_id}", "target", "--tier", "expedited"]
    refused = cli(*words, code=2).err
    assert "--yes" in refused
    assert "USD" in refused
    assert not cli("--json", "jobs", "list", vault).records
    error = cli("--json", *words, "--yes", "--max-cost=0", code=2).error
    assert error["error"] == "CostLimitError"
    assert not cli("--json", "jobs", "list", vault).records
    cli(*words, "--yes")
    assert (cli.folder / "target").read_bytes() == b"archived"


def test_bytes_that_nothing_verifies_need_a_word(bare: Cli) -> None:
    """A range that is no node of the tree comes with the catalog's leaves, or only with --unverified."""
    content = bytes(range(256)) * (4 * 4096)  # 4 MiB
    (bare.folder / "file").write_bytes(content)
    local = ("--local", "glacier", "--json")
    bare(*local, "vault", "create", "v")
    archive_id = bare(*local, "upload", "v", "file", "--part-size=1MiB").record["archive_id"]
    words = ("download", "v", f"--archive-id={archive_id}", "--byte-range=1048576-3145727")
    assert bare(*local, *words, "known").record["verified"]
    other = (*local, "--catalog=other.db")
    assert "--unverified" in bare(*other, *words, "refused", code=4).err
    assert not (bare.folder / "refused").exists()
    record = bare(*other, *words, "taken", "--unverified").record
    assert not record["verified"]
    assert (bare.folder / "taken").read_bytes() == content[1048576:3145728]
