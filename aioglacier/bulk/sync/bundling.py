"""The stage of a ``sync`` that fills bundles, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from aioglacier.bulk.formats.age import AGE, SealingCoder, numbers
from aioglacier.bulk.formats.zstd import ZstdCoder
from aioglacier.bulk.sync.bundle import open_bundle
from aioglacier.bulk.sync.pacing import Patience

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectReceiveStream

    from aioglacier.bulk.formats.coder import Coder
    from aioglacier.bulk.sync.bundle import BundleWriter
    from aioglacier.bulk.sync.packing import Packed
    from aioglacier.bulk.sync.plan import SyncOptions
    from aioglacier.bulk.sync.sync_progress import SyncCounters
    from aioglacier.catalog.folders.entries import RunNumber, TreeRecord
    from aioglacier.recorded.vault_context import RecordedVault


class Bundling:
    """The bundles of one ``sync``.

    Attributes:
        compression: Of members.
        encryption: Of members and indexes.
        given_up: Members of a bundle that was aborted in the end; they go again next time.
    """

    def __init__(self, context: RecordedVault, options: SyncOptions, counters: SyncCounters) -> None:
        self.compression = "zstd" if options.compress else None
        self.encryption = AGE if options.recipients is not None else None
        self.given_up = 0
        self._context = context
        self._options = options
        self._counters = counters
        self._bundle: BundleWriter | None = None
        self._patience = Patience()
        self._numbers = numbers()

    @property
    def requests(self) -> int:
        """Requests for the bundle that is being written."""
        return self._bundle.requests if self._bundle else 0

    @property
    def moved(self) -> int:
        """Bytes handed to connections for the bundle that is being written."""
        return self._bundle.snapshot().moved if self._bundle else 0

    def make_coder(self) -> Coder | None:
        """Return a coder of members, for one thread; ``None`` if members are stored as they are."""
        coder: Coder | None = ZstdCoder() if self.compression else None
        if self._options.recipients is not None:
            coder = SealingCoder(self._options.recipients, coder, self._numbers)
        return coder

    async def run(self, tree: TreeRecord, run: RunNumber, take: MemoryObjectReceiveStream[Packed]) -> None:
        """Write members into bundles until no more come."""
        async with take:
            packed = await _next(take)
            while packed is not None:
                async with open_bundle(
                    self._context,
                    tree,
                    run,
                    compression=self.compression,
                    recipients=self._options.recipients,
                    patience=self._patience,
                ) as bundle:
                    self._bundle = bundle
                    try:
                        while packed is not None and bundle.position < self._options.bundle_size:
                            await bundle.add(packed)
                            self._counters.archived += len(packed.entries)
                            self._counters.archived_size += packed.size
                            packed = await _next(take)
                        await bundle.finish()
                        self._counters.archives += 1
                    finally:
                        self._count(bundle)

    def _count(self, bundle: BundleWriter) -> None:
        if bundle.archive is None:
            self.given_up += bundle.members
        self._counters.requests += bundle.requests
        self._counters.sent += bundle.snapshot().moved
        self._bundle = None


async def _next(take: MemoryObjectReceiveStream[Packed]) -> Packed | None:
    try:
        return await take.receive()
    except anyio.EndOfStream:
        return None
