"""The vault in errors: whatever fails, the error says in which vault."""

from __future__ import annotations

import inspect
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

import aioglacier
from aioglacier import GlacierError, Job, Upload, Vault
from aioglacier.catalog import Catalog
from aioglacier.client.inventory import Inventory
from aioglacier.client.retrievals import Retrievals
from aioglacier.client.vault_settings import AccessPolicy, Lock, Notifications, Tags
from aioglacier.server import Fault, FaultKind, LocalGlacier

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

MIB = 1024 * 1024
DATA = bytes(range(251)) * (3 * MIB // 251)


@dataclass(frozen=True)
class Stand:
    """A vault with an archive, an unfinished upload, and finished jobs."""

    server: LocalGlacier
    vault: Vault
    archive: aioglacier.Archive
    upload: Upload
    job: Job
    list_job: Job
    file: Path


async def drained(items: AsyncIterator[Any]) -> list[Any]:
    """Read a list to its end."""
    return [each async for each in items]


async def entered(manager: AbstractAsyncContextManager[Any], use: Callable[[Any], Awaitable[Any]]) -> None:
    """Open a block, use what it gives, and leave it."""
    async with manager as given:
        await use(given)


async def nothing(_: object) -> None:
    """Use nothing."""


async def run(prepared: Awaitable[Any]) -> None:
    """Run what was prepared."""
    await (await prepared).run()


async def read_into_catalog(stand: Stand) -> None:
    """Read an inventory into the catalog."""
    stand.server.faults.clear()
    description = await stand.list_job.describe()
    stand.server.faults.add(Fault("GetJobOutput", count=None, code="AccessDeniedException"))
    await drained(stand.list_job.read_inventory(description).archives())


#: A call of each public method that asks the service.
CALLS: dict[str, Callable[[Stand], Awaitable[Any]]] = {
    "Vault.describe": lambda s: s.vault.describe(),
    "Vault.delete": lambda s: s.vault.delete(),
    "Vault.prepare_emptying": lambda s: s.vault.prepare_emptying().run(s.list_job.inventory()),
    "Vault.why_not_deletable": lambda s: s.vault.why_not_deletable(),
    "Vault.open_writer": lambda s: entered(s.vault.open_writer(), lambda writer: writer.write(DATA)),
    "Vault.upload": lambda s: s.vault.upload(DATA),
    "Vault.prepare_upload": lambda s: run(s.vault.prepare_upload(s.file)),
    "Vault.open_or_resume": lambda s: entered(s.vault.open_or_resume(s.file), lambda upload: upload.run()),
    "Vault.delete_archive": lambda s: s.vault.delete_archive(s.archive.id),
    "Vault.uploads": lambda s: drained(s.vault.uploads()),
    "Vault.known_uploads": lambda s: drained(s.vault.known_uploads()),
    "Vault.unfinished_upload": lambda s: s.vault.unfinished_upload(s.upload.id),
    "Vault.abort_upload": lambda s: s.vault.abort_upload(s.upload.id),
    "Vault.resume": lambda s: s.vault.resume(s.upload.id, DATA),
    "Vault.prepare_resume": lambda s: s.vault.prepare_resume(s.upload.id, DATA),
    "Vault.resume_writer": lambda s: entered(
        s.vault.resume_writer(s.upload.id), lambda writer: writer.write(DATA)
    ),
    "Vault.retrieve": lambda s: s.vault.retrieve(s.archive.id, again=True),
    "Vault.retrieve_inventory": lambda s: s.vault.retrieve_inventory(limit=7),
    "Vault.jobs": lambda s: drained(s.vault.jobs()),
    "Retrievals.find": lambda s: s.vault.retrievals.find(s.archive.id),
    "Retrievals.find_or_start": lambda s: s.vault.retrievals.find_or_start(s.archive.id),
    "Retrievals.find_inventory": lambda s: s.vault.retrievals.find_inventory(),
    "Retrievals.find_useful_inventory": lambda s: s.vault.retrievals.find_useful_inventory(),
    "Retrievals.find_or_start_inventory": lambda s: s.vault.retrievals.find_or_start_inventory(),
    "Upload.parts": lambda s: drained(s.upload.parts()),
    "Upload.look_up": lambda s: s.upload.look_up(),
    "Upload.abort": lambda s: s.upload.abort(),
    "Job.describe": lambda s: s.job.describe(),
    "Job.wait_until_done": lambda s: s.job.wait_until_done(),
    "Job.open_reader": lambda s: entered(s.job.open_reader(), lambda reader: reader.read()),
    "Job.download": lambda s: s.job.download(s.file.with_name("download")),
    "Job.prepare_download": lambda s: run(s.job.prepare_download(s.file.with_name("download"))),
    "Job.recording_download": lambda s: entered(s.job.recording_download(s.file), nothing),
    "Job.inventory": lambda s: drained(s.list_job.inventory()),
    "Job.read_inventory": read_into_catalog,
    "Inventory.aclose": lambda s: drained(s.list_job.inventory()),
    "Tags.get": lambda s: s.vault.tags.get(),
    "Tags.add": lambda s: s.vault.tags.add({"key": "value"}),
    "Tags.remove": lambda s: s.vault.tags.remove(["key"]),
    "Notifications.get": lambda s: s.vault.notifications.get(),
    "Notifications.set": lambda s: s.vault.notifications.set("arn:aws:sns:us-east-1:012345678901:topic"),
    "Notifications.delete": lambda s: s.vault.notifications.delete(),
    "AccessPolicy.get": lambda s: s.vault.access_policy.get(),
    "AccessPolicy.set": lambda s: s.vault.access_policy.set("{}"),
    "AccessPolicy.delete": lambda s: s.vault.access_policy.delete(),
    "Lock.get": lambda s: s.vault.lock.get(),
    "Lock.initiate": lambda s: s.vault.lock.initiate("{}"),
    "Lock.complete": lambda s: s.vault.lock.complete("id"),
    "Lock.abort": lambda s: s.vault.lock.abort(),
}

#: Public methods that ask the service nothing.
SILENT = {
    "Vault.job",
    "Vault.lock_upload",
    "Vault.spending",
    "Vault.sweep_uploads",
    "Retrievals.check_job",
    "Retrievals.check_not_paid",
    "Retrievals.check_verifiable",
    "Retrievals.find_delivered",  # but for a job that the catalog has on record
    "Retrievals.find_kept",
    "Retrievals.find_named",
    "Retrievals.find_record",
}


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    """Return a vault on a local Glacier, with a catalog."""
    file = tmp_path / "file"
    file.write_bytes(DATA)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(LocalGlacier(tmp_path / "depot", inventory_lag=0))
        catalog = await stack.enter_async_context(Catalog.open(tmp_path / "catalog.db"))
        glacier = await stack.enter_async_context(
            aioglacier.connect(
                endpoint_url=server.url,
                region_name="us-east-1",
                aws_access_key_id="key",
                aws_secret_access_key="secret",
                hash_in="threads",
                catalog=catalog,
            )
        )
        vault = await glacier.create_vault("photos")
        archive = await vault.upload(DATA, part_size=MIB)
        upload_id = await vault.context.gateway.initiate_multipart_upload("photos", part_size=MIB)
        upload = await vault.unfinished_upload(upload_id)
        job, list_job = await vault.retrieve(archive.id), await vault.retrieve_inventory()
        await server.advance(5 * 3600)
        yield Stand(server, vault, archive, upload, job, list_job, file)


def test_the_table_has_every_public_method() -> None:
    """A new method is added to the table, or it is said that it asks the service nothing."""
    kinds = (Vault, Retrievals, Upload, Job, Inventory, Tags, Notifications, AccessPolicy, Lock)
    methods = {
        f"{kind.__name__}.{name}"
        for kind in kinds
        for name, _ in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }
    assert methods == CALLS.keys() | SILENT


@pytest.mark.slow
async def test_every_error_of_the_service_names_the_vault(stand: Stand) -> None:
    """Every public method that the service refuses raises an error with the vault's name, in message too."""
    wrong = {}
    for name, call in CALLS.items():
        stand.server.faults.clear()
        stand.server.faults.add(Fault("*", count=None, status=400, code="InvalidParameterValueException"))
        try:
            await call(stand)
        except GlacierError as error:
            if error.vault != "photos" or "photos" not in str(error):
                wrong[name] = repr(error)
        else:
            wrong[name] = "no error"
    assert wrong == {}


async def read_and_catch(job: Job) -> None:
    """Read an output, and catch its error before the reader's block ends."""
    async with job.open_reader() as reader:
        with pytest.raises(GlacierError) as caught:
            await reader.read()
    raise caught.value


async def wait_for_nothing(stand: Stand) -> None:
    """Wait no time for a job that was started just now."""
    await (await stand.vault.retrieve(stand.archive.id, again=True)).wait_until_done(timeout_seconds=0)


async def read_at_once(stand: Stand) -> None:
    """Read the output of a job that was started just now."""
    await run((await stand.vault.retrieve(stand.archive.id, again=True)).prepare_download(stand.file))


async def check_wrong_job(stand: Stand) -> None:
    """Take an inventory for an archive."""
    await stand.vault.retrievals.check_job(await stand.list_job.describe(), stand.archive.id)


async def read_another_list(stand: Stand) -> None:
    """Read a document that has the size of the inventory, and is none."""
    size = (await stand.list_job.describe()).inventory_size
    assert size is not None
    stand.server.faults.add(Fault("GetJobOutput", count=None, status=200, body="{}".ljust(size)))
    await drained(stand.list_job.inventory())


async def download_onto_another(stand: Stand) -> None:
    """Name a file with other bytes as the target."""
    other = stand.file.with_name("other")
    other.write_bytes(b"other")
    await stand.job.download(other)


#: Failures that are found here, not by the service: the fault that causes them, the call, the error.
FOUND_HERE: dict[str, tuple[Fault | None, Callable[[Stand], Awaitable[Any]], type[GlacierError]]] = {
    "damaged download": (
        Fault("GetJobOutput", FaultKind.FLIP, count=None),
        lambda s: s.job.download(s.file.with_name("download")),
        aioglacier.IntegrityError,
    ),
    "damaged output": (
        Fault("GetJobOutput", FaultKind.FLIP, count=None),
        lambda s: read_and_catch(s.job),
        aioglacier.IntegrityError,
    ),
    "a target that exists": (None, download_onto_another, aioglacier.TargetError),
    "a job in progress": (None, read_at_once, aioglacier.JobNotReadyError),
    "an impatient wait": (None, wait_for_nothing, aioglacier.WaitTimeoutError),
    "a short list": (
        Fault("GetJobOutput", count=None, status=200, body="{}"),
        lambda s: drained(s.list_job.inventory()),
        aioglacier.UnexpectedResponseError,
    ),
    "another list": (None, read_another_list, aioglacier.InventoryError),
    "an archive for a list": (None, lambda s: drained(s.job.inventory()), aioglacier.InvalidPlanError),
    "a list for an archive": (None, check_wrong_job, aioglacier.InvalidPlanError),
    "another source": (
        None,
        lambda s: s.vault.resume(s.upload.id, s.file.with_name("missing")),
        aioglacier.SourceUnreadableError,
    ),
    "a missing file": (
        None,
        lambda s: s.vault.upload(s.file.with_name("missing")),
        aioglacier.SourceUnreadableError,
    ),
    "a wrong size": (
        None,
        lambda s: s.vault.upload(DATA, part_size=MIB, expected_size=1),
        aioglacier.LengthMismatchError,
    ),
}


@pytest.mark.slow
async def test_every_error_that_is_found_here_names_the_vault(stand: Stand) -> None:
    """Damage, impatience and wrong files or jobs name the vault as a refusal does."""
    wrong = {}
    for name, (fault, call, kind) in FOUND_HERE.items():
        stand.server.faults.clear()
        stand.server.faults.add(*[fault] if fault is not None else [])
        with pytest.raises(kind) as caught:
            await call(stand)
        if caught.value.vault != "photos":
            wrong[name] = repr(caught.value)
    assert wrong == {}
