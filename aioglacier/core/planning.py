"""Part sizes and parts: the allowed sizes, the chosen size, and the range of each part.

The choice if the caller gives none:

- Known size: 16 MiB, or the smallest size that fits the archive into 10,000 parts.
- Unknown size: 8 MiB, which ends at 10,000 x 8 MiB = 78 GiB.

Four things depend on a part size P:

- **Price.** A part is a request of some 0.00005 dollars, so an archive costs size / P x 0.00005 to send: for
  a TiB 3.28 dollars with parts of 16 MiB and 0.82 with 64 MiB, beside about 4 a month to keep it.
- **Time.** A connection that carries V bytes a second with round trips of T seconds is busy for P / V of
  P / V + T seconds. At 20 MB/s and 200 ms that is 81 % for 16 MiB, 68 % for 8 MiB and 21 % for 1 MiB.
- **Memory.** The parts of a stream that are being sent are held: n connections hold n x P, so M bytes of
  buffers allow a rate of M / (P / V + T). At 256 MiB, 20 MB/s and 200 ms: 258 MB/s with 16 MiB, 432 with 8,
  75 with 64. A named file is read while it is sent, and its parts take no memory.
- **Loss.** A connection that breaks costs P / 2 on average, sent again, and a killed process up to
  (connections + 1) x P. On a line of 1 MB/s 16 MiB are 17 seconds, and 64 MiB a minute.

At 16 MiB, doubling or halving gains little in one of these that it does not lose in another. A request takes
less than half a millisecond of CPU, and hashing 16 MiB takes 10 to 20. A stream gets half of that size: its
part has to be full before it is hashed, and more parts fit the memory.

The choice depends on the size alone and not on this machine's memory or line: an upload can then be resumed
from any machine, and the same file has the same parts everywhere. Memory and line decide instead how many
parts are sent at once (``transfer.budget.concurrency``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aioglacier.core.errors import (
    EmptyArchiveError,
    InvalidPartSizeError,
    InvalidPlanError,
    TooManyPartsError,
)
from aioglacier.core.limits import MIB, VAULT
from aioglacier.core.ranges import ByteRange

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aioglacier.core.limits import PartLimits

DEFAULT_PART_SIZE: Final = 16 * MIB
DEFAULT_STREAM_PART_SIZE: Final = 8 * MIB


def choose_part_size(size: int | None, part_size: int | None = None, limits: PartLimits = VAULT) -> int:
    """Return the part size for an archive of ``size`` bytes (``None``: unknown), within the limits.

    Raises:
        EmptyArchiveError: The size is 0.
        InvalidPartSizeError: The part size asked for is no power of two within the limits.
        TooManyPartsError: The size needs more than 10,000 parts of the part size asked for.
        InvalidPlanError: The size is more than any archive can have.
    """
    if part_size is not None:
        check_part_size(part_size, limits)
    if size is None:
        return part_size or DEFAULT_STREAM_PART_SIZE  # it may turn out too small, and the ledger says so
    if size == 0:
        raise EmptyArchiveError("the archive would be empty")
    if size < 0:
        raise InvalidPlanError(f"an archive has at least 1 byte, not {size}")
    if size > (most := limits.max_archive_size):
        raise InvalidPlanError(f"{size} bytes are more than one archive can hold ({most}); split the source")
    smallest = smallest_part_size(size, limits)
    if part_size is None:
        return max(DEFAULT_PART_SIZE, smallest)
    if part_size < smallest:
        raise TooManyPartsError(part_size=part_size, size=size, suggested_part_size=smallest)
    return part_size


def check_part_size(part_size: int, limits: PartLimits = VAULT) -> None:
    """Refuse a part size that is no power of two within the limits, and name the nearest that are."""
    smallest, largest = limits.min_part_size, limits.max_part_size
    nearest = [DEFAULT_STREAM_PART_SIZE, DEFAULT_PART_SIZE]
    if isinstance(part_size, int):
        is_power = part_size & (part_size - 1) == 0  # or the parts would be no nodes of the tree hash
        if (is_power and smallest <= part_size <= largest) or part_size == _largest_body(limits):
            return
        if part_size <= smallest:
            nearest = [smallest]
        elif part_size >= largest:
            nearest = [largest]
        else:
            below = 1 << (part_size.bit_length() - 1)  # the user may have meant either
            nearest = [below, 2 * below]
    raise InvalidPartSizeError(part_size=part_size, nearest=tuple(nearest), smallest=smallest)


def smallest_part_size(size: int, limits: PartLimits = VAULT) -> int:
    """Return the smallest allowed part size that fits ``size`` bytes into 10,000 parts."""
    needed = -(-size // limits.max_parts)  # rounded up, as the last part may not be one too many
    power = max(limits.min_part_size, 1 << (needed - 1).bit_length())
    return power if power <= limits.max_part_size else _largest_body(limits)


def _largest_body(limits: PartLimits) -> int:
    """Return the part size of the largest archives: S3's 5 GiB, parts that are no nodes of a tree hash."""
    return limits.max_archive_size // limits.max_parts


def count_parts(size: int, part_size: int) -> int:
    """Return the number of parts of an archive: all have ``part_size`` but the last, with 1 byte or more."""
    return -(-size // part_size)


def part_ranges(size: int, part_size: int) -> Iterator[ByteRange]:
    """Yield the parts of an archive of known size, in order."""
    for start in range(0, size, part_size):
        yield ByteRange(start, min(start + part_size, size))
