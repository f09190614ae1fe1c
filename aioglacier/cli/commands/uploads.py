"""``aioglacier uploads``: multipart uploads that were neither completed nor aborted."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING

import click

from aioglacier.cli.command import CommandGroup
from aioglacier.cli.commands.upload import STDIN, open_stdin, point_to_abort, run_upload
from aioglacier.cli.confirming import confirm
from aioglacier.cli.exits import Exit
from aioglacier.cli.failures import failure_of, tell
from aioglacier.cli.ids import gather_ids, take_id
from aioglacier.cli.listing import closing
from aioglacier.cli.locking import UploadLocks
from aioglacier.cli.records import archive_record, archive_text, upload_record, upload_text
from aioglacier.cli.session import worst_exit
from aioglacier.cli.sizes import show_count
from aioglacier.core.checks import check_vault_name
from aioglacier.core.errors import GlacierError, ResumeMismatchError, SourceChangedError, UploadNotFoundError

if TYPE_CHECKING:
    from aioglacier.cli.output import Record
    from aioglacier.cli.session import Session
    from aioglacier.client import Glacier
    from aioglacier.upload import Upload

_ID = click.option("--upload-id", metavar="ID", help="In place of the argument.")


@click.group("uploads", cls=CommandGroup)
def command() -> None:
    """Unfinished uploads: list, show, resume, abort. Without activity for 24 hours they are removed."""


async def _record(upload: Upload) -> Record:
    parts = 0
    async for _ in upload.parts():
        parts += 1
    return upload_record(upload, parts=parts)


@command.command("list")
@click.argument("vault")
@click.pass_obj
def _list(session: Session, vault: str) -> int:
    """List the unfinished uploads of VAULT. What was sent is counted in parts; the last may be shorter."""
    check_vault_name(vault)

    async def list_(glacier: Glacier) -> int:
        is_empty = True
        async with closing(glacier.vault(vault).uploads()) as uploads:
            async for upload in uploads:
                is_empty = False
                session.output.record(await _record(upload), upload_text)
                if session.output.is_closed:
                    break
        if is_empty:
            session.output.note(f"no unfinished uploads in vault {vault}")
        return Exit.DONE

    return session.run(list_)


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
        session.output.record(await _record(upload), upload_text)
        return Exit.DONE

    return session.run(show)


@command.command("resume")
@click.argument("vault")
@click.argument("arguments", metavar="UPLOAD_ID SOURCE", nargs=-1)
@_ID
@click.pass_obj
def _resume(session: Session, vault: str, arguments: tuple[str, ...], upload_id: str | None) -> int:
    """Finish the upload UPLOAD_ID of VAULT from SOURCE: the same file, or - for the same bytes piped again.

    Every part that the service has is hashed again here and compared; only the others are sent.
    """
    check_vault_name(vault)
    upload_id, source = take_id("upload", arguments, upload_id, others=["SOURCE"])
    session.resume = session.command("uploads", "resume", f"--upload-id={upload_id}", "--", vault, source)

    async def resume(glacier: Glacier) -> int:
        locks = UploadLocks(session, glacier, vault)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(locks.upload(upload_id))
            if source != STDIN:
                await stack.enter_async_context(locks.source(source))
            unfinished = await glacier.vault(vault).unfinished_upload(upload_id)
            await stack.enter_async_context(locks.running(unfinished.description))
            upload = await glacier.vault(vault).open_resume(
                upload_id, open_stdin() if source == STDIN else os.fspath(source)
            )
            try:
                archive = await run_upload(
                    session, "standard input" if source == STDIN else source, upload, is_resume=True
                )
            except (SourceChangedError, ResumeMismatchError) as error:
                point_to_abort(session, error, vault)
                raise
        session.output.record(archive_record(archive), archive_text)
        return Exit.DONE

    return session.run(resume)


@command.command("abort")
@click.argument("vault")
@click.argument("upload_ids", metavar="UPLOAD_ID...", nargs=-1)
@click.option("--upload-id", "more_ids", multiple=True, metavar="ID", help="May be repeated.")
@click.option("--upload-ids", "file", metavar="FILE", help="A file with one id on each line; - is stdin.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def _abort(
    session: Session,
    vault: str,
    upload_ids: tuple[str, ...],
    more_ids: tuple[str, ...],
    file: str | None,
    yes: bool,
) -> int:
    """Forget unfinished uploads of VAULT and what they have sent. Asks first on a terminal.

    One that is gone already is no error.
    """
    check_vault_name(vault)
    ids = gather_ids("upload", upload_ids, more_ids, file)
    what = f"upload {ids[0]}" if len(ids) == 1 else show_count(len(ids), "upload")
    confirm(f"Forget {what} and all parts sent?", yes=yes, is_final=False)

    async def abort(glacier: Glacier) -> int:
        codes = []
        for upload_id in ids:
            try:
                with suppress(UploadNotFoundError):  # as it was to be
                    upload = await glacier.vault(vault).unfinished_upload(upload_id)
                    await upload.abort()
            except GlacierError as error:
                if len(ids) == 1:
                    raise
                codes.append(tell(session.output, failure_of(error, item=upload_id)))
            else:
                record = {"upload_id": upload_id, "vault": vault, "aborted": True}
                session.output.record(record, lambda record: f"aborted {record['upload_id']}")
        return worst_exit(len(codes), len(ids), codes)

    return session.run(abort)
