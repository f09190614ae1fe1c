"""A program of a user's, whose types both checkers infer as the documentation says.

mypy checks it with the package in strict mode; pyright is run on this file by the workflow of the tests.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, assert_type

import aioglacier
from aioglacier import bulk
from aioglacier.bulk.sync.plan import SyncSnapshot
from aioglacier.catalog import Catalog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def camera() -> AsyncIterator[bytes]:
    """Yield blocks."""
    yield b"frame"


async def vaults(glacier: aioglacier.Glacier) -> None:
    """Write to a vault, and read from it."""
    vault = glacier.vault("photos")
    assert_type(vault, aioglacier.Vault)
    async with vault.open_writer(description="raw") as writer:
        await writer.write(memoryview(b"frame"))
        assert_type(writer.snapshot(), aioglacier.TransferSnapshot)
    assert_type(writer.archive, aioglacier.Archive)
    for source in (Path("film.mkv"), b"bytes", io.BytesIO(), [b"a", b"b"], camera()):
        assert_type(await vault.upload(source), aioglacier.Archive)
    job = await vault.retrieve(writer.archive.id, tier="Bulk")
    assert_type(job, aioglacier.Job)
    await job.wait_until_done()
    async with job.open_reader() as reader:
        assert_type(await reader.read(), bytes)
    await job.download("film.mkv", overwrite=True)
    async for description in glacier.vaults():
        assert_type(description.name, str)


async def buckets(glacier: aioglacier.Glacier) -> None:
    """Write to a bucket, and read from it."""
    museum = glacier.bucket("museum", storage_class="DEEP_ARCHIVE")
    async with museum.open_writer("scans/1907.tar", metadata={"by": "me"}) as writer:
        await writer.write(b"...")
    assert_type(writer.archive, aioglacier.ArchivedObject)
    assert_type(await museum.upload(b"film", key="film.mkv"), aioglacier.ArchivedObject)
    assert_type(await museum.retrieve("film.mkv", days=3), aioglacier.Restore)
    async for entry in museum.objects("scans/"):
        assert_type(entry, aioglacier.ObjectEntry)


async def progress(glacier: aioglacier.Glacier) -> None:
    """Look at snapshots while work is done; each kind of work has its own."""
    async with aioglacier.open_run(await glacier.vault("photos").prepare_upload("film.mkv")) as run:
        async for now in run:
            assert_type(now, aioglacier.TransferSnapshot)
    assert_type(run.result, aioglacier.Archive)
    sync = bulk.FolderSync(glacier.vault("photos"), "photos", bulk.SyncOptions(exclude=["*.tmp"]))
    async with aioglacier.open_run(sync) as syncing:
        async for state in syncing:
            assert_type(state, SyncSnapshot)


async def archive_to(
    place: aioglacier.Vault | aioglacier.Bucket, retrieval: aioglacier.Job | aioglacier.Restore
) -> None:
    """Take a vault or a bucket, and a job or a restore."""
    async for upload in place.uploads():
        await upload.abort()
    await retrieval.wait_until_done()
    assert_type(await retrieval.download("file"), None)


async def fill(writer: aioglacier.ArchiveWriter, retrieval: aioglacier.Retrieval) -> None:
    """Take the writer or the retrieval of either service, without naming what they give."""
    await writer.write(b"frame")
    assert_type(writer.archive, aioglacier.Archive)
    await retrieval.wait_until_done()


async def give(vault: aioglacier.Vault, bucket: aioglacier.Bucket, id_: aioglacier.ArchiveId) -> None:
    """Give them those of a vault and of a bucket."""
    async with vault.open_writer() as of_vault, bucket.open_writer("key") as of_bucket:
        await fill(of_vault, await vault.retrieve(id_))
        await fill(of_bucket, await bucket.retrieve("key"))


async def main() -> None:
    """Connect with everything."""
    try:
        async with (
            Catalog.open("catalog.db") as catalog,
            aioglacier.connect(
                region_name="eu-west-1",
                catalog=catalog,
                limits=aioglacier.Limits(memory=64 << 20, bandwidth=10_000_000),
                timeouts=aioglacier.Timeouts(connect=5.0),
                hash_in="threads",
            ) as glacier,
        ):
            assert_type(glacier, aioglacier.Glacier)
            await vaults(glacier)
    except aioglacier.UploadFailedError as error:
        assert_type(error.upload_id, str | None)
    except aioglacier.ServiceError as error:
        assert_type(error.status, int)
