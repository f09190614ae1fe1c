"""Byte ranges, their two forms, and the ranges that are nodes of the tree."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, strategies as st

from aioglacier.core.limits import MIB
from aioglacier.core.ranges import (
    ByteRange,
    count_leaves,
    is_megabyte_aligned,
    is_tree_hash_aligned,
    split,
    tree_nodes,
)
from aioglacier.core.treehash import tree_hash
from tests.characters import TEXTS

ranges = st.builds(lambda start, size: ByteRange(start, start + size), st.integers(0), st.integers(1))


def nodes(first: int, last: int) -> set[tuple[int, int]]:
    """Yield every node of the tree over the leaves [first, last), by recursive split."""
    found = {(first, last)}
    if last - first > 1:
        half = 1
        while 2 * half < last - first:
            half *= 2
        found |= nodes(first, first + half) | nodes(first + half, last)
    return found


def test_alignment_equals_the_published_table(vectors: dict[str, Any], pattern: bytes) -> None:
    """Every range of the 6.5 MiB archive is aligned, or not, as published, and has the published hash."""
    table = vectors["ranges_of_6_5_MiB_archive"]
    size = table["size"]
    assert count_leaves(size) == table["leaves"]
    assert len(table["every_MiB_aligned_range"]) == 28
    for row in table["every_MiB_aligned_range"]:
        range_ = ByteRange.parse(row["range"])
        assert range_.start == row["first_mib"] * MIB
        assert count_leaves(range_.stop) == row["end_mib_exclusive"]
        assert is_megabyte_aligned(range_, size)
        assert is_tree_hash_aligned(range_, size) == row["tree_hash_aligned"]
        if row["tree_hash_aligned"]:
            assert tree_hash(pattern[range_.start : range_.stop]).hex() == row["checksum_header"]
        else:
            assert row["checksum_header"] is None
    for row in table["not_MiB_aligned"]:
        range_ = ByteRange.parse(row["range"])
        assert not is_megabyte_aligned(range_, size)
        assert not is_tree_hash_aligned(range_, size)


@pytest.mark.parametrize("leaves", [*range(1, 40), 63, 64, 65])
def test_alignment_is_being_a_node_of_the_tree(leaves: int) -> None:
    """The closed form agrees for every range with the tree that is built, full last leaf or not."""
    tree = nodes(0, leaves)
    for size in (leaves * MIB, leaves * MIB - MIB // 2):
        for first in range(leaves):
            for last in range(first + 1, leaves + 1):
                range_ = ByteRange(first * MIB, min(last * MIB, size))
                assert is_megabyte_aligned(range_, size)
                assert is_tree_hash_aligned(range_, size) == ((first, last) in tree)


def test_a_range_past_the_end_is_not_aligned() -> None:
    """A range past the archive's end cannot be retrieved and has no tree hash."""
    assert not is_megabyte_aligned(ByteRange(0, 2 * MIB), MIB)
    assert not is_tree_hash_aligned(ByteRange(0, 2 * MIB), MIB)


@pytest.mark.parametrize(
    ("range_", "is_node"),
    [
        (ByteRange(2 * MIB, 4 * MIB), True),
        (ByteRange(MIB, 3 * MIB), False),
        (ByteRange(0, 3 * MIB), False),
        (ByteRange(0, MIB + 1), False),
    ],
)
def test_without_a_size_only_a_node_of_every_archive_is_aligned(range_: ByteRange, *, is_node: bool) -> None:
    """A range that may or may not reach the end of the archive is no node for certain."""
    assert is_tree_hash_aligned(range_, None) is is_node


@given(ranges)
def test_the_inclusive_form_goes_there_and_back(range_: ByteRange) -> None:
    """The form that is written for a header is read back as the same range."""
    assert ByteRange.parse(str(range_)) == range_
    assert str(range_).endswith(f"-{range_.stop - 1}")
    assert range_.size == range_.stop - range_.start >= 1


@pytest.mark.parametrize(
    "text",
    ["", "-", "5", "5-", "-5", "5-4", "a-b", "0-1-2", " 0-1", "+0-1", "0-1\n", "\u0660-\u0661", "1_0-20"],
)
def test_parse_refuses_what_is_no_inclusive_range(text: str) -> None:
    """Only ``START-END`` in ASCII digits, START at most END, is a range."""
    with pytest.raises(ValueError, match="byte range"):
        ByteRange.parse(text)


