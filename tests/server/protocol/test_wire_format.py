"""The texts of documents: JSON, dates, hashes, numbers, descriptions and pages."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from aioglacier.server.protocol import wire_format as wire
from aioglacier.server.protocol.refusal import RefusalError


def test_json_is_written_as_the_service_writes_it() -> None:
    """Keys are sorted, nulls are kept, and half a surrogate pair becomes a question mark."""
    assert wire.encode({"b": None, "a": "é\ud800"}) == '{"a":"é?","b":null}'.encode()


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"1", b"{", b"\xff", b'"\\ud800"', b'{"a":"\\ud800"}', b"[" * 9999]
)
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    """The service calls all of them a SerializationException."""
    with pytest.raises(RefusalError, match="400 SerializationException"):
        wire.decode(body)


def test_null_is_as_good_as_absent() -> None:
    """A decoded document has no nulls."""
    assert wire.decode(b'{"a":null,"b":0}') == {"b": 0}


@given(st.integers(0, 253_402_300_799_999))
def test_a_date_comes_back(milliseconds: int) -> None:
    """The text has milliseconds; in inventories it has whole seconds, never a later one."""
    assert wire.parse_instant(wire.instant(milliseconds)) == milliseconds
    assert wire.parse_instant(wire.whole_second(milliseconds)) == milliseconds // 1000 * 1000


@pytest.mark.parametrize("text", ["", "today", "2026-11-30T12:00:00", "2026-02-30T12:00:00Z"])
def test_a_date_without_zone_or_sense_is_an_error(text: str) -> None:
    """Local time means nothing to a service."""
    with pytest.raises(ValueError, match=r".+"):
        wire.parse_instant(text)


@pytest.mark.parametrize("text", ["", "A" * 64, "0" * 63, "0" * 65, "g" * 64])
def test_a_hash_is_64_lower_case_digits(text: str) -> None:
    """Anything else is refused with the name of its header."""
    assert wire.parse_hash("x-amz", "0f" * 32) == b"\x0f" * 32
    with pytest.raises(RefusalError, match="x-amz"):
        wire.parse_hash("x-amz", text)


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.0", "\u0661", "1" * 19, " 1"])
def test_only_plain_digits_are_a_number(text: str) -> None:
    """Signs, points, spaces, other scripts' digits and more than 18 digits are not."""
    assert wire.parse_number("007") == 7
    assert wire.parse_number(text) is None


def test_a_description_loses_its_leading_spaces_only() -> None:
    """Doubled spaces stay, an empty one is none, and what is not printable ASCII or too long is refused."""
    assert wire.check_description("  two  words ") == "two  words "
    assert wire.check_description("   ") is None
    for text in ("é", "a\n", "x" * 1025):
        with pytest.raises(RefusalError, match="Invalid description"):
            wire.check_description(text)


@pytest.mark.parametrize("text", ["0", "11", "-1", "x"])
def test_a_page_has_from_one_to_the_most_entries(text: str) -> None:
    """Without a limit it has the most."""
    assert (wire.parse_limit(None, 10), wire.parse_limit("", 10), wire.parse_limit("10", 10)) == (10, 10, 10)
    with pytest.raises(RefusalError, match="between 1 and 10"):
        wire.parse_limit(text, 10)


@pytest.mark.parametrize("text", ["x", "YXQ6", "YXQ6LTE=", "b246MQ==", "é", "////"])
def test_a_marker_that_the_server_never_gave_is_refused(text: str) -> None:
    """A marker of the server is its position again; none is the start."""
    assert wire.parse_marker(wire.marker_for(1234)) == 1234
    assert wire.parse_marker(None) is None
    with pytest.raises(RefusalError, match="Invalid marker"):
        wire.parse_marker(text)


def test_ids_have_their_length_and_alphabet() -> None:
    """Ids of one length differ, and some begin with a hyphen."""
    ids = {wire.new_id(wire.ARCHIVE_ID_LENGTH) for _ in range(2000)}
    assert len(ids) == 2000
    assert {len(one) for one in ids} == {138}
    assert {one[0] for one in ids} >= {"-", "_"}
    assert all(one.replace("-", "").replace("_", "").isalnum() for one in ids)
