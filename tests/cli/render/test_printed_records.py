"""Archives as records and as text."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from aioglacier.cli.render.printed_records import archive_record, archive_text
from aioglacier.core.checks import check_description
from aioglacier.core.inventory.descriptions import decode, describe_name
from aioglacier.core.models import Archive, ArchiveId


@pytest.mark.parametrize(
    "name",
    [
        "film.mkv",
        " leading and trailing ",
        "-rf",
        "100%s.txt",
        "caf\N{LATIN SMALL LETTER E WITH ACUTE}.txt",
        "\N{PILE OF POO}" * 63,
        "tab\tand\nline",
        '{"path": "another"}',
        "<m>v2 eyJhIjoxfQ==</m>",
        "<m><v>4</v><p>YQ==</p></m>",
    ],
)
def test_a_name_comes_back_from_its_description(name: str) -> None:
    """The description of a file is valid for the service, and decodes to the file's name exactly."""
    description = describe_name(name)
    assert check_description(description) == description
    assert decode(description).name == name


def test_a_name_that_is_no_text_comes_back_from_its_description() -> None:
    """Bytes that are not UTF-8 survive as JSON writes them."""
    name = b"caf\xe9.txt".decode(errors="surrogateescape")
    assert json.loads(describe_name(name))["path"].encode(errors="surrogateescape") == b"caf\xe9.txt"


@pytest.mark.parametrize(
    ("description", "name", "modified"),
    [
        (
            "mt2 eyJmaWxlbmFtZSI6ImZvdG9zL2EuanBnIiwibXRpbWUiOiIyMDEzMDEwMVQwMDAwMDBaIn0",
            "fotos/a.jpg",
            "2013-01-01T00:00:00.000Z",
        ),
        ("november, raw", "november, raw", None),
        ("", "", None),
    ],
)
def test_an_archive_is_called_what_its_description_says(
    description: str, name: str, modified: str | None
) -> None:
    """Programs and people get the name that another tool left, and the description as it is."""
    created = datetime(2026, 11, 24, tzinfo=UTC)
    record = archive_record(Archive(ArchiveId("a"), "photos", 1, bytes(32), description, created))
    assert (record["name"], record["modified"], record["description"]) == (name, modified, description)
    assert archive_text(record).splitlines()[0] == (name or "(no description)")
