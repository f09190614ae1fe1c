"""The inventory of a vault, printed and exported."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

from tests.cli.conftest import upload_some

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


def test_inventories_in_every_form(cli: Cli, vault: str) -> None:
    """Text, JSON lines, CSV, and the document as the service wrote it; a formula is disarmed in CSV."""
    first = upload_some(cli, vault, b"1", "--description", '=HYPERLINK("http://evil")')
    second = upload_some(cli, vault, b"22", "--description", 'a "quoted", one')
    assert [record["archive_id"] for record in cli("inventory", vault, "--format", "json").records] == [
        first,
        second,
    ]
    printed = cli("inventory", vault, "--format", "csv").out.decode()
    cli("inventory", vault, "--format", "csv", "--output", "list.csv")
    assert (cli.folder / "list.csv").read_bytes().decode() == printed
    rows = list(csv.DictReader(io.StringIO(printed, newline="")))
    assert [row["archive_id"] for row in rows] == [first, second]
    assert [row["description"] for row in rows] == ['\'=HYPERLINK("http://evil")', 'a "quoted", one']
    assert [row["size"] for row in rows] == ["1", "2"]
    cli("inventory", vault, "--output", "list.json")
    document = json.loads((cli.folder / "list.json").read_bytes())
    assert [each["ArchiveId"] for each in document["ArchiveList"]] == [first, second]
    cli("inventory", vault, "--output", "list.json")  # the same list
    (cli.folder / "list.json").write_text("another")
    assert cli("--json", "inventory", vault, "--output", "list.json", code=1).error["error"] == "TargetError"
    jobs = cli("--json", "jobs", "list", vault).records
    assert len(jobs) == 1  # one job served them all
    third = upload_some(cli, vault, b"333")
    assert [record["archive_id"] for record in cli("--json", "inventory", vault).records][-1] == third
