"""Texts written for people, and read from them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from aioglacier.cli.render.escaping import escape, redact
from aioglacier.cli.render.printed_records import archive_record, archive_text
from aioglacier.cli.render.progress import Speed
from aioglacier.cli.render.sizes import (
    parse_size,
    show_count,
    show_exact_size,
    show_rate,
    show_seconds,
    show_size,
)
from aioglacier.core.checks import check_description
from aioglacier.core.inventory.descriptions import decode, describe_name
from aioglacier.core.models import Archive, ArchiveId


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1048576", 1 << 20),
        ("64MiB", 64 << 20),
        ("4 gib", 4 << 30),
        ("16MB", 16_000_000),
        ("-1", -1),
    ],
)
def test_sizes_are_read_with_and_without_units(text: str, size: int) -> None:
    """Binary units, decimal units and plain bytes, in any case."""
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "MiB", "1.5GiB", "16M", "1 MiB 2", "0x10", "\N{ARABIC-INDIC DIGIT ONE}"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    """A size that could mean two things is none."""
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1023 bytes"),
        (1024, "1 KiB"),
        (1536, "1.50 KiB"),
        (50_000_000, "47.7 MiB"),
        (999 << 20, "999 MiB"),
        (1023 << 20, "1.00 GiB"),
        (40 << 40, "40 TiB"),
        (5000 << 40, "5000 TiB"),
    ],
)
def test_sizes_are_shown_in_their_unit(size: int, text: str) -> None:
    """Three digits at most, and none that say nothing."""
    assert show_size(size) == text


def test_other_quantities_are_shown_for_people() -> None:
    """Rates, times, counts and exact sizes."""
    assert show_exact_size(50_000_000) == "47.7 MiB (50,000,000 bytes)"
    assert show_rate(123_456_789, 1) == "123 MB/s"
    assert show_rate(1_500_000, 1) == "1.5 MB/s"
    assert [show_seconds(each) for each in (0.123, 12.34, 187, 14_700)] == [
        "0.12 s",
        "12.3 s",
        "3:07 min",
        "4:05 h",
    ]
    assert [show_count(each, "archive") for each in (0, 1, 1024)] == [
        "0 archives",
        "1 archive",
        "1,024 archives",
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("film.mkv", "film.mkv"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("two\nlines", r"two\nlines"),
        ("\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe", r"\u202egpj.exe"),
        ("caf\N{LATIN SMALL LETTER E WITH ACUTE}", "caf\N{LATIN SMALL LETTER E WITH ACUTE}"),
        ("bad\udcff", r"bad\udcff"),
        ("\x9b2J", r"\x9b2J"),
    ],
)
def test_what_commands_a_terminal_is_escaped(text: str, shown: str) -> None:
    """A name from a stranger is shown, never obeyed."""
    assert escape(text) == shown


@pytest.mark.parametrize(
    "secret",
    [
        "AWS4-HMAC-SHA256 SignedHeaders=host, Signature=deadbeefdeadbeefdeadbeef",
        "Signature:\ndeadbeefdeadbeefdeadbeef",
        "x-amz-security-token:deadbeefdeadbeefdeadbeef/+==",
        "{'X-Amz-Security-Token': b'deadbeefdeadbeefdeadbeef'}",
        "aws_secret_access_key = deadbeefdeadbeefdeadbeef",
        "http://user:deadbeefdeadbeefdeadbeef@proxy:3128",
        "the environment's own deadbeefdeadbeefdeadbeef",
    ],
)
def test_secrets_are_hidden(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signatures, tokens, keys and passwords do not reach a log."""
    if "environment" in secret:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "deadbeefdeadbeefdeadbeef")
    hidden = redact(secret)
    assert "deadbeef" not in hidden
    assert "[hidden]" in hidden


def test_the_password_of_a_hint_is_not_hidden() -> None:
    """A message that shows the form of a URL can be read."""
    hint = "give postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
    assert redact(hint) == hint


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


def test_the_rate_leaves_out_what_was_there_before() -> None:
    """Gigabytes that a resume finds at the service do not count as fast ones."""
    speed = Speed(is_resume=True)
    speed.look(0.0, 0, 0)
    assert speed.look(1.0, 10_000_000_000, 10_000_000_000) == 0
    assert speed.look(2.0, 10_005_000_000, 10_000_000_000) == 5_000_000
    assert speed.found == 10_000_000_000


def test_the_rate_is_that_of_the_last_seconds() -> None:
    """A fast beginning is forgotten once it is long past."""
    speed = Speed(is_resume=False)
    rates = [speed.look(float(second), min(second, 50) * 1_000_000, 0) for second in range(100)]
    assert (rates[50], rates[99]) == (1_000_000, 0)


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
