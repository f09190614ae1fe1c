"""Limits of cost: every command that spends keeps them, and what it spends is on record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


def test_a_limit_holds_before_anything_is_sent(bare: Cli) -> None:
    """Each command that would cost more than --max-cost is refused, exit 2, and nothing is charged."""
    local = ("--local", "glacier", "--json")
    bare(*local, "vault", "create", "v")
    (bare.folder / "file").write_bytes(b"archived")
    (bare.folder / "other").write_bytes(b"not archived")
    archive_id = bare(*local, "upload", "v", "file").record["archive_id"]
    spent = bare(*local, "catalog", "report").record["spent"]
    for words in (
        ["upload", "v", "other"],
        ["inventory", "v"],
        ["download", "v", f"--archive-id={archive_id}", "target"],
        ["delete", "v", f"--archive-id={archive_id}", "--yes"],
    ):
        error = bare(*local, *words, "--max-cost=0", code=2).error
        assert error["error"] == "CostLimitError", words
    assert bare(*local, "catalog", "report").record["spent"] == spent
    assert not bare(*local, "jobs", "list", "v").records


def test_a_plan_has_the_cost_that_is_recorded(bare: Cli) -> None:
    """The price that --dry-run prints for an upload and its deletion is what the report counts later."""
    local = ("--local", "glacier", "--json")
    bare(*local, "vault", "create", "v")
    (bare.folder / "file").write_bytes(bytes(1 << 20))
    plan = bare(*local, "upload", "v", "file", "--dry-run").record
    assert plan["cost"] > 0
    archive_id = bare(*local, "upload", "v", "file").record["archive_id"]
    deletion = bare(*local, "delete", "v", f"--archive-id={archive_id}", "--dry-run").record
    assert 0 < deletion["cost"] < plan["cost"]
    bare(*local, "delete", "v", f"--archive-id={archive_id}", "--yes")
    spent = {each["operation"]: each["price"] for each in bare(*local, "catalog", "report").record["spent"]}
    assert spent["DeleteArchive"] == pytest.approx(deletion["cost"], abs=2e-6)
    assert spent["UploadArchive"] > 0


def test_a_region_without_prices_is_named_and_has_no_limit(bare: Cli) -> None:
    """Each plan names a region that the price list lacks, and no command with --max-cost guesses."""
    local = ("--local", "glacier", "--json")
    bare(*local, "vault", "create", "v")
    (bare.folder / "list.json").write_text('{"seen": "2026-11-01", "currency": "USD", "regions": {}}')
    (bare.folder / "tree").mkdir()
    (bare.folder / "tree" / "file").write_bytes(b"archived")
    archive_id = bare(*local, "upload", "v", "tree/file").record["archive_id"]
    for words in (
        ["sync", "tree", "v"],
        ["download", "v", f"--archive-id={archive_id}", "target"],
        ["delete", "v", f"--archive-id={archive_id}"],
    ):
        plan = bare(*local, *words, "--prices=list.json", "--dry-run").records[-1]
        assert (plan["cost"], plan["prices_of"]) == (None, "us-east-1"), words
        consent = ["--yes"] if words[0] == "delete" else []
        error = bare(*local, *words, *consent, "--prices=list.json", "--max-cost=9", code=2).error
        assert (error["error"], error["cost"]) == ("CostLimitError", None), words
        assert "transfer out in us-east-1" in error["message"], words
