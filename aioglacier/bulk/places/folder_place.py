"""The questions that folders ask of the place that keeps them, a vault or a bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from aioglacier.core.models import Archive, ArchiveId, ObjectTarget, Tier
    from aioglacier.core.prices import Prices
    from aioglacier.core.ranges import ByteRange
    from aioglacier.recorded.place_context import RecordedPlace
    from aioglacier.transfer.download.download import Download
    from aioglacier.transfer.download.reader import ArchiveReader
    from aioglacier.transfer.download.retrieval_source import JobSource


class AskedBytes(Protocol):
    """An archive, or a range of it, that was asked for, and can be read sooner or later."""

    async def is_ready(self) -> bool:
        """Return whether it can be read now."""
        ...

    async def wait_for(self, archive: Archive) -> bool:
        """Wait until it can be read; return whether the place has the archive that is on record."""
        ...

    def open_reader(
        self, byte_range: tuple[int, int] | None = None, *, raw: bool = False
    ) -> AbstractAsyncContextManager[ArchiveReader]:
        """Open it, or a half-open range that counts from its start. The caller verifies the bytes.

        Bytes that are damaged on the way come once more where the service has hashes of them; with ``raw``
        that is left to the caller.
        """
        ...

    async def prepare_download(self, path: str) -> Download:
        """Prepare to save all of it as a file, verified; a file that is there is replaced."""
        ...

    @property
    def shared(self) -> JobSource | None:
        """All of it as plain data for other processes, once it was waited for; ``None`` if it has none."""
        ...

    async def note_gone(self) -> None:
        """Record that the service does not keep it any more, so that no other command waits for it."""
        ...


class Retriever(Protocol):
    """Asks for archives, and knows what was asked for before.

    Attributes:
        started: How many retrievals were started, and are paid for.
        ranges: The ranges of each archive that were asked for before, in the order of ``start``.
        whole: Archives that can only be retrieved whole.
    """

    started: int

    @property
    def ranges(self) -> Mapping[ArchiveId, Sequence[ByteRange]]: ...  # noqa: D102
    @property
    def whole(self) -> Container[ArchiveId]: ...  # noqa: D102

    async def learn(self) -> None:
        """Look up the facts that every plan needs. It costs nothing."""
        ...

    async def look(self) -> None:
        """Look up what any program has asked for before. It costs nothing."""
        ...

    def has(self, archive_id: ArchiveId, byte_range: ByteRange | None) -> bool:
        """Return whether this range was asked for; ``None`` is the whole archive."""
        ...

    async def get(self, archive_id: ArchiveId, byte_range: ByteRange | None) -> AskedBytes:
        """Return a range that was asked for; ask for it if it was not.

        Raises:
            ResourceNotFoundError: The place does not know the archive.
            CostLimitError: It would cost more than is allowed.
        """
        ...

    def forget(self, archive_id: ArchiveId, byte_range: ByteRange | None) -> None:
        """Leave out what can no longer be read, or will never be."""
        ...


class SidecarFile(Protocol):
    """The sidecar of a bundle that is being written; see ``bundle_sidecar``."""

    async def write(self, data: bytes) -> None:
        """Add a page of the index, or the trailer."""
        ...

    async def keep(self, archive: Archive) -> None:
        """Put the sidecar beside its bundle, which is made by now."""
        ...


class FolderPlace(Protocol):
    """A vault or a bucket that keeps folders."""

    @property
    def context(self) -> RecordedPlace:
        """The place with its records."""
        ...

    @property
    def bundle_size(self) -> int:
        """Bytes after which a bundle ends, by default."""
        ...

    @property
    def keeps_sidecars(self) -> bool:
        """Whether each archive has a sidecar, which is one more request."""
        ...

    async def look(self) -> None:
        """Ask the place what it has, so that what is on record and is not there counts no more."""
        ...

    async def count_lists(self) -> int:
        """Return the pages of lists that are read and billed before a ``sync``, by the record."""
        ...

    async def count_archives(self) -> int | None:
        """Return how many archives are there, ``None`` if that may not be known."""
        ...

    async def count_strays(self) -> int:
        """Return how many unfinished uploads are on no record, and stay until somebody aborts them."""
        ...

    async def sample_cost(self, prices: Prices, tier: Tier, sample: int) -> float:
        """Return the most that so many single MiB of archives can cost."""
        ...

    async def sweep(self) -> None:
        """Remove the sidecars of archives on record that are proven to be gone."""
        ...

    @property
    def recovery(self) -> str:
        """The commands that rebuild a lost catalog."""
        ...

    def retriever(self, tier: Tier, days: int = 1) -> Retriever:
        """Return the object that asks for archives; ``days`` is the life of a restored copy."""
        ...

    @property
    def bare(self) -> Collection[ArchiveId]:
        """The archives whose sidecars a kill has left out, at the last look."""
        ...

    def has_sidecar(self, archive_id: ArchiveId) -> bool:
        """Return whether an archive had a sidecar at the last look."""
        ...

    async def read_sidecar(self, archive_id: ArchiveId) -> bytes | None:
        """Return the sidecar of an archive; ``None`` if it has none."""
        ...

    def target_of(self, archive_id: ArchiveId) -> ObjectTarget | None:
        """Return the facts for an upload's record of an archive that is there; ``None`` if there are none."""
        ...

    async def find_unrecorded(self) -> Sequence[Archive]:
        """Return the archives that are there and on no record, where the place can list them at once.

        One whose hash only its sidecar has is without it.
        """
        ...

    def stock_cost(self, prices: Prices) -> float:
        """Return the cost of reading the sidecars of the archives that were found so."""
        ...

    async def take_stock(self) -> None:
        """Record the same archives."""
        ...

    def open_sidecar(
        self, compression: str | None, encryption: str | None
    ) -> AbstractAsyncContextManager[SidecarFile]:
        """Begin the sidecar of a bundle, which may be nothing where a place needs none."""
        ...
