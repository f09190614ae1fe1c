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
    assert "archives as of" in (long := cli("vault", "list", "--long").text) or "no inventory yet" in long
    assert cli("--json", "vault", "delete", "lively").record == {"name": "lively", "deleted": True}
    cli("vault", "show", "lively", code=7)


def test_vaults_are_a_table_with_totals(program: Cli) -> None:
    """One line for each vault, and below it the sums of the last inventories."""
    program("upload", "photos", "-", stdin=b"x" * 1500)
    program("inventory", "photos")
    program("vault", "create", "films")
    done = program("vault", "list")
    titles, *lines = done.text.splitlines()
    assert titles == "CREATED      ARCHIVES      SIZE  INVENTORY   NAME"
    assert [line.split()[1:] for line in lines] == [
        ["0", "0", "B", "none", "yet", "films"],
        ["1", "33.5", "KiB", lines[1].split()[4], "photos"],  # an archive is billed with 32 KiB of its own
    ]
    assert done.err == "2 vaults, 1 archive, 33.5 KiB, counted by the last inventories\n"


def test_a_new_vault_is_listed_as_empty(program: Cli) -> None:
    """No error, and the note names the command that asks the service; an unknown vault is an error."""
    done = program("list", "photos")
    assert (done.text, "0 archives" in done.err) == ("", True)
    assert "aioglacier --local=glacier inventory photos" in done.err
    assert "aioglacier --local=glacier inventory films" in program("list", "films", code=1).err


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
