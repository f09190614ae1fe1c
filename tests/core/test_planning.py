"""Part sizes: allowed, chosen and refused, and the parts that follow from them."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, strategies as st

from aioglacier.core.errors import (
    EmptyArchiveError,
    InvalidPartSizeError,
    InvalidPlanError,
    TooManyPartsError,
)
from aioglacier.core.limits import GIB, MIB, S3, VAULT
from aioglacier.core.planning import (
    DEFAULT_PART_SIZE,
    DEFAULT_STREAM_PART_SIZE,
    check_part_size,
    choose_part_size,
    count_parts,
    part_ranges,
    smallest_part_size,
)

PART_SIZES = [MIB << exponent for exponent in range(13)]
#: Where another part size becomes the smallest, and one byte to each side of it.
BORDERS = [VAULT.max_parts * part_size + step for part_size in PART_SIZES for step in (-1, 0, 1)]

sizes = st.one_of(
    st.integers(1, VAULT.max_archive_size),
    st.integers(1, 100 * MIB),
    st.sampled_from([size for size in BORDERS if size <= VAULT.max_archive_size]),
)


def test_the_part_sizes_are_all_there_are() -> None:
    """There are thirteen part sizes from 1 MiB to 4 GiB."""
    assert (PART_SIZES[0], PART_SIZES[-1]) == (VAULT.min_part_size, VAULT.max_part_size)


@given(sizes)
def test_the_smallest_part_size_is_a_fitting_power_of_two(size: int) -> None:
    """The smallest part size fits the archive into 10,000 parts, and the next smaller one does not."""
    part_size = smallest_part_size(size)
    assert part_size in PART_SIZES
    assert count_parts(size, part_size) <= VAULT.max_parts
    assert part_size == VAULT.min_part_size or count_parts(size, part_size // 2) > VAULT.max_parts


@pytest.mark.parametrize("size", [size for size in BORDERS if size <= VAULT.max_archive_size])
def test_the_smallest_part_size_changes_exactly_at_the_border(size: int) -> None:
    """At 10,000 whole parts the size still fits; one byte more needs twice the part size."""
    fitting = [part_size for part_size in PART_SIZES if part_size * VAULT.max_parts >= size]
    assert smallest_part_size(size) == fitting[0]


@given(sizes)
def test_the_chosen_part_size_is_at_least_the_default(size: int) -> None:
    """The default is 16 MiB, or more if the size needs it."""
    assert choose_part_size(size) == max(DEFAULT_PART_SIZE, smallest_part_size(size))
    assert choose_part_size(size) in PART_SIZES


@given(sizes, st.sampled_from(PART_SIZES))
def test_a_part_size_asked_for_is_taken_or_refused(size: int, part_size: int) -> None:
    """A given part size is used unchanged, or the error names the smallest that fits."""
    if count_parts(size, part_size) <= VAULT.max_parts:
        assert choose_part_size(size, part_size) == part_size
        return
    with pytest.raises(TooManyPartsError) as caught:
        choose_part_size(size, part_size)
    assert (caught.value.part_size, caught.value.size) == (part_size, size)
    assert caught.value.suggested_part_size == smallest_part_size(size)
    assert choose_part_size(size, caught.value.suggested_part_size)


def test_a_stream_gets_its_own_default() -> None:
    """A stream of unknown size has parts of 8 MiB, or of the given size."""
    assert choose_part_size(None) == DEFAULT_STREAM_PART_SIZE == 8 * MIB
    assert choose_part_size(None, 64 * MIB) == 64 * MIB


def test_sizes_that_no_archive_has_are_refused() -> None:
    """No bytes, fewer than none and more than 40,000 GiB cannot be archived."""
    assert choose_part_size(VAULT.max_archive_size) == VAULT.max_part_size
    with pytest.raises(EmptyArchiveError):
        choose_part_size(0)
    with pytest.raises(InvalidPlanError, match="at least 1 byte"):
        choose_part_size(-1)
    with pytest.raises(InvalidPlanError, match="split the source"):
        choose_part_size(VAULT.max_archive_size + 1)


@pytest.mark.parametrize("part_size", PART_SIZES)
def test_powers_of_two_within_the_limits_are_allowed(part_size: int) -> None:
    """The thirteen part sizes pass."""
    check_part_size(part_size)


@pytest.mark.parametrize(
    ("part_size", "nearest"),
    [
        (0, (MIB,)),
        (-MIB, (MIB,)),
        (1, (MIB,)),
        (MIB - 1, (MIB,)),
        (MIB + 1, (MIB, 2 * MIB)),
        (2 * MIB - 2, (MIB, 2 * MIB)),
        (2 * MIB - 1, (MIB, 2 * MIB)),
        (2 * MIB + 1, (2 * MIB, 4 * MIB)),
        (4 * GIB - 2, (2 * GIB, 4 * GIB)),
        (4 * GIB + 1, (4 * GIB,)),
        (3 * MIB, (2 * MIB, 4 * MIB)),
        (5_000_000, (4 * MIB, 8 * MIB)),
        (4 * GIB - 1, (2 * GIB, 4 * GIB)),
        (8 * GIB, (4 * GIB,)),
    ],
)
def test_other_part_sizes_are_refused_with_the_nearest(part_size: int, nearest: tuple[int, ...]) -> None:
    """The error holds the allowed sizes next to the one asked for, also in its sentence."""
    with pytest.raises(InvalidPartSizeError) as caught:
        choose_part_size(None, part_size)
    assert (caught.value.part_size, caught.value.nearest) == (part_size, nearest)
    assert all(str(size) in str(caught.value) for size in nearest)


def test_a_part_size_that_is_no_integer_is_in_the_error() -> None:
    """A float or text of the same size is refused, too."""
    for wrong in (1048576.0, "1048576"):
        with pytest.raises(InvalidPartSizeError) as caught:
            choose_part_size(None, wrong)  # type: ignore[arg-type]
        assert caught.value.part_size is wrong


@given(st.integers(-(2**40), 2**40))
def test_a_part_size_is_refused_unless_it_is_one_of_the_thirteen(part_size: int) -> None:
    """Nothing else passes, and the nearest sizes named are allowed."""
    if part_size in PART_SIZES:
        check_part_size(part_size)
        return
    with pytest.raises(InvalidPartSizeError) as caught:
        check_part_size(part_size)
    assert set(caught.value.nearest) <= set(PART_SIZES)


@given(st.integers(1, 3000), st.integers(1, 400))
def test_the_parts_cover_the_archive(size: int, part_size: int) -> None:
    """Parts follow each other without a gap, all of one size but the last, which has at least one byte."""
    parts = list(part_ranges(size, part_size))
    assert len(parts) == count_parts(size, part_size)
    assert [part.start for part in parts] == [index * part_size for index in range(len(parts))]
    assert [part.stop for part in parts] == [*(part.start for part in parts[1:]), size]
    assert all(part.size == part_size for part in parts[:-1])


def test_parts_are_made_as_they_are_asked_for() -> None:
    """The largest archive's parts need no list of 10,000."""
    parts = part_ranges(VAULT.max_archive_size, VAULT.max_part_size)
    assert [part.start for part in itertools.islice(parts, 3)] == [
        0,
        VAULT.max_part_size,
        2 * VAULT.max_part_size,
    ]


