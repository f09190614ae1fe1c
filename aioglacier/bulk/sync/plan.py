"""The options of a ``sync``, and the plan that a dry run prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aioglacier.bulk.formats.age import SEALING
from aioglacier.bulk.formats.bundle_format import BUNDLE_SIZE, PART_SIZE
from aioglacier.bulk.sync.packing import LARGEST_MEMBER
from aioglacier.core.planning import choose_part_size, count_parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aioglacier.bulk.formats.age import Recipients
    from aioglacier.bulk.sync.compare import Change
    from aioglacier.recorded.vault_context import RecordedVault


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """The options of a ``sync``.

    Attributes:
        exclude: Patterns as in a ``.gitignore``.
        include: Patterns that bring back what those exclude.
        is_thorough: Read every file, whatever its times say.
        compress: Compress members with zstd.
        bundle_size: Bytes after which a bundle ends.
        largest_member: Larger files are archives of their own; at most 16 MiB.
        recipients: Encrypt to these.
        allows_plain: Encrypt nothing, although the ``sync`` before did.
        accepts_removals: Record paths as removed even if they are most of the folder.
        host: The machine that the folder belongs to; ``None`` for this one.
    """

    exclude: Sequence[str] = ()
    include: Sequence[str] = ()
    is_thorough: bool = False
    compress: bool = False
    bundle_size: int = BUNDLE_SIZE
    largest_member: int = LARGEST_MEMBER
    recipients: Recipients | None = None
    allows_plain: bool = False
    accepts_removals: bool = False
    host: str | None = None


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """The work of a ``sync``, at most.

    Attributes:
        files: Paths to archive, at most: the content of some may turn out to be on record.
        size: Their bytes.
        removed: Paths that are no more.
        unchanged: Paths as on record.
        bundles: Bundles to be made.
        big_files: Archives of one file.
        requests: To be asked of the service.
        sent: Bytes to be sent.
        failed: Paths that cannot be looked at.
    """

    files: int
    size: int
    removed: int
    unchanged: int
    bundles: int
    big_files: int
    requests: int
    sent: int
    failed: int


class Planning:
    """Adds up what a ``sync`` would do."""

    def __init__(self, options: SyncOptions, context: RecordedVault) -> None:
        self._options = options
        self._part_size = context.part_size(PART_SIZE)
        self._sealing = SEALING if options.recipients is not None else 0
        self._files = self._size = self._removed = 0
        self._bundled = self._bundled_files = 0
        self._big = self._big_size = self._big_requests = 0

    def add(self, change: Change) -> None:
        """Take one change into account."""
        found = change.found
        if found is None:
            self._removed += 1
            return
        if found.kind == "directory" and change.known is not None:
            return
        self._files += 1
        self._size += found.size
        if found.kind == "file" and found.size > self._options.largest_member:
            self._big += 1
            self._big_size += found.size
            self._big_requests += 2 + count_parts(found.size, choose_part_size(found.size))
        else:
            self._bundled_files += 1
            self._bundled += 512 + -(-found.size // 512) * 512 + self._sealing

    def result(self, unchanged: int, failed: int) -> SyncPlan:
        """The sum."""
        bundled = self._bundled + 80 * self._bundled_files  # the index
        bundles = -(-bundled // self._options.bundle_size)
        parts = -(-bundled // self._part_size)
        return SyncPlan(
            files=self._files,
            size=self._size,
            removed=self._removed,
            unchanged=unchanged,
            bundles=bundles,
            big_files=self._big,
            requests=parts + 2 * bundles + self._big_requests,
            sent=bundled + self._big_size,
            failed=failed,
        )
