"""Errors for a request that cannot be carried out; nothing was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioglacier.core.errors.root import GlacierError
from aioglacier.core.limits import VAULT

if TYPE_CHECKING:
    from aioglacier.core.ranges import ByteRange


class InvalidPlanError(GlacierError, ValueError):
    """The request cannot be carried out as it was given; nothing was sent."""


class EmptyArchiveError(InvalidPlanError):
    """The source holds no bytes, and the service keeps no empty archives."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}, but the service keeps no empty archives; give at least 1 byte")


class InvalidPartSizeError(InvalidPlanError):
    """The part size is not 1 MiB x 2**k from 1 MiB to 4 GiB, or from 8 MiB for an S3 object.

    Attributes:
        part_size: The part size that was given, in bytes.
        nearest: The one or two allowed sizes nearest to it.
    """

    def __init__(
        self, *, part_size: int, nearest: tuple[int, ...], smallest: int = VAULT.min_part_size
    ) -> None:
        super().__init__(
            f"a part size is a number of bytes, {smallest >> 20} MiB x 2**k up to 4 GiB, not {part_size!r}; "
            "the nearest: " + " or ".join(f"{size} ({size >> 20} MiB)" for size in nearest)
        )
        self.part_size = part_size
        self.nearest = nearest


class TooManyPartsError(InvalidPlanError):
    """The archive needs more than 10,000 parts of this size.

    Attributes:
        part_size: The part size in use.
        size: The archive's size, or ``None`` for a stream whose length is not known yet.
        suggested_part_size: The smallest part size that fits; for a stream the next larger one.
    """

    def __init__(self, *, part_size: int, size: int | None, suggested_part_size: int | None) -> None:
        what = f"an archive of {size} bytes" if size is not None else "the stream"
        hint = (
            f"; choose a part size of {suggested_part_size} ({suggested_part_size >> 20} MiB)"
            if suggested_part_size is not None
            else "; it is more than any archive can hold, so split it"
        )
        super().__init__(
            f"{what} passes {VAULT.max_parts:,} parts of {part_size >> 20} MiB, which end at "
            f"{VAULT.max_parts * part_size} bytes{hint}"
        )
        self.part_size = part_size
        self.size = size
        self.suggested_part_size = suggested_part_size


class MemoryLimitError(InvalidPlanError):
    """One part is larger than the whole memory budget.

    Attributes:
        part_size: Bytes of one part.
        memory_limit: Bytes of the budget.
    """

    def __init__(self, *, part_size: int, memory_limit: int) -> None:
        super().__init__(
            f"a part of {part_size} bytes does not fit the memory limit of {memory_limit} bytes; raise the "
            f"limit to {2 * part_size} or more, or choose smaller parts"
        )
        self.part_size = part_size
        self.memory_limit = memory_limit


class DescriptionError(InvalidPlanError):
    """A description that the service refuses or damages.

    Attributes:
        description: The text as given.
    """

    def __init__(self, message: str, *, description: str) -> None:
        super().__init__(message)
        self.description = description


class VaultNameError(InvalidPlanError):
    """A name that no vault can have.

    Attributes:
        name: The text as given.
    """

    def __init__(self, message: str, *, name: str) -> None:
        super().__init__(message)
        self.name = name


class BucketNameError(InvalidPlanError):
    """A name that no S3 bucket can have, or one of a kind of bucket that keeps no archives.

    Attributes:
        name: The text as given.
    """

    def __init__(self, message: str, *, name: str) -> None:
        super().__init__(message)
        self.name = name


class ObjectKeyError(InvalidPlanError):
    """A key that no S3 object can have."""


class MetadataError(InvalidPlanError):
    """User metadata or tags that S3 refuses or changes."""


class InvalidIdError(InvalidPlanError):
    """An id that no archive, upload, job or lock can have.

    Attributes:
        kind: "archive", "upload", "job" or "lock".
        value: The text as given.
    """

    def __init__(self, message: str, *, kind: str, value: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.value = value


class InvalidRangeError(InvalidPlanError):
    """A byte range that cannot be retrieved or read.

    Attributes:
        byte_range: The range, ``None`` if the given value is not a range.
    """

    def __init__(self, message: str, *, byte_range: ByteRange | None) -> None:
        super().__init__(message)
        self.byte_range = byte_range


class InputTypeError(InvalidPlanError, TypeError):
    """A source, or an item that it yielded, is not bytes.

    Attributes:
        type_name: The name of its type.
        chunk_index: The item's number in the iterable, from 0; ``None`` for the source itself.
    """

    def __init__(self, message: str, *, type_name: str, chunk_index: int | None = None) -> None:
        super().__init__(message)
        self.type_name = type_name
        self.chunk_index = chunk_index


class CostLimitError(InvalidPlanError):
    """The cost is above the limit that was given.

    Attributes:
        cost: The cost by the price list, in its currency.
        limit: The limit, in the same currency.
    """

    def __init__(self, message: str, *, cost: float, limit: float) -> None:
        super().__init__(message)
        self.cost = cost
        self.limit = limit


class ConfigurationError(InvalidPlanError):
    """Region, endpoint, proxy or another setting is missing or invalid."""


class InsecureEndpointError(ConfigurationError):
    """The endpoint is plain http on another machine, which has to be allowed.

    Attributes:
        endpoint: Its URL.
    """

    def __init__(self, endpoint: str, *, allow: str = "allow_insecure=True") -> None:
        super().__init__(
            f"{endpoint} is plain http: anyone on the way could read and change archives. Use https, or "
            f"allow it with {allow}"
        )
        self.endpoint = endpoint


class ClusterError(ConfigurationError):
    """Other processes cannot do the work: they are not there, or differ from this one; nothing was sent.

    Attributes:
        worker: The address of the worker that differs, ``None`` if the trouble is not one worker's.
    """

    def __init__(self, message: str, *, worker: str | None = None) -> None:
        super().__init__(message)
        self.worker = worker


class ClusterUnreachableError(ClusterError):
    """No scheduler, or no worker, answers at the address now; nothing was sent."""


class ShardMismatchError(ConfigurationError):
    """Other shards of the same work are at work, of another number or on other terms; nothing was done.

    Attributes:
        work: The work.
        recorded: The number of shards on record.
        given: The number of shards asked for.
        number: The shard that is at work.
        pid: Its process, ``None`` if that is not known.
        host: The machine that it runs on, or ``None``.
    """

    def __init__(
        self,
        message: str,
        *,
        work: str,
        recorded: int,
        given: int,
        number: int,
        pid: int | None = None,
        host: str | None = None,
    ) -> None:
        super().__init__(message)
        self.work = work
        self.recorded = recorded
        self.given = given
        self.number = number
        self.pid = pid
        self.host = host