@pytest.mark.parametrize("part_size", ["8MiB", 8388608.0, None, int])
def test_a_part_size_that_is_no_int_is_refused_with_sizes_that_are(part_size: Any) -> None:
    """A size as text or a fraction is a part size error like any other."""
    with pytest.raises(InvalidPartSizeError, match="is a number of bytes") as caught:
        check_part_size(part_size)
    assert (caught.value.part_size, caught.value.nearest) == (part_size, (8 * MIB, 16 * MIB))
    assert f"not {part_size!r}; the nearest: 8388608 (8 MiB) or" in str(caught.value)


def test_an_s3_object_has_parts_from_8_mib() -> None:
    """The limits of the place decide: S3 takes no part under 5 MiB but the last."""
    assert choose_part_size(None, None, S3) == choose_part_size(None, 8 * MIB, S3) == 8 * MIB
    assert choose_part_size(S3.max_parts * S3.max_part_size, None, S3) == 4 * GIB
    with pytest.raises(InvalidPartSizeError, match="8 MiB x 2") as caught:
        choose_part_size(None, 4 * MIB, S3)
    assert caught.value.nearest == (8 * MIB,)


def test_the_largest_s3_objects_have_parts_of_5_gib() -> None:
    """Beyond 10,000 parts of 4 GiB only S3's largest part fits, which is no node of a tree hash."""
    ceiling = 10_000 * 5 * GIB
    assert choose_part_size(40_000_000_000_000, None, S3) == 4 * GIB
    assert choose_part_size(10_000 * 4 * GIB + 1, None, S3) == choose_part_size(ceiling, None, S3) == 5 * GIB
    assert choose_part_size(None, 5 * GIB, S3) == 5 * GIB
    with pytest.raises(InvalidPlanError):
        choose_part_size(ceiling + 1, None, S3)
    with pytest.raises(InvalidPartSizeError):
        choose_part_size(None, 5 * GIB)


@pytest.mark.parametrize("size", [40_000_000_000_000, S3.max_parts * 4 * GIB, S3.max_archive_size])
def test_the_largest_s3_objects_end_with_a_part_that_has_a_number(size: int) -> None:
    """Parts are numbered by their offsets, from 1 to 10,000, and the last one ends the object."""
    part_size = choose_part_size(size, None, S3)
    *_, last = part_ranges(size, part_size)
    assert last.start // part_size + 1 == count_parts(size, part_size) <= 10_000
    assert last.stop == size
