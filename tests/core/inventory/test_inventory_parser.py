"""Inventories as a stream: both formats, any split, difficult descriptions, and damaged documents."""

from __future__ import annotations

import json
import tracemalloc
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, strategies as st

from aioglacier.core.errors import InventoryError
from aioglacier.core.inventory.inventory_parser import (
    MAX_ENTRY_SIZE,
    CsvInventoryReader,
    InventoryReader,
    JsonInventoryReader,
    open_inventory_reader,
)
from aioglacier.core.limits import VAULT
from aioglacier.core.models import Archive, InventoryFormat
from tests.characters import CHARACTERS
from tests.core.inventory.samples import (
    ARN,
    HEADER,
    NASTY,
    archives,
    make_archive,
    to_csv,
    to_fields,
    to_json,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


def read(reader: InventoryReader, document: bytes, cuts: Sequence[int] = ()) -> list[Archive]:
    """Feed the document cut at these offsets, and return all archives."""
    found = []
    at = 0
    for cut in sorted(min(cut, len(document)) for cut in cuts):
        found += reader.feed(document[at:cut])
        at = cut
    return found + reader.feed(document[at:]) + reader.close()


def read_json(document: str | bytes, *, vault: str = "demo") -> list[Archive]:
    """Read a whole JSON document fed at once."""
    return read(
        JsonInventoryReader(vault=vault), document.encode() if isinstance(document, str) else document
    )


def read_csv(document: str | bytes) -> list[Archive]:
    """Read a whole CSV document fed at once."""
    return read(
        CsvInventoryReader(vault="demo"), document.encode() if isinstance(document, str) else document
    )


def one(**fields: object) -> str:
    """Return a document of one archive, with these fields changed, or left out where ``None``."""
    entry = {**to_fields(make_archive()), **fields}
    return json.dumps({"ArchiveList": [{key: entry[key] for key in entry if entry[key] is not None}]})


@given(st.lists(archives, max_size=6), st.lists(st.integers(0, 3000), max_size=12))
def test_any_split_of_json_gives_the_same_archives(listed: list[Archive], cuts: list[int]) -> None:
    """Any cut into blocks gives the archives that were written, in order."""
    reader = JsonInventoryReader()
    assert read(reader, to_json(listed), cuts) == listed
    assert (reader.vault_arn, reader.vault) == (ARN, "demo")
    assert reader.inventoried == datetime(2026, 11, 22, 3, 10, 5, tzinfo=UTC)


@given(
    st.lists(archives, max_size=6),
    st.lists(st.integers(0, 3000), max_size=12),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.booleans(),
)
def test_any_split_of_csv_gives_the_same_archives(
    listed: list[Archive],
    cuts: list[int],
    end: str,
    quote_all: bool,  # hypothesis passes by position
    has_last_end: bool,  # also of the last line
) -> None:
    """Any line ends, quoting and cuts give back the descriptions exactly."""
    document = to_csv(listed, end=end, quote_all=quote_all)
    if not has_last_end:
        document = document.removesuffix(end.encode())
    assert read(CsvInventoryReader(vault="demo"), document, cuts) == listed


@pytest.mark.parametrize("write", [to_json, to_csv])
@pytest.mark.parametrize("description", NASTY)
def test_nasty_descriptions_survive_blocks_of_one_byte(
    write: Callable[[Iterable[Archive]], bytes], description: str
) -> None:
    """Quotes, commas, braces and backslashes at the end are part of the description."""
    listed = [make_archive(1, description), make_archive(2, "between"), make_archive(3, description)]
    document = write(listed)
    reader = open_inventory_reader(
        InventoryFormat.JSON if write is to_json else InventoryFormat.CSV, vault="demo"
    )
    assert read(reader, document, range(len(document))) == listed


@pytest.mark.slow
@given(st.lists(archives, max_size=3), st.data())
def test_any_layout_of_json_is_read(listed: list[Archive], data: st.DataObject) -> None:
    """Key order, white space and unknown keys, nested ones too, change nothing."""
    values = st.recursive(st.none() | st.text(CHARACTERS, max_size=9), st.lists, max_leaves=5)
    unknown = data.draw(st.dictionaries(st.text(CHARACTERS, max_size=3), values, max_size=4))

    def shuffled(fields: dict[str, Any]) -> dict[str, Any]:
        return dict(data.draw(st.permutations(list({**unknown, **fields}.items()))))

    document = shuffled(
        {
            "VaultARN": ARN,
            "InventoryDate": None,
            "ArchiveList": [shuffled(to_fields(archive)) for archive in listed],
        }
    )
    indent = data.draw(st.sampled_from([None, 0, 2, "\t"]))
    text = " \n" + json.dumps(document, indent=indent, ensure_ascii=data.draw(st.booleans())) + "\r\n "
    cuts = data.draw(st.lists(st.integers(0, 2000), max_size=5))
    reader = JsonInventoryReader(vault="demo")
    assert read(reader, text.encode(errors="surrogatepass"), cuts) == listed
    assert reader.inventoried is None


def test_nulls_are_absent_values() -> None:
    """A description of null is empty; a date and an ARN of null are as good as not there."""
    reader = JsonInventoryReader(vault="given")
    assert read(reader, b'{"VaultARN":null,"InventoryDate":null,"ArchiveList":[]}') == []
    assert (reader.vault, reader.vault_arn, reader.inventoried) == ("given", None, None)
    document = one().replace('"ArchiveDescription": ""', '"ArchiveDescription": null')
    assert read_json(document) == [make_archive()]
    assert read_json(one(ArchiveDescription=None)) == [make_archive()]


def test_the_given_vault_counts_until_the_document_names_its_own() -> None:
    """Archives before VaultARN get the name given, those after it the document's."""
    entry = json.dumps(to_fields(make_archive()))
    document = f'{{"ArchiveList":[{entry}],"VaultARN":"{ARN}","ArchiveList":[{entry}]}}'
    assert [archive.vault for archive in read_json(document, vault="given")] == ["given", "demo"]
    assert [archive.vault for archive in read_json(document, vault="")] == ["", "demo"]


def test_archives_come_out_as_soon_as_they_are_complete() -> None:
    """A reader holds nothing back but the entry that is still open."""
    document = to_json([make_archive(1), make_archive(2)])
    cut = document.index(b'{"ArchiveId":"-id2"')
    reader = JsonInventoryReader()
    assert reader.feed(document[:cut]) == [make_archive(1)]
    assert reader.feed(document[cut:]) == [make_archive(2)]
    assert reader.close() == reader.close() == []


def test_blocks_may_be_any_buffer() -> None:
    """The network's memoryviews need no copy first."""
    assert JsonInventoryReader().feed(memoryview(bytearray(to_json([make_archive()])))) == [make_archive()]


def test_other_characters_are_kept_and_wrong_bytes_replaced() -> None:
    """UTF-8 cut anywhere is put together; what is none, or half a pair, becomes U+FFFD and stays storable."""
    document = one(ArchiveDescription="X").encode()
    for raw, expected in [
        ("é\N{GRINNING FACE}".encode(), "é\N{GRINNING FACE}"),
        (b"\\u00e9\\ud83d\\ude00", "é\N{GRINNING FACE}"),
        (b"a\xffb", "a\ufffdb"),
        (b"a\\ud83db", "a\ufffdb"),
    ]:
        changed = document.replace(b'"X"', b'"' + raw + b'"')
        found = read(JsonInventoryReader(), changed, range(len(changed)))
        assert [archive.description for archive in found] == [expected]
        assert found[0].description.encode()


def test_dates_are_read_in_both_forms() -> None:
    """Seconds and milliseconds are dates, and so is an offset, turned into UTC."""
    for text, date in [
        ("2017-08-22T17:24:07Z", datetime(2017, 8, 22, 17, 24, 7, tzinfo=UTC)),
        ("2012-05-15T17:21:39.339Z", datetime(2012, 5, 15, 17, 21, 39, 339000, tzinfo=UTC)),
        ("2012-05-15T17:21:39+01:00", datetime(2012, 5, 15, 16, 21, 39, tzinfo=UTC)),
    ]:
        assert [archive.created for archive in read_json(one(CreationDate=text))] == [date]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"ArchiveId": None}, "ArchiveId None"),
        ({"ArchiveId": ""}, "ArchiveId ''"),
        ({"ArchiveId": "../x"}, "ArchiveId '../x'"),
        ({"ArchiveId": 5}, "ArchiveId 5"),
        ({"ArchiveId": "x" * 256}, r"ArchiveId 'x+\.\.\. is none"),
        ({"ArchiveDescription": 5}, "ArchiveDescription 5"),
        ({"Size": None}, "Size None"),
        ({"Size": "5"}, "Size '5'"),
        ({"Size": -1}, "Size -1"),
        ({"Size": 1.5}, "Size 1.5"),
        ({"Size": True}, "Size True"),
        ({"Size": VAULT.max_archive_size + 1}, "Size 42949672960001"),
        ({"SHA256TreeHash": None}, "SHA256TreeHash None"),
        ({"SHA256TreeHash": "ab"}, "SHA256TreeHash 'ab'"),
        ({"SHA256TreeHash": "z" * 64}, "64 hex digits"),
        ({"SHA256TreeHash": "ab " * 21 + "a"}, "64 hex digits"),
        ({"CreationDate": None}, "CreationDate None"),
        ({"CreationDate": "yesterday"}, "CreationDate 'yesterday'"),
        ({"CreationDate": "2017-08-22T17:24:07"}, "no date"),
    ],
)
def test_fields_that_no_archive_has_are_refused(fields: dict[str, object], reason: str) -> None:
    """The error names field and value, and where the archive begins."""
    document = one(**fields)
    with pytest.raises(InventoryError, match=reason) as caught:
        read_json(document)
    assert caught.value.offset == document.index("[") + 1


