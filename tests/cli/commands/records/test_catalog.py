"""Reports, comparisons and exports of the catalog."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.conftest import Cli

if TYPE_CHECKING:
    from pathlib import Path

ARN = "arn:aws:glacier:us-east-1:111122223333:vaults/photos"
DATE = "2026-11-22T12:00:00Z"


def entry(number: int, **values: Any) -> dict[str, Any]:
    """An archive as an inventory lists it."""
    return {
        "ArchiveId": f"archive-{number}",
        "ArchiveDescription": f"photo {number}",
        "CreationDate": "2020-01-02T03:04:05Z",
        "Size": 1000,
        "SHA256TreeHash": f"{number + 16:064x}",
        **values,
    }


def inventory(path: Path, *entries: dict[str, Any], arn: str = ARN) -> str:
    """A document of the service, by its path."""
    path.write_text(json.dumps({"VaultARN": arn, "InventoryDate": DATE, "ArchiveList": entries}))
    return str(path)


@pytest.fixture
def filled(cli: Cli, tmp_path: Path) -> Cli:
    """A catalog of five archives, two of which are alike and one is a formula."""
    document = inventory(
        tmp_path / "inventory.json",
        *map(entry, range(3)),
        entry(3, SHA256TreeHash=f"{16:064x}"),
        entry(4, ArchiveDescription="=HYPERLINK(A1)"),
    )
    cli("catalog", "rebuild", "photos", document)
    return cli


def test_a_catalog_is_rebuilt_from_an_inventory(cli: Cli, tmp_path: Path) -> None:
    """First as a dry run, which changes nothing; the region is the document's; again confirms."""
    document = inventory(tmp_path / "one", *map(entry, range(3)))
    dry = cli("--json", "catalog", "rebuild", "--dry-run", "photos", document).record
    assert (dry["added"], dry["confirmed"], dry["dry_run"]) == (3, 0, True)
    assert "nothing is on record" in cli("list", "photos", code=1).err
    assert "3 archives of photos added" in cli("catalog", "rebuild", "photos", document).text
    again = cli("--json", "catalog", "rebuild", "photos", document).record
    assert (again["added"], again["confirmed"], again["inventoried"]) == (0, 3, "2026-11-22T12:00:00.000Z")
    listed = cli("--json", "--region", "us-east-1", "list", "photos").records
    assert [record["archive_id"] for record in listed] == ["archive-0", "archive-1", "archive-2"]


def test_an_archive_that_differs_is_put_in_doubt(filled: Cli, tmp_path: Path) -> None:
    """The exit code tells of the doubt."""
    document = inventory(tmp_path / "two", entry(1, Size=7))
    done = filled("--json", "catalog", "rebuild", "photos", document, code=4)
    assert done.record["conflicting"] == 1
    suspect = [one for one in filled("--json", "list", "photos").records if one["state"] == "suspect"]
    assert [one["archive_id"] for one in suspect] == ["archive-1"]


def test_an_archive_that_is_listed_twice_with_different_sizes_is_suspect(cli: Cli, tmp_path: Path) -> None:
    """The summary counts it as one archive in doubt, a warning says why, and the exit code is 4."""
    lines = [entry(1), entry(1, Size=7), entry(1, SHA256TreeHash=f"{9:064x}")]
    done = cli("catalog", "rebuild", "photos", inventory(tmp_path / "one", *lines), code=4)
    assert done.text.strip() == "1 archive of photos added, 0 confirmed, 1 put in doubt"
    assert "listed twice with different ones" in done.err
    (listed,) = cli("--json", "--region", "us-east-1", "list", "photos").records
    assert (listed["archive_id"], listed["state"]) == ("archive-1", "suspect")


def test_what_cannot_be_rebuilt_from(cli: Cli, tmp_path: Path) -> None:
    """Another vault's inventory, one cut short and one without a date; nothing of them is recorded."""
    other = inventory(tmp_path / "other", entry(1), arn=ARN.replace("photos", "films"))
    assert "inventory of vault films" in cli("catalog", "rebuild", "photos", other, code=2).err
    whole = inventory(tmp_path / "whole", *map(entry, range(9)))
    (tmp_path / "cut").write_bytes((tmp_path / "whole").read_bytes()[:-9])
    assert str(tmp_path / "cut") in cli("catalog", "rebuild", "photos", str(tmp_path / "cut"), code=4).err
    heading = "ArchiveId,ArchiveDescription,CreationDate,Size,SHA256TreeHash\n"
    (tmp_path / "csv").write_text(f"{heading}archive-1,x,{DATE},5,{17:064x}\n")
    arguments = "catalog", "rebuild", "photos", str(tmp_path / "csv")
    assert "--inventoried" in cli(*arguments, code=2).err
    dated = *arguments, "--inventoried", "2026-11-22"
    assert "has not come yet" in cli(*arguments, "--inventoried", "2062-11-22", code=2).err
    remote = Cli(tmp_path)
    assert "--region" in remote(*dated, code=2).err
    elsewhere = "catalog", "rebuild", "photos", whole, "--region", "eu-west-1"
    assert "is of a vault in us-east-1, not in eu-west-1" in remote(*elsewhere, code=2).err
    assert "nothing is on record" in cli("list", "photos", code=1).err
    cli(*dated)
    assert cli("--json", "list", "photos").record["archive_id"] == "archive-1"


