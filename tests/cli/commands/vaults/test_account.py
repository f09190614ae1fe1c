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
    assert "a unit of Expedited capacity would cost 100.00 USD" in cli(*limited, code=2).err
    unknown = cli(*limited, "--region=eu-west-1", code=2).err
    assert "has no price for Expedited capacity in eu-west-1; nothing was sent" in unknown
    bought = cli("--json", "account", "capacity", "purchase", "--yes").record
    assert cli("--json", "account", "capacity", "list").record["capacity_id"] == bought["capacity_id"]


def test_a_purchase_is_on_record(cli: Cli) -> None:
    """The catalog reports the price of bought capacity, under the account and under no vault."""
    cli("account", "capacity", "purchase", "--yes")
    record = cli("--json", "catalog", "report").record
    assert (record["vault"], record["archives"]) == ("", 0)
    (spent,) = record["spent"]
    assert (spent["operation"], spent["requests"]) == ("PurchaseProvisionedCapacity", 1)
    assert spent["price"] == 100
    assert cli("catalog", "report").out.startswith(b"the account")