@given(TEXTS)
def test_parse_raises_nothing_but_value_errors(text: str) -> None:
    """Any header is a range or a ValueError."""
    try:
        range_ = ByteRange.parse(text)
    except ValueError:
        return
    assert range_.size >= 1


@pytest.mark.parametrize(("start", "stop"), [(0, 0), (1, 1), (2, 1), (-1, 1)])
def test_a_range_holds_at_least_one_byte(start: int, stop: int) -> None:
    """Empty, backward and negative ranges cannot be made."""
    with pytest.raises(ValueError, match="0 <= start < stop"):
        ByteRange(start, stop)


def test_within_counts_from_the_outer_start() -> None:
    """A range inside another is counted from that one's first byte."""
    assert ByteRange(5 * MIB, 6 * MIB).within(ByteRange(4 * MIB, 8 * MIB)) == ByteRange(MIB, 2 * MIB)
    with pytest.raises(ValueError, match="0 <= start"):
        ByteRange(0, MIB).within(ByteRange(MIB, 2 * MIB))


def test_ranges_sort_by_start_then_stop() -> None:
    """Ranges compare as the pairs they are."""
    assert sorted([ByteRange(1, 3), ByteRange(0, 9), ByteRange(1, 2)]) == [
        ByteRange(0, 9),
        ByteRange(1, 2),
        ByteRange(1, 3),
    ]


@pytest.mark.parametrize(("size", "leaves"), [(0, 0), (1, 1), (MIB - 1, 1), (MIB, 1), (MIB + 1, 2)])
def test_count_leaves_counts_begun_ones(size: int, leaves: int) -> None:
    """A leaf counts as soon as one byte is in it."""
    assert count_leaves(size) == leaves


@given(st.integers(0, 1000), st.integers(1, 1000), st.integers(1, 200))
def test_split_covers_the_range_and_cuts_at_multiples(start: int, size: int, piece_size: int) -> None:
    """The pieces are the range, in order, without gap or overlap, cut only at absolute multiples."""
    pieces = list(split(ByteRange(start, start + size), piece_size))
    assert pieces[0].start == start
    assert pieces[-1].stop == start + size
    for before, after in pairwise(pieces):
        assert before.stop == after.start
        assert after.start % piece_size == 0
    assert all(piece.size <= piece_size for piece in pieces)


@given(st.integers(1, 70 * MIB), st.integers(0, 6))
def test_split_of_an_archive_gives_only_aligned_pieces(size: int, exponent: int) -> None:
    """Pieces of 1 MiB x 2**k of a whole archive are all tree-hash aligned."""
    assert all(is_tree_hash_aligned(piece, size) for piece in split(ByteRange(0, size), MIB << exponent))


@given(st.integers(0, 40 * MIB), st.integers(1, 40 * MIB), st.integers(0, 40 * MIB), st.integers(0, 5))
def test_tree_nodes_cover_the_range_with_aligned_pieces(
    start: int, range_size: int, rest: int, exponent: int
) -> None:
    """Every piece is a node no larger than allowed; together they reach less than 1 MiB past the range."""
    range_ = ByteRange(start, start + range_size)
    size, largest = range_.stop + rest, MIB << exponent
    pieces = list(tree_nodes(range_, size, largest))
    assert all(is_tree_hash_aligned(piece, size) and piece.size <= largest for piece in pieces)
    assert all(before.stop == after.start for before, after in pairwise(pieces))
    assert start - MIB < pieces[0].start <= start
    assert range_.stop <= pieces[-1].stop < range_.stop + MIB


@given(st.integers(1, 70 * MIB), st.integers(0, 6))
def test_tree_nodes_of_a_whole_archive_are_its_parts(size: int, exponent: int) -> None:
    """All pieces but the last have the largest size, so their hashes combine to the archive's."""
    largest = MIB << exponent
    whole = ByteRange(0, size)
    assert list(tree_nodes(whole, size, largest)) == list(split(whole, largest))