def test_a_report(filled: Cli) -> None:
    """By age and size, for people and for programs."""
    record = filled("--json", "catalog", "report").record
    assert (record["vault"], record["region"], record["archives"], record["size"]) == (
        "photos",
        "us-east-1",
        5,
        5000,
    )
    assert record["unknown"] == {"archives": 5, "size": 5000}
    assert record["ages"][-1] == {"least_days": 1095, "below_days": None, "archives": 5, "size": 5000}
    assert record["sizes"][0] == {"least_size": 0, "below_size": 131072, "archives": 5, "size": 5000}
    text = filled("catalog", "report", "photos").text
    assert text.startswith("photos: 5 archives, 4.88 KiB\n")
    assert "1095 or more days old" in text
    assert "nothing is on record of vault films" in filled("catalog", "report", "films", code=1).err


def test_duplicates(filled: Cli) -> None:
    """With the ids of the archives, and what they waste."""
    record = filled("--json", "catalog", "duplicates", "photos").record
    assert (record["archives"], record["wasted"], record["tree_hash"]) == (2, 1000, f"{16:064x}")
    assert record["archive_ids"] == ["archive-0", "archive-3"]
    done = filled("catalog", "duplicates", "photos")
    assert done.text == "2 archives of 1000 bytes\n  archive-0\n  archive-3\n"
    assert "1 duplicate, 1000 bytes more than needed" in done.err


def test_archives_that_nobody_here_knows(filled: Cli) -> None:
    """All of them come from an inventory."""
    assert len(filled("--json", "catalog", "unknown", "photos").records) == 5


def test_an_export_of_which_a_spreadsheet_runs_nothing(filled: Cli) -> None:
    """SE-09: RFC 4180, formulas with an apostrophe; in JSON every text is as it is."""
    rows = list(csv.DictReader(io.StringIO(filled("catalog", "export", "photos").out.decode(), newline="")))
    assert [row["description"] for row in rows] == [
        "photo 0",
        "photo 1",
        "photo 2",
        "photo 3",
        "'=HYPERLINK(A1)",
    ]
    assert rows[0]["archive_id"] == "archive-0"
    records = filled("catalog", "export", "--format", "json", "photos").records
    assert records == filled("--json", "catalog", "export", "photos").records
    assert records[4]["description"] == "=HYPERLINK(A1)"
    assert {record["state"] for record in records} == {"stored"}


def test_two_inventories_are_compared(cli: Cli, tmp_path: Path) -> None:
    """Each difference a record, and a line of numbers for people."""
    older = inventory(tmp_path / "older", *map(entry, range(3)))
    newer = inventory(tmp_path / "newer", entry(1, Size=9), entry(2), entry(3))
    found = [
        (one["change"], one["archive_id"]) for one in cli("--json", "catalog", "diff", older, newer).records
    ]
    assert found == [("changed", "archive-1"), ("added", "archive-3"), ("removed", "archive-0")]
    done = cli("catalog", "diff", older, newer)
    assert done.text.splitlines()[0] == "! photo 1"
    assert "1 added, 1 removed, 1 changed" in done.err
    assert cli("catalog", "diff", older, older).text == ""
    films = inventory(tmp_path / "films", entry(0), arn=ARN.replace("photos", "films"))
    assert "two vaults, photos and films" in cli("catalog", "diff", older, films).err


def test_a_check(filled: Cli, tmp_path: Path) -> None:
    """A sound catalog, one with a damaged archive, and one that is no longer a database."""
    path = tmp_path / "share" / "catalog.db"
    path.parent.mkdir()
    filled("--catalog", str(path), "catalog", "rebuild", "photos", str(tmp_path / "inventory.json"))
    arguments = "--json", "--catalog", str(path), "catalog", "check"
    assert filled(*arguments).record == {"catalog": str(path), "is_sound": True, "damaged_archives": 0}
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE archives SET size = 9 WHERE number = 1")
        connection.commit()
    assert filled(*arguments, code=4).record["damaged_archives"] == 1
    path.write_bytes(path.read_bytes()[:20_000])
    assert filled(*arguments, code=8).error["error"] == "CatalogDamagedError"
