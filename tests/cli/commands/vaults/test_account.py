"""Settings of the account."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


def test_the_account(cli: Cli) -> None:
    """The retrieval policy is shown and set; buying is asked for."""
    assert cli("--json", "account", "policy", "set", "bytes-per-hour", "1GiB").record == {
        "strategy": "BytesPerHour",
        "bytes_per_hour": 1 << 30,
    }
    cli("account", "policy", "set", "none")
    assert cli("--json", "account", "policy", "show").record["strategy"] == "None"
    assert "about 100.00 USD" in cli("account", "capacity", "purchase", code=2).err
    limited = ("account", "capacity", "purchase", "--yes", "--max-cost=99")
    assert "nothing was bought" in cli(*limited, code=2).err
    assert "unknown cost" in cli(*limited, "--region=eu-west-1", code=2).err
    bought = cli("--json", "account", "capacity", "purchase", "--yes").record
    assert cli("--json", "account", "capacity", "list").record["capacity_id"] == bought["capacity_id"]
