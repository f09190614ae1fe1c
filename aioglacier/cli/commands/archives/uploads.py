"""``aioglacier uploads``: multipart uploads that were neither completed nor aborted."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from aioglacier.cli.program.command import CommandGroup
from aioglacier.cli.program.exits import Exit
from aioglacier.cli.program.failures import failure_of, tell
from aioglacier.cli.program.session import worst_exit
from aioglacier.cli.render.listing import closing
from aioglacier.cli.render.printed_records import (
    archive_record,
    archive_text,
    local_upload_record,
    upload_record,
    upload_text,
)
from aioglacier.cli.render.sizes import show_count, show_size
from aioglacier.cli.shared.confirming import YES, confirm
from aioglacier.cli.shared.dry_run import DRY_RUN, tell_plan
from aioglacier.cli.shared.id_arguments import gather_ids, several_ids, take_id
from aioglacier.cli.shared.idling import warn_of_idle
from aioglacier.cli.shared.uploading import STDIN, RunningUploads, note_told, open_stdin, point_to_abort
from aioglacier.core.checks import check_vault_name
from aioglacier.core.errors import GlacierError, ResumeMismatchError, SourceChangedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.cli.program.session import Session
    from aioglacier.cli.render.console import Record
    from aioglacier.client.glacier import Glacier
    from aioglacier.client.upload import Upload
    from aioglacier.client.vault import Vault

_ID = click.option("--upload-id", metavar="ID", help="In place of the argument.")


@click.group("uploads", cls=CommandGroup)
def command() -> None:
    """Unfinished uploads: list, show, resume, abort. The service removes them after 24 idle hours."""


async def _record(vault: Vault, upload: Upload) -> Record:
    parts = 0
    async for _ in upload.parts():
        parts += 1
    known = await vault.records.uploads.find(upload.id) if vault.records is not None else None
    return upload_record(upload, parts=parts, record=known)


@command.command("list")
@click.argument("vault")
@click.pass_obj
def _list(session: Session, vault: str) -> int:
    """List the unfinished uploads of VAULT, with the number of parts sent; the last one may be shorter.

    Uploads of unknown outcome are listed from the record here: after "completing" the archive may be there.
    """
    check_vault_name(vault)

    async def list_(glacier: Glacier) -> int:
        listed = 0
        async with closing(_records(glacier.vault(vault))) as records:
            async for record in records:
                listed += 1
                session.output.record(record, upload_text)
                if session.output.is_closed:
                    break
        if not listed:
            session.output.note(f"no unfinished uploads in vault {vault}")
        else:
            await warn_of_idle(session, glacier.vault(vault))
        return Exit.DONE

    return session.run(list_)


async def _records(vault: Vault) -> AsyncIterator[Record]:
    """Yield the uploads at the service, then those that only the catalog knows."""
    await vault.sweep_uploads()
    at_service = set()
    async with closing(vault.uploads()) as uploads:
        async for upload in uploads:
            at_service.add(upload.id)
            yield await _record(vault, upload)
    assert vault.records is not None  # noqa: S101  # the command line always keeps a catalog
    catalog = vault.records.catalog
    async for record in catalog.uploads.list_unfinished(vault.records.key):
        if record.upload_id not in at_service:
            parts = len([part async for part in catalog.uploads.list_parts(record.number)])
            yield local_upload_record(record, parts=parts)


@command.command("show")
@click.argument("vault")
@click.argument("arguments", metavar="UPLOAD_ID", nargs=-1)
@_ID
@click.pass_obj
def _show(session: Session, vault: str, arguments: tuple[str, ...], upload_id: str | None) -> int:
    """Show the unfinished upload UPLOAD_ID of VAULT."""
    check_vault_name(vault)
    (upload_id,) = take_id("upload", arguments, upload_id, others=[])

    async def show(glacier: Glacier) -> int:
        upload = await glacier.vault(vault).unfinished_upload(upload_id)
        session.output.record(await _record(glacier.vault(vault), upload), upload_text)
        return Exit.DONE

    return session.run(show)


@command.command("resume", resumes=True)
@click.argument("vault")
@click.argument("arguments", metavar="UPLOAD_ID SOURCE", nargs=-1)
@_ID
@DRY_RUN
@click.pass_obj
def _resume(
    session: Session, vault: str, arguments: tuple[str, ...], upload_id: str | None, dry_run: bool
) -> int:
    """Finish the upload UPLOAD_ID of VAULT from SOURCE: the same file, or - for the same bytes piped again.

    Every part that the service has is hashed again here and compared; only the others are sent.
    """
    check_vault_name(vault)
    upload_id, source = take_id("upload", arguments, upload_id, others=["SOURCE"])
    if dry_run:
        return session.run(lambda glacier: _plan(session, glacier.vault(vault), upload_id, source))

    async def resume(glacier: Glacier) -> int:
        vault_ = glacier.vault(vault)
        async with vault_.lock_upload(upload_id, None if source == STDIN else source):
            upload = await vault_.prepare_resume(
                upload_id, open_stdin() if source == STDIN else source, awaits_report=source != STDIN
            )
            try:
                archive = await RunningUploads(session).run(
                    "standard input" if source == STDIN else source, upload, is_resume=True
                )
            except (SourceChangedError, ResumeMismatchError) as error:
                point_to_abort(session, error, vault)
                raise
        session.output.record(archive_record(archive), archive_text)
        await note_told(vault_, archive)
        return Exit.DONE

    return session.run(resume)


async def _plan(session: Session, vault: Vault, upload_id: str, source: str) -> int:
    size = None if source == STDIN else os.stat(source).st_size  # noqa: PTH116  # of any bytes
    record = await _record(vault, await vault.unfinished_upload(upload_id))
    return tell_plan(
        session,
        "UploadMultipartPart",
        f"finish upload {upload_id} from {source!r}, of which {show_size(record['sent'])} are there",
        **{
            **record,
            "source": source,
            "size": size,
            "missing": None if size is None else max(0, size - record["sent"]),
        },
    )


@command.command("abort")
@click.argument("vault")
@several_ids("upload")
@YES
@DRY_RUN
@click.pass_obj
def _abort(
    session: Session,
    vault: str,
    given: tuple[str, ...],
    more_ids: tuple[str, ...],
    file: str | None,
    yes: bool,
    dry_run: bool,
) -> int:
    """Abort unfinished uploads of VAULT, and remove their parts. Asks first on a terminal.

    Aborting an upload twice is no error.
    """
    check_vault_name(vault)
    ids = gather_ids("upload", given, more_ids, file)
    what = f"upload {ids[0]}" if len(ids) == 1 else show_count(len(ids), "upload")
    if dry_run:
        return tell_plan(
            session, "AbortMultipartUpload", f"abort {what} and remove its parts", vault=vault, upload_ids=ids
        )
    confirm(f"Abort {what} and remove all parts sent?", yes=yes, is_final=False)

    async def abort(glacier: Glacier) -> int:
        codes = []
        for upload_id in ids:
            try:
                await glacier.vault(vault).abort_upload(upload_id)
            except GlacierError as error:
                if len(ids) == 1:
                    raise
                codes.append(tell(session.output, failure_of(error, item=upload_id)))
            else:
                record = {"upload_id": upload_id, "vault": vault, "aborted": True}
                session.output.record(record, lambda record: f"aborted {record['upload_id']}")
        return worst_exit(len(codes), len(ids), codes)

    return session.run(abort)
