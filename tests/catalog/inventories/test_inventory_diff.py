"""Two inventories compared."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from aioglacier.catalog.inventories.inventory_diff import Change, compare
from aioglacier.catalog.inventories.inventory_document import InventoryDocument
from aioglacier.core.errors import InventoryError
from tests.catalog.conftest import NOON, ROOT, archive

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from aioglacier.core.models import Archive

ARN = "arn:aws:glacier:eu-west-1:111122223333:vaults/photos"


def as_json(archives: Iterable[Archive]) -> str:
    """An inventory as the service writes it."""
    listed = [
        {
            "ArchiveId": one.id,
            "ArchiveDescription": one.description,
            "CreationDate": one.created.isoformat().replace("+00:00", "Z"),
            "Size": one.size,
            "SHA256TreeHash": one.tree_hash.hex(),
        }
        for one in archives
    ]
    return json.dumps({"VaultARN": ARN, "InventoryDate": "2026-11-22T12:00:00Z", "ArchiveList": listed})


def as_csv(archives: Iterable[Archive]) -> str:
    """The same, of plain descriptions."""
    lines = ["ArchiveId,ArchiveDescription,CreationDate,Size,SHA256TreeHash"]
    lines += [
        f'{one.id},"{one.description}",{one.created.isoformat().replace("+00:00", "Z")},{one.size},'
        f"{one.tree_hash.hex()}"
        for one in archives
    ]
    return "\n".join(lines) + "\n"


def differences(tmp_path: Path, older: str, newer: str) -> list[tuple[str, str]]:
    """Return the differences, by id."""
    paths = tmp_path / "older", tmp_path / "newer"
    for path, content in zip(paths, (older, newer), strict=True):
        path.write_text(content)
    found = compare(*map(InventoryDocument, paths))
    return [(one.change.value, one.archive.id) for some in found for one in some]


def changed(one: Archive, **values: Any) -> Archive:
    """The archive with other values."""
    fields = {
        name: getattr(one, name) for name in ("id", "vault", "size", "tree_hash", "description", "created")
    }
    return type(one)(**{**fields, **values})


@pytest.mark.parametrize("form", [as_json, as_csv])
def test_what_was_added_removed_and_changed(tmp_path: Path, form: Any) -> None:
    """In any order and either format; each value of an archive counts."""
    archives = [archive(number) for number in range(8)]
    newer = [
        archive(100),
        changed(archives[7], description="other"),
        changed(archives[6], created=NOON + timedelta(days=9)),
        changed(archives[5], tree_hash=bytes(32)),
        changed(archives[4], size=99),
        *reversed(archives[1:4]),
    ]
    assert differences(tmp_path, form(archives), form(newer)) == [
        (Change.ADDED, archive(100).id),
        *((Change.CHANGED, archives[number].id) for number in (7, 6, 5, 4)),
        (Change.REMOVED, archives[0].id),
    ]


def test_one_in_json_and_one_in_csv(tmp_path: Path) -> None:
    """The same archives are the same."""
    archives = [archive(number) for number in range(50)]
    assert differences(tmp_path, as_json(archives), as_csv(archives)) == []
    assert differences(tmp_path, as_csv(archives), as_json(archives[:-1])) == [("removed", archives[-1].id)]


def test_a_removed_archive_is_told_whole(tmp_path: Path) -> None:
    """With its vault, size, date and description, as the older list has it."""
    one = changed(archive(1), description="caf\u00e9")
    paths = tmp_path / "older", tmp_path / "newer"
    paths[0].write_text(as_json([one, archive(2)]))
    paths[1].write_text(as_json([archive(2)]))
    ((found,),) = compare(*map(InventoryDocument, paths))
    assert found.change is Change.REMOVED
    assert found.archive == one


def test_an_archive_listed_twice_counts_once(tmp_path: Path) -> None:
    """In the older, in the newer, and where it is new."""
    one, two, new = archive(1), archive(2), archive(3)
    older, newer = as_json([one, two, one]), as_json([new, two, new, two])
    assert differences(tmp_path, older, newer) == [("added", new.id), ("removed", one.id)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(older=st.lists(st.integers(0, 30)), newer=st.lists(st.integers(0, 30)))
def test_any_two_inventories(tmp_path: Path, older: list[int], newer: list[int]) -> None:
    """The differences are those of two sets."""
    found = differences(tmp_path, as_json(map(archive, older)), as_json(map(archive, newer)))
    expected = {("added", archive(one).id) for one in set(newer) - set(older)}
    expected |= {("removed", archive(one).id) for one in set(older) - set(newer)}
    assert set(found) == expected
    assert len(found) == len(expected)


def test_a_document_says_whose_it_is(tmp_path: Path) -> None:
    """Once it has been read; CSV never does."""
    (tmp_path / "one").write_text(as_json([archive(1)]))
    (tmp_path / "two").write_text(as_csv([archive(1)]))
    one, two = InventoryDocument(tmp_path / "one"), InventoryDocument(tmp_path / "two")
    for document in (one, two):
        assert [found.id for some in document.read() for found in some] == [archive(1).id]
    assert (one.vault, one.region, one.inventoried) == ("photos", "eu-west-1", NOON)
    assert (two.vault, two.region, two.inventoried) == ("", None, None)


def test_what_is_no_inventory_is_named(tmp_path: Path) -> None:
    """And nothing is left in the place for temporary files."""
    with pytest.raises(InventoryError) as raised:
        differences(tmp_path, as_json([archive(1)]), as_json([archive(1)])[:-20])
    assert raised.value.__notes__ == [f"in {str(tmp_path / 'newer')!r}"]


@pytest.mark.slow
def test_memory_stays_the_same_for_a_large_inventory(tmp_path: Path) -> None:
    """CC-04: 20,000 archives more take less than 32 MiB more, of which 16 are the table's cache."""
    program = """
import sys
from pathlib import Path
from aioglacier.catalog.inventories.inventory_diff import *
from aioglacier.catalog.inventories.inventory_document import InventoryDocument
older, newer = (InventoryDocument(Path(one)) for one in sys.argv[1:])
print(sum(len(some) for some in compare(older, newer)))
print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""
    peaks = []
    for count in (1000, 20_000):
        paths = tmp_path / f"older{count}", tmp_path / f"newer{count}"
        archives = [archive(number) for number in range(count + 1)]
        paths[0].write_text(as_json(archives[:-1]))
        paths[1].write_text(as_json(archives[1:]))
        done = subprocess.run(
            [sys.executable, "-c", program, *paths], cwd=ROOT, capture_output=True, text=True, check=True
        )
        differing, peak = map(int, done.stdout.split())
        assert differing == 2
        peaks.append(peak)
    assert peaks[1] - peaks[0] < 32 * 1024, peaks
