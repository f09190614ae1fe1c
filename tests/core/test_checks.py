"""Checks of names, ids, descriptions and retrieval ranges: accepted values and refusals."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given, strategies as st

from aioglacier.core.checks import (
    check_choice,
    check_description,
    check_id,
    check_retrieval_range,
    check_vault_name,
)
from aioglacier.core.errors import (
    DescriptionError,
    InvalidIdError,
    InvalidPlanError,
    InvalidRangeError,
    VaultNameError,
)
from aioglacier.core.limits import MIB
from aioglacier.core.models import Tier
from aioglacier.core.ranges import ByteRange, is_megabyte_aligned

ID_ALPHABET = string.ascii_letters + string.digits + "_-"


@given(st.text(ID_ALPHABET + ".", min_size=1, max_size=255).filter(lambda name: name not in {".", ".."}))
def test_vault_names_of_the_alphabet_pass(name: str) -> None:
    """Letters, digits, "_", "-" and "." up to 255 are a vault's name, dots anywhere."""
    assert check_vault_name(name) == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a b", "ä", "a\n", "\na", "a\0", "x" * 256, "\u0661", "a?b"]
)
def test_other_vault_names_are_refused(name: str) -> None:
    """Names that the service refuses, and the two that vanish from every path, are refused here."""
    with pytest.raises(VaultNameError) as caught:
        check_vault_name(name)
    assert caught.value.name == name
    assert repr(name) in str(caught.value)


@given(st.text(ID_ALPHABET, min_size=1, max_size=255))
def test_ids_of_the_alphabet_pass(value: str) -> None:
    """An id is not parsed; it may have any length and begin with a hyphen."""
    assert check_id("archive", value) == value
    assert check_id("job", f"-{value[1:]}") == f"-{value[1:]}"


@pytest.mark.parametrize(
    "value", ["", "a.b", "a/b", "..", "a b", "a\n", "é", "x" * 256, "a%2Fb", "a?b", "a#b"]
)
def test_other_ids_are_refused(value: str) -> None:
    """Nothing that could change the path of a URL passes as an id."""
    with pytest.raises(InvalidIdError, match="is not a valid job id") as caught:
        check_id("job", value)
    assert (caught.value.kind, caught.value.value) == ("job", value)


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=1024))
def test_printable_descriptions_pass_unchanged(description: str) -> None:
    """Every text of 0x20 to 0x7E up to 1,024 is a description, spaces and quotes included."""
    assert check_description(description) == description


@pytest.mark.parametrize("description", [None, ""])
def test_an_empty_description_is_none(description: str | None) -> None:
    """No text and no description are the same."""
    assert check_description(description) is None


@pytest.mark.parametrize(
    ("description", "position"),
    [("é", 1), ("ab\n", 3), ("a\tb", 2), ("\x7f", 1), ("abc\0", 4), ("\ud800", 1)],
)
def test_a_description_with_another_character_is_refused(description: str, position: int) -> None:
    """The error says which character, where, and what to do."""
    with pytest.raises(DescriptionError, match=rf"character {position} is .*encode it") as caught:
        check_description(description)
    assert caught.value.description == description


def test_a_description_of_1025_characters_is_refused() -> None:
    """The 1,025th character is one too many."""
    assert check_description("x" * 1024)
    with pytest.raises(DescriptionError, match="at most 1024 characters, not 1025"):
        check_description("x" * 1025)


@given(st.integers(0, 9), st.integers(1, 9), st.integers(1, 10 * MIB))
def test_megabyte_aligned_ranges_pass(first: int, leaves: int, size: int) -> None:
    """A range of whole leaves passes, given as a pair too, and with the size it must lie inside."""
    range_ = ByteRange(first * MIB, (first + leaves) * MIB)
    assert check_retrieval_range(range_) == check_retrieval_range((range_.start, range_.stop)) == range_
    clipped_stop = min(range_.stop, size)
    if range_.start < clipped_stop:
        clipped = ByteRange(range_.start, clipped_stop)
        assert check_retrieval_range(clipped, size) == clipped


def test_no_range_is_the_whole_archive() -> None:
    """``None`` stays ``None``."""
    assert check_retrieval_range(None) is None
    assert check_retrieval_range(None, 5) is None


def test_without_the_size_only_the_start_is_checked() -> None:
    """Without the size, an unaligned end may be that of the archive."""
    assert check_retrieval_range((MIB, MIB + 5)) == ByteRange(MIB, MIB + 5)
    with pytest.raises(InvalidRangeError, match="retrieve 0-2097151 instead"):
        check_retrieval_range((5, MIB + 5))


@given(st.integers(0, 5 * MIB), st.integers(1, 5 * MIB), st.integers(1, 5 * MIB))
def test_the_range_an_error_suggests_passes(start: int, size: int, archive_size: int) -> None:
    """The range that the refusal suggests is accepted, and covers the one that was given."""
    range_ = ByteRange(start, start + size)
    if is_megabyte_aligned(range_, archive_size):
        assert check_retrieval_range(range_, archive_size) == range_
        return
    with pytest.raises(InvalidRangeError) as caught:
        check_retrieval_range(range_, archive_size)
    assert caught.value.byte_range == range_
    if start >= archive_size:
        assert f"the archive ends at {archive_size}" in str(caught.value)
        return
    suggested = ByteRange.parse(str(caught.value).rpartition("retrieve ")[2].removesuffix(" instead"))
    assert check_retrieval_range(suggested, archive_size) == suggested
    assert suggested.start <= start
    assert suggested.stop >= min(range_.stop, archive_size)


@pytest.mark.parametrize("pair", [(5, 5), (MIB, 0), (-1, 5)])
def test_what_is_no_range_is_refused(pair: tuple[int, int]) -> None:
    """Empty, backward and negative pairs raise our error, with Python's as its cause."""
    with pytest.raises(InvalidRangeError, match="is not a byte range") as caught:
        check_retrieval_range(pair)
    assert caught.value.byte_range is None
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_word_outside_a_closed_set_is_refused_with_the_set() -> None:
    """The message names the thing, the word seen, and the words allowed."""
    assert check_choice("tier", Tier, "Bulk") is Tier.BULK
    with pytest.raises(InvalidPlanError, match=r"'Fast' is not a tier: .*'Expedited', 'Standard', 'Bulk'"):
        check_choice("tier", Tier, "Fast")


@pytest.mark.parametrize("value", [5, b"photos", None])
def test_names_and_ids_that_are_no_text_are_refused_as_such(value: Any) -> None:
    """A value that is not a str is refused by the same error as a wrong str."""
    with pytest.raises(VaultNameError):
        check_vault_name(value)
    with pytest.raises(InvalidIdError):
        check_id("job", value)


def test_a_description_that_is_no_text_is_refused() -> None:
    """Bytes are refused, not decoded by guess."""
    text: Any = b"november"
    with pytest.raises(DescriptionError, match="is a str"):
        check_description(text)


@pytest.mark.parametrize("description", ["x" * 1025, 5])
def test_a_refused_description_is_an_attribute(description: object) -> None:
    """A program finds the refused text in the error."""
    with pytest.raises(DescriptionError) as caught:
        check_description(description)  # type: ignore[arg-type]  # the mistake that is tested
    assert caught.value.description == (description if isinstance(description, str) else repr(description))
