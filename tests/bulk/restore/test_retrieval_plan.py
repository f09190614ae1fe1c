"""The plan of a restore, and what it costs."""

from __future__ import annotations

from hypothesis import given, strategies as st

from aioglacier.bulk.restore.retrieval_plan import Needed, needed_of, plan_retrievals
from aioglacier.catalog.folders.entry_records import Entry, StoredEntry
from aioglacier.core.models import ArchiveId
from aioglacier.core.ranges import ByteRange, is_megabyte_aligned

MIB = 1024 * 1024
GIB = 1024 * MIB


def needed(position: int, stored: int, *, upload: int = 1, size: int = GIB) -> Needed:
    """A member of a bundle."""
    return Needed(upload, ArchiveId(f"archive-{upload}"), size, position, stored, is_whole=False)


def test_a_member_of_4_kib_takes_at_most_two_mib() -> None:
    """Even where it lies across the border of one."""
    for position in (0, 5, MIB - 10, 17 * MIB, GIB - 4096):
        (retrieval,) = plan_retrievals([needed(position, 4096)], 0)
        assert retrieval.size <= 2 * MIB


def test_near_members_come_in_one_range_and_far_ones_do_not() -> None:
    """As far as the gap is worth it, and never across archives."""
    members = [needed(0, 10), needed(4 * MIB, 10), needed(100 * MIB, 10), needed(0, 10, upload=2)]
    ranges = [(each.upload, each.byte_range) for each in plan_retrievals(members, 5 * MIB)]
    assert ranges == [
        (1, ByteRange(0, 5 * MIB)),
        (1, ByteRange(100 * MIB, 101 * MIB)),
        (2, ByteRange(0, MIB)),
    ]


def test_a_range_is_no_longer_than_allowed() -> None:
    """So that what a day's output holds is not too much."""
    members = [needed(number * MIB, MIB) for number in range(10)]
    assert [each.size for each in plan_retrievals(members, 0, 4 * MIB)] == [4 * MIB, 4 * MIB, 2 * MIB]


def test_all_of_an_archive_is_asked_for_without_a_range() -> None:
    """A request without a range is one that any server understands."""
    (retrieval,) = plan_retrievals([needed(0, 3 * MIB, size=3 * MIB)], 0)
    assert retrieval.byte_range is None
    assert retrieval.size == 3 * MIB


def test_the_jobs_of_each_archive_are_used() -> None:
    """Members in one job come together; the jobs of one archive do not hide those of the next."""
    jobs = [ByteRange(number * MIB, (number + 1) * MIB) for number in range(10)]
    members = [
        *(
            needed(position, stored)
            for position, stored in ((5 * MIB, 10), (9 * MIB, 10), (9 * MIB + 10, MIB - 10))
        ),
        needed(90 * MIB, 10),
        needed(0, 10, upload=2),
    ]
    asked = {ArchiveId(f"archive-{upload}"): jobs for upload in (1, 2)}
    planned = list(plan_retrievals(members, 0, asked=asked))
    assert [(each.upload, each.byte_range, each.members, each.is_asked) for each in planned] == [
        (1, jobs[5], 1, True),
        (1, jobs[9], 2, True),
        (1, ByteRange(90 * MIB, 91 * MIB), 1, False),
        (2, jobs[0], 1, True),
    ]
    assert not any(each.is_whole for each in planned)


def test_a_version_says_where_its_content_lies() -> None:
    """A member has a place in its archive; a file of its own is all of the archive."""
    file = Entry(1, b"a", 1, "file", 10, 0, 0, 0, 0, 0o644, 0, 0, upload=3)
    archive = (ArchiveId("a"), 4096, None, None, False)
    member = StoredEntry(file._replace(position=512, stored=1024), *archive)
    assert needed_of(member) == Needed(3, archive[0], 4096, 512, 1024, is_whole=False)
    first = StoredEntry(file._replace(position=0, stored=1024), *archive)
    assert needed_of(first) == Needed(3, archive[0], 4096, 0, 1024, is_whole=False)
    whole = needed_of(StoredEntry(file, *archive))
    assert whole == Needed(3, archive[0], 4096, 0, 4096, is_whole=True)
    assert [each.is_whole for each in plan_retrievals([whole], 0)] == [True]


@given(
    st.lists(st.tuples(st.integers(0, 50 * MIB), st.integers(1, 3 * MIB)), min_size=1, max_size=40),
    st.integers(0, 8 * MIB),
)
def test_every_member_is_covered_by_allowed_ranges(members: list[tuple[int, int]], gap: int) -> None:
    """Any layout of members is covered exactly once."""
    size = 53 * MIB + 77
    wanted = [needed(start, min(stored, size - start), size=size) for start, stored in sorted(members)]
    planned = list(plan_retrievals(wanted, gap))
    whole = ByteRange(0, size)
    assert all(is_megabyte_aligned(each.byte_range or whole, size) for each in planned)
    for each in wanted:
        assert any(
            (plan.byte_range or whole).start <= each.position
            and each.position + each.stored <= (plan.byte_range or whole).stop
            for plan in planned
        )
    assert sum(each.members for each in planned) == len(wanted)


@given(
    st.lists(st.tuples(st.integers(1, 3 * MIB), st.integers(0, 2 * MIB)), min_size=1, max_size=30),
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=8),
    st.integers(0, 8 * MIB),
)
def test_each_member_comes_by_one_job_and_by_one_that_is_there_if_any_is(
    members: list[tuple[int, int]], jobs: list[tuple[int, int]], gap: int
) -> None:
    """No retrieval is for members of another, though ranges may overlap."""
    wanted, position = [], 0
    for stored, space in members:
        wanted.append(needed(position, stored, size=200 * MIB))
        position += stored + space
    ranges = sorted(
        {ByteRange(start * MIB, (start + size) * MIB) for start, size in jobs},
        key=lambda one: (one.start, -one.stop),
    )
    planned = list(plan_retrievals(wanted, gap, 10 * MIB, {wanted[0].archive_id: ranges}))
    for each in wanted:
        (plan,) = (plan for plan in planned if plan.first <= each.position < plan.stop)
        assert plan.byte_range is not None
        stop = each.position + each.stored
        assert plan.byte_range.start <= each.position
        assert stop <= plan.byte_range.stop
        assert plan.is_asked == any(one.start <= each.position and stop <= one.stop for one in ranges)
        assert not plan.is_asked or plan.byte_range in ranges
