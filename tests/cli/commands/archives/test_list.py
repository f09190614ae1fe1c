"""The archives on record."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING

import pytest

from aioglacier.catalog import ArchiveState, Catalog, VaultKey
from aioglacier.core.models import Archive, ArchiveId
from tests.cli.conftest import catalog_of
from tests.cli.test_terminal import on_terminal

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


def test_a_list_needs_no_connection(cli: Cli, vault: str, bare: Cli) -> None:
    """Nothing of it comes from the service: no credentials, no region, no network."""
    cli("upload", vault, "-", "--description", "piped", stdin=b"content")
    record = bare("--json", "list", vault).record
    assert (record["vault"], record["description"], record["state"]) == (vault, "piped", "stored")
    assert record["seen"] is None
    assert "not yet" in bare("list", vault, "--long").text
    cli("inventory", vault)
    assert bare("--json", "list", vault).record["seen"] is not None


NAMES = ["b/2024.tar", "a.txt", "\N{CJK UNIFIED IDEOGRAPH-66F8}" * 30 + ".pdf"]
KEY = VaultKey("photos", "eu-west-1")


@pytest.fixture
def listed(bare: Cli) -> Cli:
    """The program whose catalog has three archives, of three days and sizes, the last one suspect."""

    async def record() -> None:
        catalog_of(bare).parent.mkdir(parents=True)
        async with Catalog.open(catalog_of(bare)) as catalog:
            for day, name in enumerate(NAMES):
                archive = Archive(
                    id=ArchiveId(str(day) * 138),
                    vault="photos",
                    size=1000 ** (day + 1),
                    tree_hash=bytes([1]) * 32,
                    description=name if name.isascii() else '{"path": "' + name + '"}',
                    created=dt.datetime(2026, 11, day + 1, 12, tzinfo=dt.UTC),
                )
                state = ArchiveState.SUSPECT if day == 2 else ArchiveState.STORED
                await catalog.archives.record(KEY, archive, state=state)

    asyncio.run(record())
    return bare


def names(cli: Cli, *options: str) -> list[int]:
    """Return which archives a list has."""
    return [NAMES.index(record["name"]) for record in cli("--json", "list", "photos", *options).records]


def test_a_table_has_one_line_for_each_archive(listed: Cli) -> None:
    """In a pipe nothing is cut, and the totals go to standard error."""
    done = listed("list", "photos")
    assert done.text.splitlines() == [
        "DATE (UTC)            SIZE  STATE     NAME",
        "2026-11-01 12:00    1000 B  stored    b/2024.tar",
        "2026-11-02 12:00   977 KiB  stored    a.txt",
        f"2026-11-03 12:00   954 MiB  suspect   {NAMES[2]}",
    ]
    assert done.err == "3 archives, 955 MiB; no inventory was read\n"


@pytest.mark.parametrize(
    ("columns", "shown"),
    [(80, "2026-11-03 12:00   954 MiB  suspect   {}...{}.pdf"), (40, "2026-11-03   954 MiB  suspe...{}.pdf")],
)
def test_a_table_is_as_wide_as_the_terminal(listed: Cli, columns: int, shown: str) -> None:
    """The name is cut in its middle, and characters of two columns count twice."""
    with on_terminal(listed, "list", "photos", columns=columns) as terminal:
        lines = terminal.end(0).replace("\r", "").splitlines()
    wide = NAMES[2][0]
    counts = (6, 11) if columns == 80 else (3,)
    assert shown.format(*(wide * count for count in counts)) in lines
    assert all(len(line) + line.count(wide) <= columns for line in lines[:-1])


def test_a_list_is_sorted_and_chosen_from(listed: Cli) -> None:
    """Each option alone, and several together."""
    assert names(listed, "--sort", "name") == [1, 0, 2]
    assert names(listed, "--sort", "size", "--reverse", "--limit", "2") == [2, 1]
    assert names(listed, "--match", "*.t*", "--limit", "1") == [0]
    assert names(listed, "--after", "2026-11-02T12:00:00Z", "--before", "2026-11-03T12:00:00Z") == [1]
    assert names(listed, "--larger", "1MB") == [1, 2]
    assert names(listed, "--reverse") == [2, 1, 0]


def test_a_local_glacier_that_has_moved_is_listed(bare: Cli) -> None:
    """A folder that was renamed has the same records, before and after the service was asked."""
    bare("--local", "depot", "vault", "create", "v")
    bare("--local", "depot", "upload", "v", "-", stdin=b"content")
    (bare.folder / "depot").rename(bare.folder / "moved")
    (archive,) = bare("--json", "--local", "moved", "list", "v").records
    bare("--local", "moved", "uploads", "list", "v")
    assert bare("--json", "--local", "moved", "list", "v").records == [archive]
