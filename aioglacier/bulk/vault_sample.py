"""A random sample of the MiB in a vault, retrieved and compared with the hashes kept when they were sent."""

from __future__ import annotations

import bisect
import itertools
import random
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from aioglacier.bulk.findings import Finding, Trouble
from aioglacier.bulk.formats.bundle_format import member_content
from aioglacier.bulk.sample_run import SampleSpreader
from aioglacier.bulk.sync.compare import show_path
from aioglacier.catalog.records import UploadNumber
from aioglacier.core.errors import ConfigurationError, CostLimitError, GlacierError, IntegrityError
from aioglacier.core.limits import LEAF_SIZE
from aioglacier.core.ranges import ByteRange
from aioglacier.core.treehash import HASH_SIZE, tree_hash
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from aioglacier.bulk.formats.age import Identities
    from aioglacier.bulk.places.folder_place import AskedBytes, Retriever
    from aioglacier.catalog import ArchiveRecord
    from aioglacier.catalog.folders.entry_records import Entry, TreeRecord
    from aioglacier.recorded.place_context import RecordedPlace
    from aioglacier.transfer.download.retrieval_source import JobSource


class Leaf(NamedTuple):
    """One MiB of an archive, and the hash it had when it was sent."""

    archive: ArchiveRecord
    byte_range: ByteRange
    leaf_hash: bytes


class _Ready(NamedTuple):
    """A MiB that can be fetched by other processes."""

    leaf: Leaf
    asked: AskedBytes
    source: JobSource

    @property
    def size(self) -> int:
        return self.source.total


