"""A vault is emptied."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import Cli, data, keys, serving

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_a_vault_is_emptied_and_may_be_deleted_later(tmp_path: Path) -> None:
    """With the service's own lag it says why the vault cannot be deleted yet, and may be run again."""
    with serving(Cli(tmp_path), "glacier", "--job-delay", "0", "--inventory-lag", "1") as url:
        cli = Cli(tmp_path, ("--endpoint-url", url, "--region", "us-east-1"), keys())
        cli("vault", "create", "v")
        fresh = cli("--json", "vault", "empty", "v", "--yes").record
        assert "no inventory yet" in fresh["why_not_deletable"]
        for seed in range(3):
            cli("upload", "v", "-", stdin=data(10, seed))
        cli("vault", "empty", "v", code=2)  # no terminal to ask on
        emptied = cli("--json", "vault", "empty", "v", "--yes").record
        while not emptied["deleted"]:  # until the inventory, a second late, lists them
            emptied = cli("--json", "vault", "empty", "v", "--yes").record
        assert emptied["deleted"] <= 3
        again = cli("--json", "vault", "empty", "v", "--yes").record
        assert again["refused"] == 0