@pytest.mark.parametrize(
    ("document", "offset"),
    [
        ("", 0),
        ("  ", 2),
        ("[]", 0),
        ("null", 0),
        ("<html>", 0),
        ("{", 1),
        ('{"a"', 1),
        ('{"a":', 1),
        ('{"a":1', 1),
        ('{"a" 1}', 5),
        ('{"a":1,}', 7),
        ('{"a":1 "b":2}', 7),
        ("{,}", 1),
        ('{"a":tru}', 1),
        ('{"VaultARN":5}', 12),
        ('{"VaultARN":"demo"}', 12),
        ('{"VaultARN":"arn:aws:glacier:us-east-1:0:vaults/../x"}', 12),
        ('{"InventoryDate":"soon"}', 17),
        ('{"ArchiveList":{}}', 15),
        ('{"ArchiveList":null}', 15),
        ('{"ArchiveList":[', 16),
        ('{"ArchiveList":[]', 17),
        ('{"ArchiveList":[1]}', 16),
        ('{"ArchiveList":[null]}', 16),
        ('{"ArchiveList":[,]}', 16),
        ('{"ArchiveList":[{]}', 16),
        ('{"ArchiveList":[{"ArchiveId":"x', 16),
        ('{"é":1}x', 8),
        ("{}{}", 2),
        ('{"a":' + "9" * 5000 + "}", 1),
        ('{"a":' + "[" * 100_000, 1),
    ],
)
def test_what_is_no_inventory_raises_where_it_goes_wrong(document: str, offset: int) -> None:
    """Fed at once or byte by byte, the error names the same byte."""
    data = document.encode()
    cuts = range(len(data)) if len(data) < 1000 else range(0, len(data), 997)
    for chosen in ((), cuts):
        with pytest.raises(
            InventoryError, match=f"at byte {offset}: .*; download the job's output again"
        ) as caught:
            read(JsonInventoryReader(), data, chosen)
        assert caught.value.offset == offset


