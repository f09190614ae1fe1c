"""Stores small archives together: a bundle is one object, and its index keeps what identifies each archive.

A bundle has the format of those that ``sync`` makes, without compression, so ``restore`` and ``tar`` read it.
It is made in one buffer and sent by one request. An archive enters it only if its bytes have the tree hash of
the inventory, and S3 compares the SHA-256 of the whole on arrival. The catalog records the members before the
request, so after a kill the object's head decides about all of them.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import anyio

from aioglacier.bulk.archives.archive_restore import as_file
from aioglacier.bulk.archives.job_bytes import JobBytes
from aioglacier.bulk.formats import tar
from aioglacier.bulk.formats.bundle_layout import BundleLayout
from aioglacier.bulk.formats.bundle_sidecar import SIDECAR_SUFFIX, BundleFacts, encode_facts
from aioglacier.bulk.formats.folder_descriptions import describe_bundle, name_bundle
from aioglacier.bulk.settling import outcome_of
from aioglacier.catalog.records import MovedBundle, MoveState
from aioglacier.core.errors import (
    AccessDeniedError,
    GlacierError,
    IntegrityError,
    ObjectConflictError,
    ObjectExistsError,
)
from aioglacier.core.limits import MIB
from aioglacier.core.ranges import ByteRange
from aioglacier.core.s3.moved_metadata import VAULT
from aioglacier.core.s3.objects import DESCRIPTION_NAME, ChecksumAlgorithm, ObjectChecksum
from aioglacier.core.spending import charging
from aioglacier.core.treehash import hash_part
from aioglacier.files.crashpoints import passing
from aioglacier.migrate.move_costs import bundle_capacity, is_bundled
from aioglacier.migrate.move_manifest import write_line
from aioglacier.migrate.moved_sidecar import store_sidecar
from aioglacier.migrate.object_proof import bundle_metadata, find_difference
from aioglacier.tasks.groups import first_cause
from aioglacier.tasks.threads import run_in_thread
from aioglacier.transfer.object_store import ObjectStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.catalog.records import MovedRecord
    from aioglacier.core.s3.objects import StorageClass
    from aioglacier.migrate.bucket_target import BucketMove
    from aioglacier.transfer.budget.buffers import PartBuffer
    from aioglacier.transfer.download.retrieval_source import GlacierOutput

#: Attempts for one archive whose bytes come damaged.
_TRIES: Final = 3

#: A bundle that is not full is stored after so long: the outputs in it live for a day.
_OLDEST_SECONDS: Final = 3600.0
_LOOK_SECONDS: Final = 60.0


class _Draft:
    """A bundle that is being filled."""

    def __init__(self, buffer: PartBuffer, storage_class: StorageClass) -> None:
        self.buffer = buffer
        self.storage_class = storage_class
        self.layout = BundleLayout(buffer.size)
        self.members: list[tuple[MovedRecord, int]] = []
        self.since = anyio.current_time()

    def add(self, moved: MovedRecord, content: memoryview) -> bool:
        """Add an archive; return ``False`` if it does not fit any more."""
        archive, at = moved.archive, self.layout.size
        told = {
            "id": archive.id,
            "vault": archive.vault,
            "created": f"{archive.created:%Y-%m-%dT%H:%M:%SZ}",
            "description": archive.description,
            "sha256": sha256(content).hexdigest(),
        }
        header = self.layout.add(as_file(moved)._replace(extra=json.dumps({"glacier": told}).encode()))
        if header is None:
            return False
        start = at + len(header)
        stop = start + archive.size
        self.buffer.view[at:start] = header
        self.buffer.view[start:stop] = content
        self.buffer.view[stop : self.layout.size] = tar.padding(archive.size)
        self.members.append((moved, start))
        return True


class Bundling:
    """The bundles of one migration, of archives of at most ``up_to`` bytes; 0 makes none."""

    def __init__(self, work: BucketMove, up_to: int) -> None:
        self._work = work
        self._moves = work.context.catalog.moves
        self._buffers = work.target.resources.buffers
        self._up_to = up_to
        self._drafts: dict[StorageClass, _Draft] = {}
        self._lock = anyio.Lock()
        self._there: set[int] = set()  # bundles that are proven, so their head is asked for only once
        # The bundles of all runs make one folder, also if the catalog is lost in between.
        self._tree = sha256(f"{work.context.name} to {work.target.url}".encode()).hexdigest()[:32]

    def takes(self, moved: MovedRecord) -> bool:
        """Return whether an archive goes into a bundle; one that was begun as an object stays one."""
        return moved.part_size is None and is_bundled(moved.archive, self._up_to)

    @asynccontextmanager
    async def under_way(self) -> AsyncIterator[None]:
        """Store bundles that wait too long during the block, and the rest at its end, even if it fails."""
        with first_cause():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._store_old)
                try:
                    yield
                    await self._store_all()
                except GlacierError:
                    with suppress(GlacierError):  # the first error says why
                        await self._store_all()
                    raise
                finally:
                    tasks.cancel_scope.cancel()
                    while self._drafts:
                        self._buffers.release(self._drafts.popitem()[1].buffer)

    async def add(self, moved: MovedRecord, output: GlacierOutput) -> None:
        """Fetch an archive into a bundle, and store a bundle that is full.

        Raises:
            IntegrityError: The bytes came damaged each time.
        """
        storage_class = self._work.classes.choose(moved.archive.size)
        fetched = await self._buffers.acquire(-(-moved.archive.size // MIB) * MIB)
        try:
            content = fetched.view[: moved.archive.size]
            await self._fetch(moved, output, content)
            async with self._lock:
                draft = self._drafts.get(storage_class)
                if draft is None or not draft.add(moved, content):
                    draft = await self._begin(storage_class)
                    draft.add(moved, content)
        finally:
            self._buffers.release(fetched)

    async def _begin(self, storage_class: StorageClass) -> _Draft:
        """Return an empty bundle; store the full one of its class, or the oldest if there is no room."""
        if storage_class in self._drafts:
            await self._store(self._drafts.pop(storage_class))
        capacity = bundle_capacity(self._buffers.limit)
        # Bundles that wait for archives take a fourth of the memory and those archives another, or an archive
        # with large parts would wait for them, and they for it.
        if len(self._drafts) >= max(1, self._buffers.limit // 4 // capacity):
            await self._store(self._drafts.pop(next(iter(self._drafts))))
        buffer = await self._buffers.acquire(capacity)
        buffer.holder = None  # whichever task meets a full bundle stores it
        draft = self._drafts[storage_class] = _Draft(buffer, storage_class)
        return draft

    async def _fetch(self, moved: MovedRecord, output: GlacierOutput, content: memoryview) -> None:
        archive, source = moved.archive, JobBytes(output, self._work.target.resources)
        actual = b""
        for _ in range(_TRIES):
            with suppress(IntegrityError):  # of the answer; the comparison below decides
                await source.fill(ByteRange(0, archive.size), content)
                actual = (await run_in_thread(partial(hash_part, content))).tree_hash
            if actual == archive.tree_hash:
                return
        raise IntegrityError(
            f"archive {archive.id} came damaged from the vault", expected=archive.tree_hash, actual=actual
        )

    # --- storing

    async def _store_old(self) -> None:
        while True:
            await anyio.sleep(_LOOK_SECONDS)
            await self._store_all(anyio.current_time() - _OLDEST_SECONDS)

    async def _store_all(self, until: float = float("inf")) -> None:
        async with self._lock:  # or a task could still add to one
            for storage_class, draft in list(self._drafts.items()):
                if draft.since <= until:
                    await self._store(self._drafts.pop(storage_class))

    async def _store(self, draft: _Draft) -> None:
        """Store a bundle and prove its members; if it cannot be stored, they failed."""
        try:
            await self._store_once(draft)
        except (IntegrityError, ObjectConflictError, ObjectExistsError) as error:
            for moved, _ in draft.members:
                self._work.progress.failures.add(moved.name.encode(), error)
                await self._moves.record(moved, MoveState.FAILED, bundle=None, outcome=outcome_of(error))
        finally:
            self._buffers.release(draft.buffer)

    async def _store_once(self, draft: _Draft) -> None:
        work, target, vault, at = self._work, self._work.target, self._work.context.name, draft.layout.size
        end = await run_in_thread(partial(draft.layout.end, self._tree, vault))
        content = draft.buffer.view[: at + len(end)]
        content[at:] = end
        hashes = await run_in_thread(partial(hash_part, content))
        facts, token = BundleFacts(len(content), hashes.tree_hash, ""), draft.members[0][0].token or ""
        bundle = await self._moves.add_bundle(
            work.move,
            MovedBundle(0, name_bundle(), token, facts.size, facts.tree_hash, hashes.payload_hash),
            draft.members,
        )
        passing("bundle recorded")
        metadata = {DESCRIPTION_NAME: describe_bundle(vault), VAULT: vault}
        settings = work.settings_for(draft.storage_class, metadata)
        key = target.prefix + bundle.name
        with target.naming(bundle.name), charging(work.classes.prices(draft.storage_class)):
            # Before the bundle, so that a kill leaves no bundle without its sidecar.
            await store_sidecar(target, bundle.name, encode_facts(facts, None, None) + end)
            store = ObjectStore(target.gateway, target.ref, key, settings, token=bundle.token)
            await store.store_whole(content, hashes, None)
        passing("object made")
        if not await self._look(bundle):
            raise target.exists(bundle.name, "the bundle that was sent", "it is gone")

    # --- proving

    async def is_there(self, number: int) -> bool:
        """Return whether a bundle on record is an object, with its members proven.

        If it is not, the bundle is forgotten, and its members are fetched again.
        """
        bundle = await self._moves.find_bundle(number)
        if bundle is None or number in self._there or await self._look(bundle):
            return bundle is not None
        await self._moves.drop_bundle(bundle)
        target = self._work.target
        with suppress(AccessDeniedError):  # a sidecar without its bundle does no harm
            await target.gateway.delete_object(target.ref, target.prefix + bundle.name + SIDECAR_SUFFIX)
        return False

    async def _look(self, bundle: MovedBundle) -> bool:
        """Prove the members of a bundle by its head; return ``False`` if there is no such object."""
        work = self._work
        head = await work.target.head(bundle.name)
        if head is None:
            return False
        metadata = bundle_metadata(work.context.name, bundle.tree_hash.hex(), bundle.token)
        checksum = ObjectChecksum(ChecksumAlgorithm.SHA256, bundle.checksum)
        if difference := find_difference(head, metadata, bundle.size, checksum):
            raise work.target.exists(bundle.name, "the bundle that was sent", difference)
        now, bucket = datetime.now(UTC), work.target.ref.name

        def line(moved: MovedRecord, number: int, previous: str | None) -> str:
            return write_line(number, previous, moved, head, bucket, now, bundle)

        for moved in await work.context.catalog.manifest_lines.prove_bundle(work.move, bundle, line):
            work.progress.add(moved.archive.size)
        self._there.add(bundle.number)
        passing("move proven")
        return True
