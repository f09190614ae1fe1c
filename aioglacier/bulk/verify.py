"""A folder, the catalog and the vault held against each other.

- The folder against the catalog: every file is read and hashed, unless only times are to be looked at. A file
  with another content and the same size and time as on record has rotted on its disk.
- The catalog against the inventories that were merged into it: archives that a later inventory does not list,
  or lists otherwise.
- The vault against the catalog: as many MiB as asked for, chosen by chance, are retrieved and compared with
  the hashes that were kept when they were sent. Each is a job, to be paid for.
"""

from __future__ import annotations

import os
import secrets
import stat
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio

from aioglacier.bulk.findings import Finding, Trouble
from aioglacier.bulk.pricing import check_cost
from aioglacier.bulk.settling import mend_folder, outcome_of
from aioglacier.bulk.sync.compare import show_path
from aioglacier.bulk.sync.folder_files import hash_file
from aioglacier.bulk.sync.scan import Scan, signed
from aioglacier.bulk.vault_sample import VaultSample
from aioglacier.catalog.archives import INVENTORY_ALLOWANCE
from aioglacier.catalog.folders.entries import Expense
from aioglacier.catalog.records import ArchiveState
from aioglacier.core.errors import ConfigurationError, UnsafePathError
from aioglacier.core.limits import LEAF_SIZE
from aioglacier.core.models import Tier
from aioglacier.files.beneath import Beneath
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from datetime import datetime

    from aioglacier.bulk.formats.age import Identities
    from aioglacier.bulk.pricing import Prices
    from aioglacier.catalog import ArchiveRecord
    from aioglacier.catalog.folders.entries import StoredEntry, TreeRecord
    from aioglacier.client.vault import Vault


_FILES_AT_ONCE: Final = 200

_FORMATS: Final = {
    "file": stat.S_IFREG,
    "hardlink": stat.S_IFREG,
    "directory": stat.S_IFDIR,
    "symlink": stat.S_IFLNK,
}


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """How thorough.

    Attributes:
        reads_files: Read and hash every file; otherwise sizes and times are compared.
        sample: MiB to retrieve and compare.
        tier: How fast and how dear.
        max_cost: Refuse what costs more.
        seed: Chooses the sample; the same seed of the same archives, the same sample. ``None`` goes on with
            that of a run that was stopped, or takes another.
        identities: Secret keys, to decrypt what lies whole in the sample.
    """

    reads_files: bool = True
    sample: int = 0
    tier: Tier = Tier.STANDARD
    max_cost: float | None = None
    seed: int | None = None
    identities: Identities | None = None


@dataclass(frozen=True, slots=True)
class VerifySnapshot:
    """How far it is.

    Attributes:
        files: Paths compared.
        size: Bytes read here.
        unarchived: Paths that are not on record yet.
        archives: Archives compared with inventories.
        sampled: MiB that came back as they were sent.
        opened: Encrypted files in them that were decrypted, and are what was archived.
        troubles: How many findings there are.
        cost: Of the jobs started, by the price list.
    """

    files: int
    size: int
    unarchived: int
    archives: int
    sampled: int
    opened: int
    troubles: int
    cost: float


@dataclass(slots=True)
class _Counts:
    files: int = 0
    size: int = 0
    unarchived: int = 0
    archives: int = 0
    findings: list[Finding] = field(default_factory=list)