def test_a_comma_before_the_end_of_the_list_is_refused() -> None:
    """Lenient about layout does not mean lenient about JSON."""
    document = one().replace("}]}", "},]}")
    with pytest.raises(InventoryError, match=r"']' cannot stand here \(archive\)"):
        read_json(document)


@given(st.lists(archives, min_size=1, max_size=3), st.data())
def test_every_cut_of_json_is_found(listed: list[Archive], data: st.DataObject) -> None:
    """A document cut short anywhere raises at its end at the latest, and never loses one silently."""
    document = to_json(listed)
    short = document[: data.draw(st.integers(0, len(document) - 1))]
    reader = JsonInventoryReader()
    found = reader.feed(short)
    assert found == listed[: len(found)]
    with pytest.raises(InventoryError) as caught:
        reader.close()
    assert caught.value.offset <= len(short)


@given(st.lists(archives, min_size=1, max_size=3), st.data())
def test_a_csv_cut_inside_a_line_is_found(listed: list[Archive], data: st.DataObject) -> None:
    """A cut line is not an archive; only a cut behind a whole line is not noticed."""
    document = to_csv(listed)
    short = document[: data.draw(st.integers(0, len(document) - 1))]
    whole_lines = {at + step for at in range(len(document)) if document[at] == ord("\n") for step in (0, 1)}
    try:
        found = read_csv(short)
    except InventoryError as error:
        assert error.offset <= len(short)  # noqa: PT017  # either outcome is right, by where the cut is
    else:
        assert len(short) in whole_lines
        assert found == listed[: len(found)]


