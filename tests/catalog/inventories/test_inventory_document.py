"""Inventories in files are read rightly in every form that programs save them in."""

from __future__ import annotations

import codecs
import gzip
import json
from typing import TYPE_CHECKING

import pytest

from aioglacier.catalog.inventories.inventory_document import InventoryDocument
from aioglacier.cli.render.listing import csv_line, harmless
from aioglacier.core.errors import InventoryError
from tests.catalog.conftest import archive

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aioglacier.core.models import Archive

DESCRIPTIONS = ['say "hi", you', "back\\slash\\", "=1+1", "'=1+1", "'quoted'", "é \udce9", 'a""b', ""]


def archives() -> list[dict[str, object]]:
    """Archives with awkward descriptions, as the service's JSON has them."""
    made = [archive(number) for number in range(len(DESCRIPTIONS))]
    return [
        {
            "ArchiveId": one.id,
            "ArchiveDescription": description,
            "CreationDate": one.created.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "Size": one.size,
            "SHA256TreeHash": one.tree_hash.hex(),
        }
        for one, description in zip(made, DESCRIPTIONS, strict=True)
    ]


def service_json() -> bytes:
    """The service's document."""
    arn = "arn:aws:glacier:eu-west-1:012345678901:vaults/photos"
    return json.dumps(
        {"VaultARN": arn, "InventoryDate": "2026-11-29T12:00:00Z", "ArchiveList": archives()}
    ).encode()


def own_rows() -> list[dict[str, object]]:
    """The same as this program prints them."""
    return [
        {
            "archive_id": one["ArchiveId"],
            "vault": "photos",
            "size": one["Size"],
            "tree_hash": one["SHA256TreeHash"],
            "description": one["ArchiveDescription"],
            "created": one["CreationDate"],
        }
        for one in archives()
    ]


def own_csv() -> bytes:
    """The same as this program exports them for spreadsheets."""
    lines = [csv_line(own_rows()[0])]
    lines += [csv_line([harmless(str(value)) for value in row.values()]) for row in own_rows()]
    return "".join(lines).encode("utf-8", "surrogateescape")


def read(path: Path, content: bytes) -> list[Archive]:
    """Write a document, and read it as its user would."""
    path.write_bytes(content)
    document = InventoryDocument(path)
    found = [one for some in document.read() for one in some]
    assert document.vault == "photos"
    return found


FORMS: dict[str, Callable[[], bytes]] = {
    "service": service_json,
    "byte order mark": lambda: codecs.BOM_UTF8 + service_json(),
    "UTF-16": lambda: service_json().decode().encode("utf-16"),
    "UTF-16 big-endian": lambda: codecs.BOM_UTF16_BE + service_json().decode().encode("utf-16-be"),
    "gzip": lambda: gzip.compress(service_json()),
    "gzip of UTF-16": lambda: gzip.compress(service_json().decode().encode("utf-16")),
    "own JSON lines": lambda: "".join(f"{json.dumps(row)}\n" for row in own_rows()).encode(),
    "own CSV": own_csv,
    "own CSV with a mark": lambda: codecs.BOM_UTF8 + own_csv(),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_says_the_same(tmp_path: Path, form: str) -> None:
    """Ids, sizes, hashes, dates and descriptions are those of the service's own document."""
    expected = read(tmp_path / "service", service_json())
    assert [one.vault for one in expected] == ["photos"] * len(DESCRIPTIONS)
    assert read(tmp_path / "other", FORMS[form]()) == expected


@pytest.mark.parametrize("field", ['"say \\"hi\\", you"', '"say ""hi"", you"'], ids=["service", "RFC 4180"])
def test_both_ways_of_quoting_are_read(tmp_path: Path, field: str) -> None:
    """The service writes a backslash before a quote, spreadsheets write the quote twice."""
    one = archives()[0]
    line = f"{one['ArchiveId']},{field},{one['CreationDate']},5,{one['SHA256TreeHash']}"
    path = tmp_path / "inventory.csv"
    path.write_text(f"ArchiveId,ArchiveDescription,CreationDate,Size,SHA256TreeHash\n{line}\n")
    (found,) = [one for some in InventoryDocument(path).read() for one in some]
    assert found.description == 'say "hi", you'


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(service_json())[:-20],
        "".join(f"{json.dumps({**row, 'vault': vault})}\n" for row in own_rows() for vault in "ab").encode(),
        b'{"archive_id": 5}\n',
        b"archive_id,vault\r\nx,y\r\n",
        service_json().decode().encode("utf-16")[:-1],
    ],
    ids=["cut gzip", "two vaults", "another export", "missing columns", "half a character"],
)
def test_a_document_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    """With an error that names it, and not with half of its archives taken for all."""
    path = tmp_path / "inventory"
    path.write_bytes(content)
    with pytest.raises(InventoryError):
        list(InventoryDocument(path).read())
