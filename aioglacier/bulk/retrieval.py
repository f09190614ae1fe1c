"""The plan of a restore: which ranges of which archives are to be asked for.

Members that are near each other come in one range: a gap is fetched along as long as it costs less than
another job would. Ranges begin and end at whole MiB, as the service wants it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aioglacier.core.limits import MIB
from aioglacier.core.ranges import ByteRange

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aioglacier.core.models import ArchiveId

#: One range is at most this: what is fetched by it is held up by what was not, and is asked for again if its
#: day is over.
LARGEST_RANGE: Final = 1024 * MIB


@dataclass(frozen=True, slots=True)
class Needed:
    """Bytes of an archive that are needed.

    Attributes:
        upload: The upload that made the archive, as the catalog has it.
        is_whole: The archive is one file.
    """

    upload: int
    archive_id: ArchiveId
    archive_size: int
    position: int
    stored: int
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Retrieval:
    """One job to ask for.

    Attributes:
        byte_range: ``None`` for all of the archive.
        members: How many members it brings.
    """

    upload: int
    archive_id: ArchiveId
    archive_size: int
    byte_range: ByteRange | None
    is_whole: bool
    members: int

    @property
    def size(self) -> int:
        """Bytes that are paid for."""
        return self.byte_range.size if self.byte_range is not None else self.archive_size


def plan_retrievals(needed: Iterable[Needed], gap: int, largest: int = LARGEST_RANGE) -> Iterator[Retrieval]:
    """Ranges that cover what is needed, in its order.

    Args:
        needed: In the order of uploads, and of positions in each.
        gap: Bytes that are worth fetching along.
        largest: Bytes of a range at most, if one member is not more by itself.
    """
    first: Needed | None = None
    start = stop = members = 0
    for each in needed:
        begins, ends = _aligned(each)
        if (
            first is not None
            and each.upload == first.upload
            and begins - stop <= gap
            and max(ends, stop) - start <= largest
        ):
            stop = max(stop, ends)
            members += 1
            continue
        if first is not None:
            yield _retrieval(first, start, stop, members)
        first, start, stop, members = each, begins, ends, 1
    if first is not None:
        yield _retrieval(first, start, stop, members)


def _aligned(needed: Needed) -> tuple[int, int]:
    if needed.is_whole:
        return 0, needed.archive_size
    start = needed.position // MIB * MIB
    stop = -(-(needed.position + needed.stored) // MIB) * MIB
    return start, min(stop, needed.archive_size)


def _retrieval(first: Needed, start: int, stop: int, members: int) -> Retrieval:
    is_all = start == 0 and stop == first.archive_size
    return Retrieval(
        first.upload,
        first.archive_id,
        first.archive_size,
        None if is_all else ByteRange(start, stop),
        first.is_whole,
        members,
    )