class FolderVerify:
    """One comparison, to be run once; ``snapshot`` shows how far it is."""

    def __init__(
        self,
        vault: Vault,
        directory: str | os.PathLike[str],
        prices: Prices,
        options: VerifyOptions | None = None,
    ) -> None:
        self._options = options or VerifyOptions()
        self._context = vault.context.recorded()
        self._root = os.path.realpath(os.fsdecode(directory))
        self._prices = prices
        self._counts = _Counts()
        self._sample = VaultSample(
            vault,
            prices,
            self._counts.findings,
            size=self._options.sample,
            tier=self._options.tier,
            identities=self._options.identities,
        )

    @property
    def findings(self) -> list[Finding]:
        """What is not as it should be, so far."""
        return self._counts.findings

    def snapshot(self) -> VerifySnapshot:
        """The counters now."""
        counts = self._counts
        return VerifySnapshot(
            counts.files,
            counts.size,
            counts.unarchived,
            counts.archives,
            self._sample.sampled,
            self._sample.opened,
            len(counts.findings),
            self._sample.cost,
        )

    def sample_cost(self) -> float:
        """What the sample costs at most, by the price list."""
        sample = self._options.sample
        return self._prices.retrieval(self._options.tier, sample * LEAF_SIZE, sample)

    async def run(self) -> VerifySnapshot:
        """Compare; what is found is in ``findings``.

        Raises:
            ConfigurationError: The folder is not kept in this vault.
            CostLimitError: The sample would cost more than is allowed. Nothing was asked for.
            GlacierError: Something could not be asked.
        """
        check_cost(self.sample_cost(), self._options.max_cost, self._prices, "this sample")
        catalog = self._context.catalog
        trees = await catalog.trees.list(self._context.place)
        tree = next((tree for tree in trees if tree.root == self._root), None)
        if tree is None:
            raise ConfigurationError(
                f"the catalog knows nothing of {self._root!r} in vault {self._context.name!r}; 'sync' "
                "takes it there"
            )
        await mend_folder(self._context, tree)
        seed = await self._choose_seed(tree)
        settings = {"sample": self._options.sample, "seed": seed}
        run = await catalog.runs.begin(tree, "verify", settings)
        try:
            await self._compare_files(tree)
            archives = await self._compare_archives(tree)
            if self._options.sample:
                await self._sample.compare(tree, archives, seed)
        except BaseException as error:
            with anyio.move_on_after(5, shield=True):
                outcome = outcome_of(error)
                await catalog.runs.end(tree, run, counters=self._told(), outcome=outcome, spent=self._spent())
            raise
        await catalog.runs.end(tree, run, counters=self._told(), spent=self._spent())
        return self.snapshot()

    async def _choose_seed(self, tree: TreeRecord) -> int:
        """That of a run which was stopped, so that the jobs that it paid for are used."""
        if self._options.seed is not None:
            return self._options.seed
        stopped = await self._context.catalog.runs.stopped_settings(tree, "verify")
        if stopped.get("sample") == self._options.sample and isinstance(stopped.get("seed"), int):
            return int(stopped["seed"])
        return secrets.randbits(32)

    def _spent(self) -> Expense:
        sample = self._sample
        return Expense("InitiateJob", sample.jobs, price=sample.cost, currency=self._prices.currency)

    def _told(self) -> dict[str, Any]:
        snapshot = self.snapshot()
        return {name: getattr(snapshot, name) for name in VerifySnapshot.__dataclass_fields__}

    def _find(self, trouble: Trouble, what: str) -> None:
        self._counts.findings.append(Finding(trouble, what))

    # --- the folder

    async def _compare_files(self, tree: TreeRecord) -> None:
        known = 0
        async for page in self._context.catalog.entries.stored(tree):
            known += len(page)
            for at in range(0, len(page), _FILES_AT_ONCE):
                await run_in_thread(partial(self._compare_some, page[at : at + _FILES_AT_ONCE]))
        found = await run_in_thread(lambda: sum(1 for _ in Scan(os.fsencode(self._root))))
        missing = sum(finding.trouble is Trouble.MISSING for finding in self.findings)
        self._counts.unarchived = max(0, found - (known - missing))

    def _compare_some(self, page: list[StoredEntry]) -> None:
        with Beneath(os.fsencode(self._root)) as beneath:
            for stored in page:
                self._counts.files += 1
                try:
                    trouble = self._compare_path(stored, beneath)
                except FileNotFoundError:
                    trouble = Trouble.MISSING
                except (OSError, UnsafePathError):
                    trouble = Trouble.UNREADABLE
                if trouble is not None:
                    self._find(trouble, show_path(stored.entry.path))

    def _compare_path(self, stored: StoredEntry, beneath: Beneath) -> Trouble | None:
        entry = stored.entry
        if not entry.path:
            return None if os.fstat(beneath.fd).st_mode & 0o7777 == entry.mode else Trouble.CHANGED
        fd, name = beneath.parent(entry.path)
        status = os.stat(name, dir_fd=fd, follow_symlinks=False)
        if stat.S_IFMT(status.st_mode) != _FORMATS[entry.kind]:
            return Trouble.CHANGED
        match entry.kind:
            case "symlink":
                return None if os.readlink(name, dir_fd=fd) == entry.target else Trouble.CHANGED
            case "directory":
                return None if status.st_mode & 0o7777 == entry.mode else Trouble.CHANGED
            case "hardlink":
                other_fd, other = beneath.parent(entry.target or b"")
                target = os.stat(other, dir_fd=other_fd, follow_symlinks=False)
                return None if os.path.samestat(status, target) else Trouble.CHANGED
        is_as_it_was = (status.st_size, status.st_mtime_ns) == (entry.size, entry.mtime_ns)
        if not self._options.reads_files:
            same = is_as_it_was and signed(status.st_ino) == entry.inode
            return None if same else Trouble.CHANGED
        actual = hash_file(self._root, entry.path)
        self._counts.size += status.st_size
        if actual == (entry.content_hash or stored.archive_hash):
            return None
        return Trouble.ROTTEN if is_as_it_was else Trouble.CHANGED

    # --- the catalog

    async def _compare_archives(self, tree: TreeRecord) -> list[ArchiveRecord]:
        catalog, place = self._context.catalog, self._context.place
        inventoried = (await catalog.archives.totals(place)).inventoried
        archives: list[ArchiveRecord] = []
        for number in await catalog.entries.uploads_of(tree):
            upload = await catalog.uploads.get_number(number)
            record = await catalog.archives.get(place, upload.archive_id) if upload.archive_id else None
            if record is None:
                continue
            archives.append(record)
            self._counts.archives += 1
            if record.state is not ArchiveState.STORED:
                self._find(Trouble.SUSPECT, record.archive.id)
            elif _should_be_listed(record, inventoried):
                self._find(Trouble.UNLISTED, record.archive.id)
        return archives


def _should_be_listed(record: ArchiveRecord, inventoried: datetime | None) -> bool:
    """Whether an archive that the last inventory does not list is old enough to be missed."""
    if inventoried is None or record.archive.created >= inventoried - INVENTORY_ALLOWANCE:
        return False
    return record.seen is None or record.seen < inventoried
