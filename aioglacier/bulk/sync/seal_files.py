"""Encrypted big files: each is one age stream in an archive of its own.

age never gives the same output twice, so an interrupted upload cannot continue: the next run aborts it, as it
does with a bundle, and sends the file again.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.from_thread

from aioglacier.bulk.formats.age import AGE, BLOCK
from aioglacier.bulk.formats.attributes import read_attributes
from aioglacier.bulk.formats.folder_descriptions import describe_sealed_file, name_file
from aioglacier.bulk.sync.folder_files import found_again, new_version, open_file, reading
from aioglacier.bulk.upload_in_parts import open_in_parts
from aioglacier.catalog.folders.entry_records import BundleRecord
from aioglacier.catalog.records import UploadState
from aioglacier.core.errors import SourceChangedError
from aioglacier.core.planning import choose_part_size
from aioglacier.core.treehash import TreeHash
from aioglacier.files.reading import FileIdentity
from aioglacier.files.small_files import facts_of
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from aioglacier.bulk.formats.age import Recipients
    from aioglacier.bulk.sync.scan import Found
    from aioglacier.catalog import UploadRecord
    from aioglacier.catalog.folders.entry_records import Entry, RunNumber, TreeRecord
    from aioglacier.core.models import Archive
    from aioglacier.recorded.place_context import RecordedPlace
    from aioglacier.transfer.upload.writer import ArchiveWriter


async def archive_sealed(
    context: RecordedPlace,
    tree: TreeRecord,
    run: RunNumber,
    found: Found,
    root: str,
    recipients: Recipients,
    show: Callable[[ArchiveWriter[Archive]], None],
) -> Archive:
    """Encrypt a file into an archive of its own, and record it.

    ``show`` is called with the writer, for the display.

    Raises:
        SourceError: The file cannot be read, or changed meanwhile. No archive was made.
        GlacierError: The archive could not be sent.
    """
    catalog = context.catalog
    # age adds 16 bytes to each 64 KiB, and a header of some hundred bytes for each recipient.
    most = found.size + found.size // 4096 + (len(recipients.names) + 1) * 4096
    uploads: list[UploadRecord] = []

    async def record(upload: UploadRecord) -> None:
        uploads.append(upload)
        bundle = BundleRecord(upload.number, "file", None, AGE, 1, found.size)
        await catalog.bundles.record(tree, run, bundle)

    part_size = choose_part_size(most)
    try:
        async with open_in_parts(
            context, describe_sealed_file(), part_size, name=name_file(None), note=record
        ) as (upload, writer):
            show(writer)
            entry = await run_in_thread(partial(_seal, root, found, tree, run, recipients, writer))
            # Before the completion: a kill after it leaves a version that can be settled.
            await catalog.entries.add([entry._replace(upload=upload.number, encryption=AGE)])
            return await writer.complete()
    except BaseException:
        with anyio.CancelScope(shield=True):
            for upload in uploads:
                state = (await catalog.uploads.get(upload.number)).state
                # The next run finds out whether a completion that was requested has succeeded.
                if state not in {UploadState.COMPLETING, UploadState.COMPLETED}:
                    await catalog.bundles.drop(upload.number)
        raise


def _seal(
    root: str,
    found: Found,
    tree: TreeRecord,
    run: RunNumber,
    recipients: Recipients,
    writer: ArchiveWriter[Archive],
) -> Entry:
    """Read a file and write it encrypted, in a thread; return the version that was read."""
    path = os.fsdecode(found.path)
    hasher = TreeHash()
    with open_file(root, found.path) as fd:

        def take() -> bytes:
            with reading(found.path):
                block = os.read(fd, BLOCK)
            hasher.update(block)
            return block

        before = FileIdentity.of(os.fstat(fd))
        recipients.seal_stream(take, lambda block: anyio.from_thread.run(writer.write, block))
        attributes = read_attributes(fd)  # between the two looks at the file
        after = os.fstat(fd)
    if field := before.difference(FileIdentity.of(after)):
        raise SourceChangedError(
            f"{path!r} changed while it was read (its {field}); the next run tries again",
            path=path,
            field=field,
        )
    return new_version(
        found_again(found, *facts_of(after)),
        tree.number,
        run,
        attributes=attributes,
        content_hash=hasher.digest(),
    )
