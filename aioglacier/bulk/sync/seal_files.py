"""Big files that are encrypted: each is one age stream in an archive of its own.

What age makes of a file is never the same twice, so nothing can go on where a former run has stopped: its
upload is aborted by the next run, as that of a bundle is, and the file is sent again.
"""

from __future__ import annotations

import os
import stat
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.from_thread

from aioglacier.bulk.formats.age import AGE, BLOCK
from aioglacier.bulk.formats.attributes import encode_extra, read_attributes
from aioglacier.bulk.formats.folder_descriptions import describe_sealed_file
from aioglacier.bulk.sync.folder_files import open_file
from aioglacier.bulk.sync.in_parts import open_in_parts
from aioglacier.catalog.folders.entries import BundleRecord
from aioglacier.catalog.records import UploadState
from aioglacier.core.errors import SourceChangedError, SourceUnreadableError
from aioglacier.core.planning import choose_part_size
from aioglacier.core.treehash import TreeHash
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from aioglacier.bulk.formats.age import Recipients
    from aioglacier.catalog import UploadRecord
    from aioglacier.catalog.folders.entries import Entry, RunNumber, TreeRecord
    from aioglacier.core.models import Archive
    from aioglacier.recorded.vault_context import RecordedVault
    from aioglacier.transfer.upload.writer import ArchiveWriter


async def archive_sealed(
    context: RecordedVault,
    tree: TreeRecord,
    run: RunNumber,
    entry: Entry,
    root: str,
    recipients: Recipients,
    note: Callable[[ArchiveWriter], None],
) -> Archive:
    """Encrypt a file into an archive of its own, and record it.

    Args:
        context: The vault.
        tree: The folder.
        run: The run.
        entry: What is known of the file.
        root: The folder.
        recipients: Whom to encrypt to.
        note: Is called with the writer.

    Raises:
        SourceError: The file cannot be read, or changed meanwhile. No archive was made.
        GlacierError: It could not be sent.
    """
    entries = context.catalog.entries
    # Each 64 KiB gain 16 bytes, and there is a header of some hundred for each recipient.
    most = entry.size + entry.size // 4096 + (len(recipients.names) + 1) * 4096
    uploads: list[UploadRecord] = []

    async def record(upload: UploadRecord) -> None:
        uploads.append(upload)
        await context.catalog.bundles.record(
            tree, run, BundleRecord(upload.number, "file", None, AGE, 1, entry.size)
        )

    description = describe_sealed_file()
    try:
        async with open_in_parts(context, description, choose_part_size(most), note=record) as (
            upload,
            writer,
        ):
            note(writer)
            found = await run_in_thread(partial(_seal, root, entry, recipients, writer))
            await entries.add([found._replace(upload=upload.number, encryption=AGE)])
            archive = await writer.complete()
    except BaseException:
        with anyio.CancelScope(shield=True):
            for upload in uploads:
                state = (await context.catalog.uploads.get_number(upload.number)).state
                if state not in {UploadState.COMPLETING, UploadState.COMPLETED}:
                    await context.catalog.bundles.drop(upload.number)
        raise
    return archive


def _seal(root: str, entry: Entry, recipients: Recipients, writer: ArchiveWriter) -> Entry:
    """Read a file and write what is encrypted, in a thread; the record of what was read."""
    path = os.fsdecode(entry.path)
    try:
        fd = open_file(root, entry.path)
    except OSError as error:
        raise _unreadable(path, error) from error
    hasher = TreeHash()

    def take() -> bytes:
        try:
            block = os.read(fd, BLOCK)
        except OSError as error:
            raise _unreadable(path, error) from error
        hasher.update(block)
        return block

    try:
        before = os.fstat(fd)
        if not stat.S_ISREG(before.st_mode):
            raise SourceUnreadableError(f"{path!r} is no regular file any more", path=path)
        recipients.seal_stream(take, lambda block: anyio.from_thread.run(writer.write, block))
        attributes = read_attributes(fd)
        after = os.fstat(fd)
    finally:
        os.close(fd)
    for field in ("st_size", "st_mtime_ns", "st_ctime_ns"):
        if getattr(before, field) != getattr(after, field):
            raise SourceChangedError(
                f"{path!r} changed while it was read (its {field[3:]}); the next run tries again",
                path=path,
                field=field[3:],
            )
    return entry._replace(
        size=after.st_size,
        mtime_ns=after.st_mtime_ns,
        ctime_ns=after.st_ctime_ns,
        extra=encode_extra(attributes, has_holes=after.st_blocks * 512 < after.st_size),
        content_hash=hasher.digest(),
    )


def _unreadable(path: str, error: OSError) -> SourceUnreadableError:
    return SourceUnreadableError(f"{path!r} cannot be read: {error.strerror}", path=path, errno=error.errno)
