"""Compares a folder, the catalog and the vault.

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
from contextlib import AsyncExitStack, closing, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio

from aioglacier.bulk.file_hashes import FolderHashes
from aioglacier.bulk.filters import make_filter
from aioglacier.bulk.findings import Finding, Trouble
from aioglacier.bulk.path_runs import READERS, HashCall, PathRun, hash_all
from aioglacier.bulk.places.any_place import as_folder_place
from aioglacier.bulk.settling import drop_fruitless_versions, recording_run
from aioglacier.bulk.sync.compare import show_path
from aioglacier.bulk.sync.folder_files import OPEN, hash_opened
from aioglacier.bulk.sync.scan import SPECIAL_KINDS, Scan, ScanRules, signed
from aioglacier.bulk.vault_sample import VaultSample
from aioglacier.catalog.folders.entry_records import Standing, storable_time
from aioglacier.catalog.inventories.inventory_merge import INVENTORY_ALLOWANCE
from aioglacier.catalog.records import ArchiveState
from aioglacier.core.errors import ConfigurationError, UnsafePathError, VaultNotFoundError
from aioglacier.core.models import Tier
from aioglacier.files.beneath import Beneath
from aioglacier.files.host import machine_name
from aioglacier.recorded.shard_locks import hold_shard
from aioglacier.tasks.groups import first_cause
from aioglacier.tasks.shard import WHOLE, Shard
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from datetime import datetime

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from aioglacier.bulk.formats.age import Identities
    from aioglacier.bulk.sync.scan import Found
    from aioglacier.catalog import ArchiveRecord
    from aioglacier.catalog.folders.entry_records import Entry, StoredEntry, TreeRecord
    from aioglacier.client.buckets.bucket import Bucket
    from aioglacier.client.vault import Vault
    from aioglacier.core.spending import Budget


#: Paths of one run, and runs that wait until their files are hashed.
_PATHS_AT_ONCE: Final = 1000
_RUNS_AHEAD: Final = 2

_FORMATS: Final = {
    "file": stat.S_IFREG,
    "hardlink": stat.S_IFREG,
    "directory": stat.S_IFDIR,
    "symlink": stat.S_IFLNK,
}


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """The options of a comparison.

    Attributes:
        host: The machine that the folder belongs to; ``None`` for this one.
        reads_files: Read and hash every file; otherwise sizes and times are compared.
        sample: MiB to retrieve and compare.
        tier: The retrieval tier.
        seed: Chooses the sample: the same seed chooses the same of the same archives. ``None`` goes on with
            the sample of a stopped run, or takes another.
        identities: Secret keys that decrypt files which lie whole in the sample.
        shard: The share of the comparison that this process does: of paths, archives and sample.
    """

    host: str | None = None
    reads_files: bool = True
    sample: int = 0
    tier: Tier = Tier.STANDARD
    seed: int | None = None
    identities: Identities | None = None
    shard: Shard = WHOLE


@dataclass(frozen=True, slots=True)
class VerifySnapshot:
    """The progress of a comparison.

    Attributes:
        files: Paths compared.
        size: Bytes read here.
        unarchived: Paths that are not on record yet.
        archives: Archives compared with inventories.
        sampled: MiB that came back as they were sent.
        opened: Encrypted files in the sample that were decrypted and match the record.
        troubles: The number of findings.
        cost: What it cost so far, by the price list.
        workers: Tasks that other processes do at once.
    """

    files: int
    size: int
    unarchived: int
    archives: int
    sampled: int
    opened: int
    troubles: int
    cost: float
    workers: int


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
        place: Vault | Bucket,
        directory: str | os.PathLike[str],
        budget: Budget,
        options: VerifyOptions | None = None,
    ) -> None:
        options = options or VerifyOptions()
        self._options = options = replace(options, sample=options.shard.part_of(options.sample))
        self._place = as_folder_place(place)
        self._context = self._place.context
        self._root = os.path.realpath(os.fsdecode(directory))
        self._budget = budget
        self._counts = _Counts()
        runner = self._context.resources.runner
        self._hashes = FolderHashes(runner, self._root) if runner is not None else None
        self._read_here = 0  # bytes of files that this process was given to read
        self._unproven: set[bytes] = set()
        self._ahead = _Ahead(iter(()), self._unproven)
        self._sample = VaultSample(
            self._context,
            self._place.retriever(self._options.tier),
            self._counts.findings,
            size=options.sample,
            identities=options.identities,
        )

    @property
    def findings(self) -> list[Finding]:
        """The findings so far."""
        return self._counts.findings

    def snapshot(self) -> VerifySnapshot:
        """The counters now."""
        counts = self._counts
        return VerifySnapshot(
            counts.files,
            counts.size + (self._hashes.size if self._hashes is not None else 0),
            counts.unarchived,
            counts.archives,
            self._sample.sampled,
            self._sample.opened,
            len(counts.findings),
            self._budget.cost,
            max(self._hashes.workers if self._hashes is not None else 0, self._sample.workers),
        )

    async def sample_cost(self) -> float:
        """Return the most that the sample can cost, by the price list."""
        options = self._options
        return await self._place.sample_cost(self._budget.prices, options.tier, options.sample)

    async def run(self) -> VerifySnapshot:
        """Compare; what is found is in ``findings``.

        Raises:
            ConfigurationError: The folder is not kept in this vault.
            CostLimitError: The sample would cost more than is allowed. Nothing was asked for.
            GlacierError: A request failed.
        """
        self._budget.check(await self.sample_cost(), "this sample")  # before hours of reading
        catalog, key = self._context.catalog, self._context.key
        tree = await catalog.trees.find(key, self._root, self._options.host or machine_name())
        if tree is None:
            known = ", ".join(f"{tree.root!r} of {tree.host}" for tree in await catalog.trees.list(key))
            raise ConfigurationError(
                f"the catalog knows nothing of {self._root!r} in vault {self._context.name!r}; it knows "
                f"{known or 'no folder there'}. 'sync' takes a folder to a vault"
            )
        with suppress(VaultNotFoundError):  # what was in it is in doubt now, and reported file by file
            await self._place.look()
        await drop_fruitless_versions(self._context, tree)
        identities = self._options.identities
        recipients = await catalog.runs.recipients(tree)
        if self._options.sample and identities is not None and recipients and not identities.fit(recipients):
            raise ConfigurationError(
                f"{tree.root!r} was encrypted to {', '.join(recipients)}, and no identity given is one of "
                "theirs; nothing was asked for"
            )
        seed = await self._choose_seed(tree)  # a stopped run goes on with the archives that it has paid for
        shard = self._options.shard
        settings: dict[str, Any] = {"sample": self._options.sample, "seed": seed}
        settings |= {"shard": str(shard)} if shard.count > 1 else {}
        async with AsyncExitStack() as stack:
            if shard.count > 1:  # so that all have the same number, and none is left out
                work = f"verify {self._root}"
                await stack.enter_async_context(hold_shard(catalog, key, work, shard, _begin))
            run = recording_run(self._context, tree, "verify", settings, lambda: asdict(self.snapshot()))
            await stack.enter_async_context(run)
            await self._find_unproven(tree)
            await self._compare_files(tree)
            archives = await self._compare_archives(tree)
            if self._options.sample:
                async with self._context.spending(self._budget):
                    await self._sample.compare(tree, archives, seed)
                await self._find_unproven(tree)  # an archive of the sample may turn out to be gone
        return self.snapshot()

    async def _choose_seed(self, tree: TreeRecord) -> int:
        """Return the seed of a stopped run, so that the jobs that it paid for are used, or a new one."""
        if self._options.seed is not None:
            return self._options.seed
        stopped = await self._context.catalog.runs.stopped_settings(tree, "verify", self._options.shard)
        if stopped.get("sample") == self._options.sample and isinstance(stopped.get("seed"), int):
            return int(stopped["seed"])
        return secrets.randbits(32)

    def _find(self, trouble: Trouble, what: str) -> None:
        self._counts.findings.append(Finding(trouble, what))

    # --- the folder

    async def _compare_files(self, tree: TreeRecord) -> None:
        settings = await self._context.catalog.runs.last_settings(tree)
        path_filter = make_filter(settings.get("exclude", ()), settings.get("include", ()))
        scan = Scan(os.fsencode(self._root), path_filter, ScanRules.of(settings))
        shard = self._options.shard
        self._ahead = _Ahead((found for found in scan if shard.has(found.path)), self._unproven)
        give, runs = anyio.create_memory_object_stream[PathRun](_RUNS_AHEAD)
        ask, calls = anyio.create_memory_object_stream[HashCall](0)
        with first_cause():
            async with anyio.create_task_group() as tasks, runs:
                tasks.start_soon(self._look_at_all, tree, give, ask)
                for _ in range(READERS):
                    tasks.start_soon(hash_all, self._root, calls.clone())
                calls.close()
                if self._hashes is not None:
                    await self._hashes.hash(self._judge_all(tree, runs), self._take)
                else:
                    async for _ in self._judge_all(tree, runs):
                        raise AssertionError("this process reads every file")
        for found in await run_in_thread(self._ahead.rest):
            self._note_unarchived(found)

    async def _look_at_all(
        self, tree: TreeRecord, give: MemoryObjectSendStream[PathRun], ask: MemoryObjectSendStream[HashCall]
    ) -> None:
        """Look at all paths, and have their files hashed."""
        async with give, ask:
            async for stored_page in self._context.catalog.entries.stored(tree):
                page = [stored for stored in stored_page if self._options.shard.has(stored.entry.path)]
                for at in range(0, len(page), _PATHS_AT_ONCE):
                    run = await run_in_thread(partial(self._look_at_some, page[at : at + _PATHS_AT_ONCE]))
                    calls = run.calls()
                    await give.send(run)
                    for call in calls:
                        await ask.send(call)

    def _look_at_some(self, page: Sequence[StoredEntry]) -> PathRun:
        reads = self._options.reads_files
        run = PathRun(is_read_here=not self._is_spread())
        for stored in page:
            entry = stored.entry
            run.steps += [(None, found) for found in self._ahead.up_to(entry.path)]
            found = self._ahead.found
            run.steps.append((stored, found))
            is_file = found is not None and found.kind == entry.kind == "file"
            if reads and is_file and found is not None and found.size == entry.size and run.is_read_here:
                run.add_file(entry.path, entry.size)
                self._read_here += entry.size
        return run

    def _is_spread(self) -> bool:
        """Whether so much is read here that other processes pay."""
        return self._hashes is not None and self._read_here >= self._hashes.runner.smallest

    async def _judge_all(
        self, tree: TreeRecord, runs: MemoryObjectReceiveStream[PathRun]
    ) -> AsyncIterator[StoredEntry]:
        """Compare all paths; yield the files that other processes are to read."""
        async for run in runs:
            await run.wait_until_hashed()
            for stored in await run_in_thread(partial(self._judge_some, run)):
                yield stored
            for known, _ in run.steps:
                if known is not None and known.entry.kind == "hardlink":
                    await self._compare_link(tree, known.entry)

    def _judge_some(self, run: PathRun) -> list[StoredEntry]:
        """Compare the paths of a run; return those that another process is to read."""
        unread = []
        with closing(Beneath(os.fsencode(self._root))) as beneath:
            for stored, found in run.steps:
                if stored is None:
                    if found is not None:
                        self._note_unarchived(found)
                    continue
                self._counts.files += 1
                if found is not None and self._is_as_recorded(stored, found, run):
                    if stored.is_older:
                        self._find(Trouble.OUTDATED, show_path(stored.entry.path))
                elif self._compare_one(stored, beneath, reads=run.is_read_here):
                    unread.append(stored)
        return unread

    def _is_as_recorded(self, stored: StoredEntry, found: Found, run: PathRun) -> bool:
        """Return whether scan and hash show that nothing changed; if not, the path is looked at by itself."""
        entry = stored.entry
        if found.kind != entry.kind:
            return False
        if entry.kind == "directory":
            return found.mode == entry.mode
        if entry.kind != "file":
            return False
        if not self._options.reads_files:
            facts = (found.size, found.mtime_ns, found.inode)
            return facts == (entry.size, entry.mtime_ns, entry.inode)
        actual = run.hash_of(entry.path)
        if actual is None or actual != (entry.content_hash or stored.archive_hash):
            return False
        self._counts.size += entry.size
        return True

    async def _take(self, stored: StoredEntry, actual: bytes | None) -> None:
        """Judge the hash that another process made of a file."""
        if actual != (stored.entry.content_hash or stored.archive_hash):
            await run_in_thread(partial(self._compare_here, stored))  # before anything is said of it
        elif stored.is_older:
            self._find(Trouble.OUTDATED, show_path(stored.entry.path))

    async def _find_unproven(self, tree: TreeRecord) -> None:
        """Report the paths on record that no proven archive has, each once."""
        async for page in self._context.catalog.entries.unproven(tree):
            for entry, standing in page:
                if entry.path in self._unproven or not self._options.shard.has(entry.path):
                    continue
                self._unproven.add(entry.path)  # the look at the sample may find it again
                lost = Trouble.AWAITED if standing is Standing.AWAITED else Trouble.LOST
                self._find(lost, show_path(entry.path))

    async def _compare_link(self, tree: TreeRecord, link: Entry) -> None:
        """Report a hard link whose file was archived again since: it is recorded with the old content."""
        target = await self._context.catalog.entries.stored_at(tree, link.target or b"", None)
        if target is None or target.entry.since > link.since:
            self._find(Trouble.CHANGED, show_path(link.path))

    def _note_unarchived(self, found: Found) -> None:
        self._counts.unarchived += 1
        special = f" ({SPECIAL_KINDS[found.kind]})" if found.kind in SPECIAL_KINDS else ""
        self._find(Trouble.UNARCHIVED, show_path(found.path) + special)

    def _compare_here(self, stored: StoredEntry) -> None:
        with closing(Beneath(os.fsencode(self._root))) as beneath:
            self._compare_one(stored, beneath, reads=True)

    def _compare_one(self, stored: StoredEntry, beneath: Beneath, *, reads: bool) -> bool:
        """Compare a path, and report what is wrong; return whether its bytes have still to be read."""
        try:
            trouble = self._compare_path(stored, beneath, reads=reads)
        except _Unread:
            return True
        except (FileNotFoundError, UnsafePathError):  # a folder above may be a file or a link now
            trouble = Trouble.MISSING
        except OSError:
            trouble = Trouble.UNREADABLE
        if trouble is None and stored.is_older:
            trouble = Trouble.OUTDATED
        if trouble is not None:
            self._find(trouble, show_path(stored.entry.path))
        return False

    def _compare_path(self, stored: StoredEntry, beneath: Beneath, *, reads: bool) -> Trouble | None:
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
                try:
                    other_fd, other = beneath.parent(entry.target or b"")
                    target = os.stat(other, dir_fd=other_fd, follow_symlinks=False)
                except (OSError, UnsafePathError):  # the other name has its own finding
                    return Trouble.CHANGED
                return None if os.path.samestat(status, target) else Trouble.CHANGED
        is_as_it_was = (status.st_size, storable_time(status.st_mtime_ns)) == (entry.size, entry.mtime_ns)
        if not self._options.reads_files:
            # A file that was replaced has another inode.
            same = is_as_it_was and signed(status.st_ino) == entry.inode
            return None if same else Trouble.CHANGED
        if not reads and status.st_size == entry.size:
            raise _Unread
        opened = os.open(name, OPEN, dir_fd=fd)
        try:
            actual = hash_opened(opened)
        finally:
            os.close(opened)
        self._counts.size += status.st_size
        if actual == (entry.content_hash or stored.archive_hash):
            return None
        return Trouble.ROTTEN if is_as_it_was else Trouble.CHANGED  # bytes that change without a write

    # --- the catalog

    async def _compare_archives(self, tree: TreeRecord) -> list[ArchiveRecord]:
        catalog, key = self._context.catalog, self._context.key
        inventoried = (await catalog.archives.totals(key)).inventoried
        archives: list[ArchiveRecord] = []
        for number in await catalog.entries.uploads_of(tree):
            upload = await catalog.uploads.get(number)
            record = await catalog.archives.get(key, upload.archive_id) if upload.archive_id else None
            if record is None or not self._options.shard.has(record.archive.id):
                continue
            if record.state is ArchiveState.DELETED:
                continue  # files that it had and no other has are reported by name
            self._counts.archives += 1
            if record.state is not ArchiveState.STORED:
                self._find(Trouble.SUSPECT, record.archive.id)
                continue
            archives.append(record)
            if _should_be_listed(record, inventoried):
                self._find(Trouble.UNLISTED, record.archive.id)
        return archives


async def _begin(_former: object) -> None:
    """Prepare nothing: shards only read."""


class _Unread(Exception):  # noqa: N818  # it says who reads a file, and is no error
    """The bytes of a file are for another process to read."""


class _Ahead:
    """The scan of the folder beside the record, both in the order of paths.

    Attributes:
        found: What the scan found at the last path of ``up_to``; ``None`` for nothing.
    """

    def __init__(self, scan: Iterator[Found], reported: set[bytes]) -> None:
        self._scan = scan
        self._reported = reported
        self._next = next(scan, None)
        self.found: Found | None = None

    def up_to(self, path: bytes) -> Iterator[Found]:
        """Yield what lies before a path on record and is not on record itself; ``found`` is at the path."""
        self.found = None
        while self._next is not None and self._next.path <= path:  # both come in the order of paths
            if self._next.path == path:
                self.found = self._next
            elif self._next.path not in self._reported:
                yield self._next
            self._next = next(self._scan, None)

    def rest(self) -> list[Found]:
        """Return what lies behind the last path on record."""
        found = [self._next] if self._next is not None else []
        return [each for each in (*found, *self._scan) if each.path not in self._reported]


def _should_be_listed(record: ArchiveRecord, inventoried: datetime | None) -> bool:
    """Return whether an archive that the last inventory does not list is old enough to be missed."""
    if inventoried is None or inventoried - record.archive.created <= INVENTORY_ALLOWANCE:
        return False
    return record.seen is None or record.seen < inventoried
