"""The options of a ``sync``, the plan that a dry run prints, and the progress of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aioglacier.bulk.formats.age import SEALING
from aioglacier.bulk.formats.bundle_format import PART_SIZE
from aioglacier.bulk.sync.packing import LARGEST_MEMBER
from aioglacier.bulk.sync.scan import ScanRules
from aioglacier.core.planning import choose_part_size, count_parts
from aioglacier.core.s3.objects import StorageClass
from aioglacier.tasks.shard import WHOLE, Shard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aioglacier.bulk.formats.age import Recipients
    from aioglacier.bulk.places.folder_place import FolderPlace
    from aioglacier.bulk.sync.compare import Change
    from aioglacier.core.prices import Prices


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """The options of a ``sync``.

    Attributes:
        exclude: Patterns as in a ``.gitignore``.
        include: Patterns that bring back excluded paths.
        only: Paths below the folder. Only they and what is in them is looked at; all other paths stay on
            record as they are. ``None`` for the whole folder.
        rules: What the scan leaves out besides.
        is_thorough: Read every file, whatever its times say.
        compress: Compress members with zstd.
        bundle_size: Bytes after which a bundle ends; ``None`` for the size that suits the place.
        largest_member: Larger files are archives of their own; at most 16 MiB.
        recipients: The recipients to encrypt to.
        allows_plain: Archive without encryption even if the last ``sync`` encrypted.
        accepts_removals: Record paths as removed even if they are most of the folder.
        host: The machine that the folder belongs to; ``None`` for this one.
        shard: The share of the folder that this process archives, by paths.
    """

    exclude: Sequence[str] = ()
    include: Sequence[str] = ()
    only: Sequence[bytes] | None = None
    rules: ScanRules = ScanRules()  # noqa: RUF009  # frozen
    is_thorough: bool = False
    compress: bool = False
    bundle_size: int | None = None
    largest_member: int = LARGEST_MEMBER
    recipients: Recipients | None = None
    allows_plain: bool = False
    accepts_removals: bool = False
    host: str | None = None
    shard: Shard = WHOLE


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """The work of a ``sync``, at most.

    Attributes:
        files: Paths to archive, at most: the content of some may turn out to be stored.
        size: Their bytes.
        removed: Paths on record that are gone from the folder.
        unchanged: Paths as on record.
        bundles: Bundles to make.
        big_files: Archives of one file to make.
        requests: Requests to the service, the next three kinds included.
        sidecars: Small objects in STANDARD beside the archives, each by one request.
        heads: Requests for the facts of objects, by which each of them is proven.
        lists: Pages of lists that are read before.
        sent: Bytes to send.
        failed: Paths that cannot be read.
    """

    files: int
    size: int
    removed: int
    unchanged: int
    bundles: int
    big_files: int
    requests: int
    sidecars: int
    heads: int
    lists: int
    sent: int
    failed: int

    def cost(self, prices: Prices) -> float:
        """Return the cost by the prices of the archives' class; sidecars and lists cost as in STANDARD."""
        archives = self.bundles + self.big_files
        writes = self.requests - self.sidecars - self.heads - self.lists
        aside = prices.of_class(StorageClass.STANDARD).uploads(self.sidecars) if self.sidecars else 0.0
        made = prices.uploads(writes, archives) + prices.storing(self.sent, archives)
        return made + aside + prices.looking(self.lists, self.heads)


@dataclass(slots=True)
class SyncSnapshot:
    """The progress of a ``sync``, as a copy for a display to poll.

    Attributes:
        looked_at: Paths scanned.
        looked_at_size: Bytes of the files among them.
        is_looking: Whether the scan goes on, so that the totals are not known yet.
        unchanged: Paths that are as on record.
        changed: Paths that differ from the record, so far.
        changed_size: Bytes of the files among them.
        archived: Paths that were packed or uploaded; they count once their archive is made.
        archived_size: Their bytes.
        recorded: Paths that were recorded without an upload, because their content is stored already.
        removed: Paths that are gone from the folder.
        failed: Paths that could not be archived.
        archives: Archives made.
        requests: Requests that store archives, without repetitions, sidecars and proofs.
        sent: Bytes handed to connections.
        current: Big files that are being uploaded.
        workers: Tasks with small files that other processes do at once.
    """

    looked_at: int = 0
    looked_at_size: int = 0
    is_looking: bool = True
    unchanged: int = 0
    changed: int = 0
    changed_size: int = 0
    archived: int = 0
    archived_size: int = 0
    recorded: int = 0
    removed: int = 0
    failed: int = 0
    archives: int = 0
    requests: int = 0
    sent: int = 0
    current: tuple[str, ...] = ()
    workers: int = 0


@dataclass(slots=True)
class _Sum:
    files: int = 0
    size: int = 0
    requests: int = 0


class Planning:
    """Adds up the work of a ``sync``."""

    def __init__(self, options: SyncOptions, place: FolderPlace) -> None:
        self._options = options
        self._part_size = place.context.part_size(PART_SIZE)
        self._bundle_size = options.bundle_size or place.bundle_size
        self._sidecars = int(place.keeps_sidecars)  # of each archive
        self._all = _Sum()
        self._big = _Sum()
        self._bundled = _Sum()
        self._removed = 0

    def add(self, change: Change) -> None:
        """Add one change."""
        found = change.found
        if found is None:
            self._removed += 1
            return
        # Only its attributes are recorded, and nothing is sent.
        if found.kind == "directory" and change.known is not None:
            return
        is_big = found.kind == "file" and found.size > self._options.largest_member
        share = self._big if is_big else self._bundled
        for each in (self._all, share):
            each.files += 1
            each.size += found.size
        if is_big:
            # Its beginning and its completion.
            share.requests += 2 + count_parts(found.size, choose_part_size(found.size))
        else:  # a header, padding, a line of the index, and age's own
            share.size += 512 + -found.size % 512 + 80
            share.size += SEALING if self._options.recipients is not None else 0

    def result(self, unchanged: int, failed: int, lists: int) -> SyncPlan:
        """Return the plan; ``lists`` is the number of pages to list."""
        bundles = -(-self._bundled.size // self._bundle_size)
        parts = -(-self._bundled.size // self._part_size)  # of all bundles, as if they were one
        sidecars = self._sidecars * (bundles + self._big.files)
        return SyncPlan(
            files=self._all.files,
            size=self._all.size,
            removed=self._removed,
            unchanged=unchanged,
            bundles=bundles,
            big_files=self._big.files,
            requests=parts + 2 * bundles + self._big.requests + 2 * sidecars + lists,
            sidecars=sidecars,
            heads=sidecars,  # as many as archives, where these have sidecars
            lists=lists,
            sent=self._bundled.size + self._big.size,
            failed=failed,
        )