@pytest.mark.parametrize(
    ("document", "offset", "reason"),
    [
        ("", 0, "cut short"),
        ("\n\n", 2, "cut short"),
        ("ArchiveId,Size\n", 0, "first line"),
        ("a,b,2017-08-22T17:24:07Z,5," + "0" * 64, 0, "first line"),
        (HEADER + "\nx\n", 62, "fewer than 5 fields"),
        (HEADER + "\nx,,,\n", 62, "fewer than 5 fields"),
        (HEADER + "\nx,é,2017-08-22T17:24:07Z,5,\n", 62, "SHA256TreeHash"),
        (HEADER + "\nx,,2017-08-22T17:24:07Z,-5," + "0" * 64, 62, "Size '-5'"),
        (HEADER + "\nx,,2017-08-22T17:24:07Z,\u0665," + "0" * 64, 62, r"Size '\\u0665'"),
        (HEADER + "\nx,,2017-08-22T17:24:07Z," + "9" * 5000 + "," + "0" * 64, 62, "Size '9+"),
        (HEADER + "\n<html>,,,,", 62, "ArchiveId '<html>'"),
    ],
)
def test_what_is_no_csv_inventory_raises_at_its_line(document: str, offset: int, reason: str) -> None:
    """The error names the byte its line begins at."""
    for cuts in ((), range(len(document))):
        with pytest.raises(InventoryError, match=reason) as caught:
            read(CsvInventoryReader(), document.encode(), cuts)
        assert caught.value.offset == offset


def test_csv_header_may_be_quoted_and_lines_empty() -> None:
    """Quotes around the columns and blank lines change nothing."""
    quoted = '"' + HEADER.replace(",", '","') + '"'
    line = to_csv([make_archive()]).decode().splitlines()[1]
    assert read_csv(f"{quoted}\r\n\r\n{line}\r\n\n") == [make_archive()]
    assert read_csv(HEADER) == []