class VaultSample:
    """The sample of one ``verify``. Each MiB is a job that costs money.

    Attributes:
        sampled: MiB that came back as they were sent.
        opened: Encrypted files in them that were decrypted, and are what was archived.
    """

    def __init__(
        self,
        context: RecordedPlace,
        retriever: Retriever,
        findings: list[Finding],
        *,
        size: int,
        identities: Identities | None,
    ) -> None:
        self.sampled = 0
        self.opened = 0
        self._context = context
        self._retriever = retriever
        self._findings = findings
        self._size = size
        self._identities = identities
        runner = context.resources.runner
        self._spreader: SampleSpreader[_Ready] | None = SampleSpreader(runner) if runner else None

    @property
    def workers(self) -> int:
        """Tasks that other processes do at once."""
        return self._spreader.workers if self._spreader is not None else 0

    async def choose(self, archives: list[ArchiveRecord], seed: int) -> list[Leaf]:
        """Return MiB of archives, each as likely as any other, in the order of archives."""
        chance = random.Random(seed)  # noqa: S311  # a sample, not a secret
        able = [record for record in archives if record.upload is not None]
        sizes = [-(-record.archive.size // LEAF_SIZE) for record in able]
        if not able:
            return []
        ends = list(itertools.accumulate(sizes))  # numbers all MiB through, archive by archive
        wanted = []
        for number in sorted(chance.sample(range(ends[-1]), min(self._size, ends[-1]))):
            index = bisect.bisect_right(ends, number)
            wanted.append((able[index], number - ends[index] + sizes[index]))
        leaves = [await self._leaf(archive, leaf) for archive, leaf in wanted]
        return [leaf for leaf in leaves if leaf is not None]

    async def _leaf(self, record: ArchiveRecord, leaf: int) -> Leaf | None:
        uploads = self._context.catalog.uploads
        start = leaf * LEAF_SIZE
        byte_range = ByteRange(start, min(start + LEAF_SIZE, record.archive.size))
        assert record.upload is not None  # noqa: S101  # such were left out
        upload = await uploads.get(UploadNumber(record.upload))
        async for part in uploads.list_parts(record.upload):
            if part.index == start // upload.part_size:
                at = (start - part.index * upload.part_size) // LEAF_SIZE * HASH_SIZE
                leaf_hash = part.leaves[at : at + HASH_SIZE]
                return Leaf(record, byte_range, leaf_hash) if len(leaf_hash) == HASH_SIZE else None
        return None

    async def compare(self, tree: TreeRecord, archives: list[ArchiveRecord], seed: int) -> None:
        """Retrieve the sample and compare it; jobs that exist are used."""
        leaves = await self.choose(archives, seed)
        await self._retriever.look()
        asked = []
        for leaf in leaves:
            archive = leaf.archive.archive
            byte_range = leaf.byte_range if leaf.byte_range.size < archive.size else None
            try:
                job = await self._retriever.get(archive.id, byte_range)
            except CostLimitError:
                raise
            except GlacierError as error:
                self._note_unavailable(leaf, error)
                continue
            asked.append((leaf, job))
        # All jobs were started before the first is waited for.
        for leaf, job in await self._compare_there(asked):
            try:
                await job.wait_for(leaf.archive.archive)
                async with job.open_reader() as reader:
                    content = await reader.read()
            except CostLimitError:
                raise
            except GlacierError as error:
                self._note_unavailable(leaf, error)
                continue
            if tree_hash(content) == leaf.leaf_hash:
                self.sampled += 1
                await self._open_members(tree, leaf, content)
            else:
                self._find(Trouble.DAMAGED, f"{leaf.archive.archive.id} bytes {leaf.byte_range}")

    async def _compare_there(
        self, asked: Sequence[tuple[Leaf, AskedBytes]]
    ) -> Sequence[tuple[Leaf, AskedBytes]]:
        """Let other processes compare; return those MiB that this process has to look at."""
        size = sum(leaf.byte_range.size for leaf, _ in asked)
        # No secret key travels, so what is to be decrypted is fetched here.
        if self._spreader is None or self._identities is not None or size < self._spreader.runner.smallest:
            return asked
        left: list[tuple[Leaf, AskedBytes]] = []

        def take(ready: _Ready, actual: bytes | None) -> None:
            if actual == ready.leaf.leaf_hash:
                self.sampled += 1
            else:
                left.append((ready.leaf, ready.asked))

        async def wait_for_each() -> AsyncIterator[_Ready]:
            for leaf, job in asked:
                try:
                    await job.wait_for(leaf.archive.archive)
                except CostLimitError:
                    raise
                except GlacierError as error:
                    self._note_unavailable(leaf, error)
                    continue
                source = job.shared
                if source is None or source.total != leaf.byte_range.size:  # a part of a larger output
                    left.append((leaf, job))
                else:
                    yield _Ready(leaf, job, source)

        await self._spreader.hash(wait_for_each(), take)
        return left

    async def _open_members(self, tree: TreeRecord, leaf: Leaf, content: bytes) -> None:
        """Decrypt the files that lie whole in a MiB, and compare them with what was archived."""
        identities, (start, stop) = self._identities, (leaf.byte_range.start, leaf.byte_range.stop)
        if identities is None or leaf.archive.upload is None:
            return
        entries = self._context.catalog.entries
        upload = UploadNumber(leaf.archive.upload)
        async for page in entries.stored_in(tree, upload, start=start, stop=stop):
            for entry in (stored.entry for stored in page):
                if entry.kind != "file" or entry.encryption is None or entry.position is None:
                    continue
                at = entry.position - start
                raw = content[at : at + (entry.stored or 0)]
                if len(raw) < (entry.stored or 0):
                    continue
                if await run_in_thread(partial(_opens, entry, raw, identities)):
                    self.opened += 1
                else:
                    self._find(Trouble.SEALED, show_path(entry.path))

    def _note_unavailable(self, leaf: Leaf, error: GlacierError) -> None:
        self._find(Trouble.UNAVAILABLE, f"{leaf.archive.archive.id} bytes {leaf.byte_range}: {error}")

    def _find(self, trouble: Trouble, what: str) -> None:
        self._findings.append(Finding(trouble, what))


def _opens(entry: Entry, raw: bytes, identities: Identities) -> bool:
    try:
        return tree_hash(member_content(entry, raw, identities)) == entry.content_hash
    except (ConfigurationError, IntegrityError):
        return False
