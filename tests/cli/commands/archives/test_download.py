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
