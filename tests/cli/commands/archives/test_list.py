"""The archives on record."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


def test_a_list_needs_no_connection(cli: Cli, vault: str, bare: Cli) -> None:
    """Nothing of it comes from the service: no credentials, no region, no network."""
    cli("upload", vault, "-", "--description", "piped", stdin=b"content")
    record = bare("--json", "list", vault).record
    assert (record["vault"], record["description"], record["state"]) == (vault, "piped", "stored")
    assert record["seen"] is None
    assert "not yet" in bare("list", vault).text
    cli("inventory", vault)
    assert bare("--json", "list", vault).record["seen"] is not None
