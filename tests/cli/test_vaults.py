"""Vaults and what belongs to them, and the account."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.cli.conftest import Cli, data, keys, serving

if TYPE_CHECKING:
    from pathlib import Path

POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "glacier:DeleteArchive",
                "Resource": "arn:aws:glacier:us-east-1:012345678901:vaults/any",
            }
        ],
    }
)


def test_the_life_of_a_vault(cli: Cli) -> None:
    """Created twice without harm, shown, listed, deleted."""
    record = cli("--json", "vault", "create", "lively").record
    assert set(record) >= {"name", "arn", "created", "archives", "size", "inventoried"}
    assert cli("--json", "vault", "create", "lively").record == record
    assert cli("--json", "vault", "show", "lively").record == record
    assert record in cli("--json", "vault", "list").records
    assert cli("vault", "list").text.count("archives") >= 1
    assert cli("--json", "vault", "delete", "lively").record == {"name": "lively", "deleted": True}
    cli("vault", "show", "lively", code=7)


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


def test_what_belongs_to_a_vault(cli: Cli, vault: str) -> None:
    """Tags, the access policy, notifications and the lock are set, shown and removed."""
    assert cli("--json", "vault", "tags", "add", vault, "a=b", "c=d=e").record["tags"] == {
        "a": "b",
        "c": "d=e",
    }
    assert cli("--json", "vault", "tags", "remove", vault, "a").record["tags"] == {"c": "d=e"}
    cli("vault", "policy", "show", vault, code=7)
    cli("vault", "policy", "set", vault, "-", stdin=POLICY.encode())
    assert json.loads(cli("vault", "policy", "show", vault).text) == json.loads(POLICY)
    cli("vault", "policy", "delete", vault)
    topic = "arn:aws:sns:us-east-1:012345678901:topic"
    assert cli("--json", "vault", "notifications", "set", vault, topic).record["sns_topic"] == topic
    assert len(cli("--json", "vault", "notifications", "show", vault).record["events"]) == 2
    cli("vault", "notifications", "delete", vault)
    policy = POLICY.encode()
    lock_id = cli("--json", "vault", "lock", "initiate", vault, "-", stdin=policy).record["lock_id"]
    assert cli("--json", "vault", "lock", "show", vault).record["state"] == "InProgress"
    cli("vault", "lock", "complete", vault, "--", lock_id, code=2)  # for ever, so somebody has to say yes
    cli("vault", "lock", "abort", vault)
    cli("vault", "lock", "show", vault, code=7)


def test_the_account(cli: Cli) -> None:
    """The retrieval policy is shown and set; buying is asked for."""
    assert cli("--json", "account", "policy", "set", "bytes-per-hour", "1GiB").record == {
        "strategy": "BytesPerHour",
        "bytes_per_hour": 1 << 30,
    }
    cli("account", "policy", "set", "none")
    assert cli("--json", "account", "policy", "show").record["strategy"] == "None"
    assert "US dollars" in cli("account", "capacity", "purchase", code=2).err
    bought = cli("--json", "account", "capacity", "purchase", "--yes").record
    assert cli("--json", "account", "capacity", "list").record["capacity_id"] == bought["capacity_id"]


def test_an_empty_list_says_so(cli: Cli, vault: str, bare: Cli) -> None:
    """One note for people; nothing at all for programs, or where quiet was asked for."""
    assert cli("jobs", "list", vault).err == f"no jobs in vault {vault}\n"
    assert cli("jobs", "list", vault, "--status", "Failed").err == f"no jobs in vault {vault} are Failed\n"
    (bare.folder / "glacier").mkdir()
    assert bare("--local", "glacier", "vault", "list").err == "no vaults in us-east-1\n"
    for option in ("--json", "--quiet"):
        done = cli(option, "jobs", "list", vault)
        assert (done.out, done.err) == (b"", "")