@pytest.mark.parametrize(
    ("make", "head"),
    [
        (JsonInventoryReader, b'{"a":"'),
        (JsonInventoryReader, b'{"ArchiveList":[{"a":"'),
        (CsvInventoryReader, b""),
        (CsvInventoryReader, HEADER.encode() + b"\nx,"),
    ],
)
@pytest.mark.parametrize("tail", [b"", b'"', b'"}', b'"}]}', b'",', b"\n"])
def test_an_entry_longer_than_any_is_refused_however_it_is_split(
    make: type[InventoryReader], head: bytes, tail: bytes
) -> None:
    """A document cannot make the reader hold more than it allows, nor be read or not by how it is cut."""
    document = head + b"x" * (MAX_ENTRY_SIZE + 1) + tail
    for cuts in ((), range(0, len(document), 65536)):
        with pytest.raises(InventoryError):
            read(make(), document, cuts)
    reader = make()
    held = head + b"x" * (MAX_ENTRY_SIZE - 1000)
    assert reader.feed(held) == []
    with pytest.raises(InventoryError):
        reader.feed(b"x" * len(held))


def test_feeding_a_closed_reader_is_refused() -> None:
    """More bytes after the end are refused."""
    reader = JsonInventoryReader()
    assert read(reader, to_json([])) == []
    with pytest.raises(InventoryError, match="closed"):
        reader.feed(b"x")


@pytest.mark.slow
@pytest.mark.parametrize("make", [JsonInventoryReader, CsvInventoryReader])
def test_memory_does_not_grow_with_the_document(make: type[InventoryReader]) -> None:
    """Ten times the document needs no more memory than one block and its archives."""
    write = to_json if make is JsonInventoryReader else to_csv
    listed = write(make_archive(number, "x" * 100) for number in range(300))
    head, entry = (
        (listed, b"") if make is CsvInventoryReader else (listed[:-2], b"," + listed[:-2].partition(b"[")[2])
    )
    reader = make()
    reader.feed(head)
    body = entry or listed.partition(b"\n")[2]
    tracemalloc.start()
    try:
        for _ in range(5):
            assert len(reader.feed(body)) == 300
        first = tracemalloc.get_traced_memory()[1]
        for _ in range(50):
            assert len(reader.feed(body)) == 300
        assert tracemalloc.get_traced_memory()[1] < first + 65536
    finally:
        tracemalloc.stop()


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=4))
@example(b'{"ArchiveList":[{"Size":1e999}]}', [])
@example(b'{"ArchiveList":[{"Size":NaN}]}', [3])
@example(b"\xef\xbb\xbf{}", [1])
def test_no_bytes_make_a_reader_raise_anything_else(document: bytes, cuts: list[int]) -> None:
    """Any bytes give archives or an InventoryError."""
    for format_ in InventoryFormat:
        try:
            read(open_inventory_reader(format_), document, cuts)
        except InventoryError as error:
            assert 0 <= error.offset <= len(document)  # noqa: PT017  # raising is allowed, not required


@pytest.mark.parametrize("document", [b"{}", b'{"code":"InternalServerError","message":"x"}'])
def test_a_document_without_a_list_is_no_empty_inventory(document: bytes) -> None:
    """Only a list that is there, be it empty, says that there are no archives."""
    with pytest.raises(InventoryError, match="without an ArchiveList"):
        read(JsonInventoryReader(vault="demo"), document)


@given(st.lists(archives, min_size=1, max_size=2), st.data())
def test_no_damage_makes_a_reader_raise_anything_else(listed: list[Archive], data: st.DataObject) -> None:
    """A true inventory with a stretch of bytes replaced is read, or refused with an InventoryError."""
    for make, write in ((JsonInventoryReader, to_json), (CsvInventoryReader, to_csv)):
        document = write(listed)
        start = data.draw(st.integers(0, len(document)))
        stop = data.draw(st.integers(start, min(len(document), start + 20)))
        damaged = document[:start] + data.draw(st.binary(max_size=8)) + document[stop:]
        outcomes = []
        for cuts in ((), data.draw(st.lists(st.integers(0, 1000), max_size=4))):
            try:
                outcomes.append(str(read(make(vault="demo"), damaged, cuts)))
            except InventoryError as error:
                outcomes.append(str(error))
        assert outcomes[0] == outcomes[1]
