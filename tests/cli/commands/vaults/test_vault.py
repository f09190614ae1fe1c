"""Vaults, made, listed and deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


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


def test_an_empty_list_says_so(cli: Cli, vault: str, bare: Cli) -> None:
    """One note for people; nothing at all for programs, or where quiet was asked for."""
    assert cli("jobs", "list", vault).err == f"no jobs in vault {vault}\n"
    assert cli("jobs", "list", vault, "--status", "Failed").err == f"no jobs in vault {vault} are Failed\n"
    (bare.folder / "glacier").mkdir()
    assert bare("--local", "glacier", "vault", "list").err == "no vaults in us-east-1\n"
    for option in ("--json", "--quiet"):
        done = cli(option, "jobs", "list", vault)
        assert (done.out, done.err) == (b"", "")


def test_a_full_vault_is_not_deleted_and_the_next_step_is_named(cli: Cli, vault: str) -> None:
    """The service's refusal comes with the command that empties the vault."""
    cli("upload", vault, "-", "--description", "piped", stdin=b"content")
    assert f"vault empty {vault}" in cli("vault", "delete", vault, "--yes", code=7).err
