"""The records of folders, rebuilt from the vault itself when the catalog is lost.

An inventory names the bundles by their descriptions. The end of each says where its index is, and the index
lists its members. So only the last MiBs of a bundle are retrieved. Each archive is recorded as a ``sync`` of
the time when it was made, so newer versions come after older ones.

Some facts were only in the catalog and stay lost: removals, renames of stored content, later permissions and
times, attributes and holes of big files, and the names of big files that were encrypted.

If a later ``sync`` of the folder is on record, older archives are left out, because the version recorded last
is the current one. A new catalog takes all of them in their order.

A bundle counts once all of it is recorded. The next run removes the rest of a killed one, goes on with the
bundles that are not on record, and uses the jobs that exist.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aioglacier.bulk.formats.bundle_format import PART_SIZE, BundleTrailer
from aioglacier.bulk.formats.bundle_index import read_index
from aioglacier.bulk.formats.folder_descriptions import (
    bundle_folder,
    described_file,
    file_folder,
    read_description,
)
from aioglacier.bulk.places.any_place import as_folder_place
from aioglacier.bulk.restore.bundle_reader import BundleReader, tail_size
from aioglacier.bulk.settling import settle_folder
from aioglacier.catalog.folders.entry_records import BundleRecord, Entry
from aioglacier.catalog.records import ArchiveState
from aioglacier.core.errors import (
    ArchiveNotFoundError,
    ConfigurationError,
    GlacierError,
    IntegrityError,
    JobFailedError,
)
from aioglacier.core.models import Tier
from aioglacier.files.crashpoints import passing
from aioglacier.files.host import machine_name, user_name
from aioglacier.recorded.shard_locks import hold_all
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aioglacier.bulk.formats.age import Identities
    from aioglacier.catalog.folders.entry_records import RunNumber, TreeRecord
    from aioglacier.catalog.records import UploadNumber
    from aioglacier.client.buckets.bucket import Bucket
    from aioglacier.client.vault import Vault
    from aioglacier.core.models import Archive, ArchiveId
    from aioglacier.core.spending import Budget

#: No clock that a catalog was written by is further ahead.
_AHEAD: Final = timedelta(days=366)

#: Requests for a bundle in a bucket: its trailer and its index each take one for the facts and one for bytes,
#: at the same price.
_LOOKS: Final = 4


@dataclass(frozen=True, slots=True)
class RecoveryOptions:
    """The options of a recovery.

    Attributes:
        folder: Only bundles of this folder, and record them under its path; ``None`` for all, each under the
            path that it had.
        tier: The retrieval tier.
        identities: Secret keys for what is encrypted.
    """

    folder: str | None = None
    tier: Tier = Tier.STANDARD
    identities: Identities | None = None


@dataclass(frozen=True, slots=True)
class LargeFile:
    """A file that is an archive by itself."""

    archive: Archive
    folder: str  # the name of the folder that it is of
    tree: str  # the identity of that folder; "" if the description lacks it
    entry: Entry  # what its description says of it


@dataclass(frozen=True, slots=True)
class RecoveryPlan:
    """The archives that a recovery will read or record.

    Attributes:
        bundles: Bundles that are on no record as such.
        files: Archives of one file that are on no record.
        unnamed: Those that were encrypted, or have too long a path, so that their names are not known.
        jobs: Jobs to start, at least: a longer index takes another.
        retrieved: Bytes that they retrieve.
        cost: By the price list.
    """

    bundles: tuple[Archive, ...]
    files: tuple[LargeFile, ...]
    unnamed: tuple[Archive, ...]
    jobs: int
    retrieved: int
    cost: float


@dataclass(slots=True)
class Recovered:
    """The progress of a recovery, and its result.

    Attributes:
        bundles: Bundles that were read.
        members: Paths that they list.
        files: Archives of one file that were recorded.
        jobs_started: Jobs started.
        cost: What it cost so far, by the price list.
        damaged: Bundles that could not be read or are gone, with the error.
        homeless: Archives of one file of which nothing tells the folder.
        outdated: Archives from before a ``sync`` of their folder that is on record; they are left out.
        roots: The folders.
    """

    bundles: int = 0
    members: int = 0
    files: int = 0
    jobs_started: int = 0
    cost: float = 0.0
    damaged: list[tuple[ArchiveId, GlacierError]] = field(default_factory=list)
    homeless: list[ArchiveId] = field(default_factory=list)
    outdated: list[ArchiveId] = field(default_factory=list)
    roots: set[str] = field(default_factory=set)


class FolderRecovery:
    """One recovery of the records of a vault, to be run once.

    An inventory has to be in the catalog before. The index of one bundle is held in memory: about 60 bytes
    for each member, and its path.
    """

    def __init__(self, place: Vault | Bucket, budget: Budget, options: RecoveryOptions | None = None) -> None:
        self._done = Recovered()
        self._hosts: dict[str, str] = {}
        self._options = options or RecoveryOptions()
        self._place = as_folder_place(place)
        self._context = self._place.context
        self._budget = budget
        self._retriever = self._place.retriever(self._options.tier)
        self._reader = BundleReader(self._place, self._retriever)

    @property
    def done(self) -> Recovered:
        """The progress."""
        self._done.jobs_started, self._done.cost = self._retriever.started, self._budget.cost
        return self._done

    async def plan(self) -> RecoveryPlan:
        """Return the least that ``run`` would do; only lists and facts are asked for.

        Raises:
            CostLimitError: These cost more than is allowed.
        """
        async with self._context.spending(self._budget):
            found = await self._place.find_unrecorded()
        plan = await self._plan(found)
        cost = self._budget.cost + self._place.stock_cost(self._budget.prices)
        return replace(plan, cost=plan.cost + cost)

    async def _plan(self, unrecorded: Sequence[Archive] = ()) -> RecoveryPlan:
        bundles: list[Archive] = []
        files: list[LargeFile] = []
        unnamed: list[Archive] = []
        context = self._context
        found = context.catalog.archives.list_vault(context.key)
        # What a sync of this catalog made is on record.
        stored = [each async for each in found if each.upload is None and each.state is ArchiveState.STORED]
        for archive in [*unrecorded, *(record.archive for record in stored)]:
            fields = read_description(archive.description)
            if fields.get("aioglacier") == "bundle" and self._is_meant(fields.get("folder")):
                bundles.append(archive)
            elif fields.get("aioglacier") == "file" and self._is_file_meant(fields):
                entry = described_file(archive, fields)
                if entry is not None:
                    files.append(LargeFile(archive, fields["folder"], str(fields.get("tree", "")), entry))
                else:
                    unnamed.append(archive)
        bundles.sort(key=lambda archive: archive.created)  # in this order versions follow each other
        await self._retriever.look()
        to_ask = [size for each in bundles if (size := self._reader.missing_size(each))]
        prices = self._budget.prices
        cost = prices.retrieval(self._options.tier, sum(to_ask), len(to_ask))
        cost += prices.transfer_out(sum(map(tail_size, bundles)) - sum(to_ask))
        cost += prices.looking(heads=_LOOKS * len(bundles))
        return RecoveryPlan(tuple(bundles), tuple(files), tuple(unnamed), len(to_ask), sum(to_ask), cost)

    async def run(self) -> Recovered:
        """Learn what is in the vault, and record it. It may be stopped at any moment, and run again.

        Raises:
            ConfigurationError: Bundles are encrypted, and there is no key, or no folder was named.
            CostLimitError: It would cost more than is allowed. Nothing was asked for.
            GlacierError: What keeps the rest from being read. Damaged bundles are in ``done`` instead.
        """
        catalog = self._context.catalog
        for tree in await catalog.trees.list(self._context.key):
            await settle_folder(self._context, tree)  # what a kill has left
        async with self._context.spending(self._budget):
            await self._place.take_stock()
        plan = await self._plan()
        self._check_readable(plan)
        self._budget.check(plan.cost, "reading the ends of bundles")  # before the first job
        async with self._context.spending(self._budget):
            await self._read_all(plan)
        for tree in await catalog.trees.list(self._context.key):
            await catalog.bundles.drop_fruitless(tree)
        return self.done

    async def _read_all(self, plan: RecoveryPlan) -> None:
        asked: list[Archive] = []
        for archive in plan.bundles:
            try:
                await self._reader.ask(archive)  # all jobs first: each takes hours
                asked.append(archive)
            except ArchiveNotFoundError as error:
                self._done.damaged.append((archive.id, error))
        trailers: list[tuple[Archive, BundleTrailer]] = []
        for archive in asked:
            try:
                trailers.append((archive, await self._reader.read_trailer(archive)))
            except (IntegrityError, JobFailedError) as error:
                self._done.damaged.append((archive.id, error))
        homes = await self._find_homes(trailers)
        steps: list[tuple[Archive, BundleTrailer | LargeFile]] = [*trailers]
        steps += [(large.archive, large) for large in plan.files]
        # The version that is recorded last is the current one.
        for archive, what in sorted(steps, key=lambda step: step[0].created):
            root = homes.get(what.tree) if what.tree in homes else self._home(what, homes)
            if root is None:
                self._done.homeless.append(archive.id)
            elif await self._is_outdated(archive, what.tree, root):
                self._done.outdated.append(archive.id)
            elif isinstance(what, BundleTrailer):
                await self._record_bundle(archive, what, root)
            else:
                await self._record_file(what, root)

    async def _find_homes(self, trailers: list[tuple[Archive, BundleTrailer]]) -> dict[str, str | None]:
        """Return the path of each folder by its identity; ``None`` for one that is not selected."""
        known = await self._context.catalog.trees.list(self._context.key)
        self._hosts = {trailer.tree: trailer.host for _, trailer in trailers}
        roots = {tree.identity: tree.root for tree in known}
        roots |= {trailer.tree: trailer.root or "" for _, trailer in trailers}
        if self._options.folder is None:
            return dict(roots)
        wanted = _absolute(self._options.folder)
        found = [trailer.tree for _, trailer in trailers]  # oldest first
        named = [tree for tree in found if _is_path_of(roots[tree], wanted)]
        here = machine_name()[:16]  # a trailer has so much of the name
        named = [tree for tree in named if self._hosts.get(tree) in {here, ""}] or named
        if not named and len(set(found)) > 1:
            names = ", ".join(sorted({repr(roots[tree]) for tree in found}))
            raise ConfigurationError(f"no bundle is of {wanted!r}; there are bundles of {names}")
        chosen = (named or found or [""])[-1]
        return {tree: wanted if tree == chosen else None for tree in roots}

    def _is_meant(self, folder: object) -> bool:
        """Return whether a bundle is one of the folder that was named, as far as its description tells."""
        if self._options.folder is None or folder is None:
            return True
        return folder == bundle_folder(_absolute(self._options.folder))

    def _is_file_meant(self, fields: dict[str, Any]) -> bool:
        folder = self._options.folder
        return folder is None or "folder" not in fields or fields["folder"] == file_folder(_absolute(folder))

    def _home(self, what: BundleTrailer | LargeFile, homes: dict[str, str | None]) -> str | None:
        """Return the folder of a file that no bundle tells of: the named one, or the only one of its name."""
        if self._options.folder is not None:
            return _absolute(self._options.folder)
        if what.tree:  # of another folder than all bundles, maybe one with the same name on another machine
            return None
        name = what.folder if isinstance(what, LargeFile) else None
        fitting = {root for root in homes.values() if root and file_folder(root) == name}
        return fitting.pop() if len(fitting) == 1 else None  # rather none than the wrong folder

    def _check_readable(self, plan: RecoveryPlan) -> None:
        if all("folder" in read_description(archive.description) for archive in plan.bundles):
            return
        if self._options.identities is None:
            raise ConfigurationError(
                "there are encrypted bundles; give the file of a secret key that opens them with --identity"
            )
        if self._options.folder is None:
            raise ConfigurationError(
                "there are encrypted bundles, which do not tell of which folder they are; name it with "
                "--folder"
            )

    async def _is_outdated(self, archive: Archive, identity: str, root: str) -> bool:
        """Return whether a ``sync`` of the folder that began after the archive was made is on record."""
        runs = self._context.catalog.runs
        tree = await self._find_tree(identity, root)
        if tree is None:
            return False
        return await runs.find(tree, datetime.now(UTC) + _AHEAD) != await runs.find(tree, archive.created)

    async def _find_tree(self, identity: str, root: str) -> TreeRecord | None:
        """Return the folder on record with this identity, or else the one of its machine at this path."""
        trees = await self._context.catalog.trees.list(self._context.key)
        same = [tree for tree in trees if tree.identity == identity]
        same += [tree for tree in trees if tree.root == root and tree.host in {self._host(identity), ""}]
        return same[0] if same else None

    def _host(self, identity: str) -> str:
        """Return the machine of a folder; a folder that was named is one of this machine from now on."""
        found = self._hosts.get(identity, "") if self._options.folder is None else ""
        here = machine_name()
        return here if not found or here.startswith(found) else found

    async def _open_tree(self, identity: str, root: str) -> TreeRecord:
        trees, key = self._context.catalog.trees, self._context.key
        if (tree := await self._find_tree(identity, root)) is not None:
            return tree
        host, owner = self._host(identity), user_name()
        if not identity:
            return await trees.open(key, root, host=host, owner=owner)
        return await trees.adopt(key, identity, root, host=host, owner=owner)

    # --- recording

    async def _record_bundle(self, archive: Archive, trailer: BundleTrailer, root: str) -> None:
        async def record(tree: TreeRecord, run: RunNumber, upload: UploadNumber) -> int:
            pages = read_index(
                index, trailer, tree=tree.number, run=run, upload=upload, identities=self._options.identities
            )
            size = 0
            while (page := await run_in_thread(partial(next, pages, None))) is not None:
                size += sum(entry.size for entry in page)
                await self._context.catalog.entries.add(page)
            bundle = BundleRecord(
                upload,
                "tar",
                trailer.compression,
                trailer.encryption,
                trailer.members,
                size,
                trailer.index_position,
                trailer.index_size,
            )
            await self._context.catalog.bundles.record(tree, run, bundle)
            return trailer.members

        try:
            index = await self._reader.read_index(archive, trailer)
            is_sealed = trailer.encryption is not None
            await self._record(archive, trailer.tree, root, record, is_bundle=True, is_sealed=is_sealed)
        except (IntegrityError, JobFailedError) as error:
            self._done.damaged.append((archive.id, error))
            return
        self._done.bundles += 1
        self._done.members += trailer.members

    async def _record_file(self, large: LargeFile, root: str) -> None:
        async def record(tree: TreeRecord, run: RunNumber, upload: UploadNumber) -> int:
            entry = large.entry._replace(tree=tree.number, since=run, upload=upload)
            await self._context.catalog.entries.add([entry])
            return 1

        await self._record(large.archive, large.tree, root, record)
        self._done.files += 1

    async def _record(
        self,
        archive: Archive,
        identity: str,
        root: str,
        record: Callable[[TreeRecord, RunNumber, UploadNumber], Awaitable[int]],
        *,
        is_bundle: bool = False,
        is_sealed: bool = False,
    ) -> None:
        """Record what an archive has as a ``sync`` that made it; all of it counts at once."""
        key, catalog = self._context.key, self._context.catalog
        uploads = catalog.uploads
        identities = self._options.identities
        names = sorted(identities.names or ()) if is_sealed and identities is not None else []
        async with hold_all(catalog, key, root):  # no sync of the folder may run meanwhile
            tree = await self._open_tree(identity, root)
            settings = {"recovered": archive.id, "recipients": names, "is_encrypted": is_sealed}
            run = await catalog.runs.begin(tree, "sync", settings, started=archive.created)
            upload = await uploads.record_intent(
                key,
                part_size=PART_SIZE,
                description=archive.description,
                target=self._place.target_of(archive.id),
            )
            async with catalog.lock_source(key, upload.nonce):  # or it would be taken for a dead one
                await catalog.bundles.record(tree, run, BundleRecord(upload.number, "file", None, None, 1))
                try:
                    members = await record(tree, run, upload.number)
                except IntegrityError:
                    await uploads.record_failed(upload, "its index cannot be read")
                    await catalog.bundles.drop(upload.number)
                    await catalog.runs.end(tree, run, counters={}, outcome="its index cannot be read")
                    raise
                passing("upload intent recorded")
                upload = await uploads.record_completing(
                    upload, size=archive.size, tree_hash=archive.tree_hash
                )
                passing("completing recorded")
                # Last, so that a kill before leaves no version that counts.
                await uploads.record_completed(upload, archive)
                passing("archive recorded")
            if is_bundle:
                await catalog.bundles.finish(upload.number)
            await catalog.runs.end(tree, run, counters={"archived": members})
        self._done.roots.add(root)


def _absolute(folder: str) -> str:
    return os.path.realpath(folder)


def _is_path_of(root: str, wanted: str) -> bool:
    """Return whether a folder is at a path; a trailer may have only the end of a long path."""
    return root == wanted or (bool(root) and not root.startswith("/") and wanted.endswith(root))
