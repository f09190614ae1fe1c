"""The costs of a plan at the bucket: requests for parts, storage on both sides, and the days it takes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from aioglacier.bulk.archives.size_rules import choose_by_size
from aioglacier.bulk.formats import tar
from aioglacier.bulk.formats.folder_descriptions import read_description
from aioglacier.core.errors import MemoryLimitError
from aioglacier.core.limits import MIB, S3
from aioglacier.core.planning import smallest_part_size
from aioglacier.core.s3.objects import StorageClass

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aioglacier.bulk.archives.move_plan import ArchivePlan
    from aioglacier.bulk.archives.size_rules import SizeRule
    from aioglacier.catalog import ArchiveRecord
    from aioglacier.core.models import Archive, Tier
    from aioglacier.core.prices import Prices

    #: Gives the prices of a storage class in the bucket's region.
    ClassPrices = Callable[[StorageClass], Prices]

#: Parts of this size need few requests and keep several connections busy. A smaller archive is one request.
_GOOD_PART_SIZE: Final = 64 * MIB

#: A part of at most this share of the memory leaves room for the parts of other archives. An archive with
#: larger parts is carried alone.
SHARE: Final = 16

#: Bytes of a member beside its content and its description: a header, half a block of padding, and its line.
_MEMBER_ROOM: Final = tar.BLOCK + tar.BLOCK // 2 + 512


def choose_part_size(size: int, memory: int, *, has_scratch: bool = False) -> int:
    """Return the part size for an archive: large enough for S3's limit of parts, small enough for memory.

    Raises:
        MemoryLimitError: Two parts do not fit the memory, and there is no scratch folder.
    """
    needed = smallest_part_size(size, S3)
    # One part is sent while the next is fetched.
    if needed * 2 > memory and not has_scratch:
        raise MemoryLimitError(part_size=needed, memory_limit=memory)
    wanted = _GOOD_PART_SIZE
    while wanted > S3.min_part_size and wanted * SHARE > memory:
        wanted //= 2  # so each part stays a node of the archive's tree, with a hash from the vault
    return max(needed, wanted)


def bundle_capacity(memory: int) -> int:
    """Return the size of a bundle of small archives: that of a part, since one request sends it."""
    return choose_part_size(0, memory)


def is_bundled(archive: Archive, up_to: int) -> bool:
    """Return whether an archive goes into a bundle; one that ``sync`` or a stream made goes alone."""
    return archive.size <= up_to and "aioglacier" not in read_description(archive.description)


class Classes(NamedTuple):
    """The storage class of each object, by its size, and the prices of each class."""

    default: StorageClass
    rules: Sequence[SizeRule[StorageClass]]
    prices: ClassPrices

    def choose(self, size: int) -> StorageClass:
        """Return the class of an archive of this size."""
        return choose_by_size(self.rules, size, self.default)


class TargetCosts(NamedTuple):
    """The cost of archives beside their retrieval, by the price lists.

    Attributes:
        bundles: Objects that hold several small archives.
        requests: Requests that store them in the bucket.
        request_cost: The cost of those, and of the requests that look for the objects before and prove them.
        storing: Storage in the bucket for the minimum time of each class, which is charged in any case.
        month: A month of storage in the bucket.
        vault_month: A month of storage in the vault, which goes on until they are deleted there.
        early: The charge for those younger than 90 days, if they were deleted in the vault today.
        days: Days that the requests take at the pace of the plan.
    """

    bundles: int
    requests: int
    request_cost: float
    storing: float
    month: float
    vault_month: float
    early: float
    days: float


class CostMeter:
    """Adds up the costs of archives at a bucket; call ``count`` for each archive."""

    def __init__(
        self,
        vault: Prices,
        classes: Classes,
        memory: int,
        *,
        has_scratch: bool = False,
        bundle_up_to: int = 0,
    ) -> None:
        self._vault = vault
        self._classes = classes
        self._memory = memory
        self._has_scratch = has_scratch
        self._up_to = bundle_up_to
        self._bundles: dict[StorageClass, int] = {}  # the bytes of the bundle that is not full yet
        self._now = datetime.now(UTC)
        self._sums = TargetCosts(0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)

    def count_record(self, record: ArchiveRecord, tier: Tier | None) -> bool:
        """Add an archive, which takes a job; see ``Meter``."""
        del tier
        self.count(record.archive)
        return True

    def count(self, archive: Archive) -> None:
        """Add an archive."""
        size, sums = archive.size, self._sums
        try:
            part_size = choose_part_size(size, self._memory, has_scratch=self._has_scratch)
        except MemoryLimitError:  # the run reports it by name
            return
        self._sums = sums._replace(
            vault_month=sums.vault_month + self._vault.month(size, 1),
            early=sums.early + self._vault.early_deletion(size, (self._now - archive.created).days, 1),
        )
        storage_class = self._classes.choose(size)
        if is_bundled(archive, self._up_to):
            self._fill(storage_class, size + len(archive.description) + _MEMBER_ROOM)
        else:
            # A request begins the upload of parts, and one completes it.
            requests = 1 if size <= part_size else -(-size // part_size) + 2
            # S3 is asked for the key before the job, before parts are begun, and for the proof.
            self._add_object(storage_class, size, requests, heads=2 if requests == 1 else 3)

    def _fill(self, storage_class: StorageClass, size: int) -> None:
        """Add a member to the bundle of its class; once that is full, the next one begins."""
        filled = self._bundles.pop(storage_class, 0)
        if filled + size > bundle_capacity(self._memory):
            self._add_bundle(storage_class, filled)
            filled = 0
        self._bundles[storage_class] = filled + size

    def _add_bundle(self, storage_class: StorageClass, size: int) -> None:
        self._add_object(storage_class, size, 1, heads=2)
        self._add_object(StorageClass.STANDARD, 0, 1, heads=1)  # its sidecar
        self._sums = self._sums._replace(bundles=self._sums.bundles + 1)

    def _add_object(self, storage_class: StorageClass, size: int, requests: int, *, heads: int) -> None:
        sums, prices = self._sums, self._classes.prices(storage_class)
        self._sums = sums._replace(
            requests=sums.requests + requests,
            request_cost=sums.request_cost + prices.uploads(requests, 1) + prices.looking(heads=heads),
            storing=sums.storing + prices.storing(size),
            month=sums.month + prices.month(size, 1),
        )

    def total(self, plan: ArchivePlan, per_day: int) -> TargetCosts:
        """Return the sums, and add to the plan the costs of its run."""
        while self._bundles:
            self._add_bundle(*self._bundles.popitem())
        # The minimum storage is charged even if the object is deleted at once.
        plan.cost += self._sums.request_cost + self._sums.storing
        return self._sums._replace(days=(plan.size - plan.asked_size) / per_day)
