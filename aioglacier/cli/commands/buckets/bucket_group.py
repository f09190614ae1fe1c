"""``aioglacier bucket``: make, list and remove buckets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from aioglacier.cli.program.command import CommandGroup
from aioglacier.cli.program.parameters import BUCKET
from aioglacier.cli.render.listing import print_all
from aioglacier.cli.render.printed_records import plain
from aioglacier.cli.render.sizes import show_count
from aioglacier.cli.render.table import Column, Table, show_date
from aioglacier.cli.shared.consent import DRY_RUN, tell_plan
from aioglacier.core.errors import BucketNameError
from aioglacier.core.s3.object_checks import check_bucket_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from aioglacier.cli.program.command import Ending
    from aioglacier.cli.program.session import Session
    from aioglacier.cli.render.console import Record
    from aioglacier.client.glacier import Glacier
    from aioglacier.core.s3.objects import BucketDescription

_COLUMNS: Final = (Column("CREATED", 10, 10), Column("REGION", 14, 0))


class _BucketGroup(CommandGroup):
    def meant_by(self, word: str) -> str | None:
        """Objects are listed by a command outside of this group."""
        name = word.removeprefix("s3://")
        try:
            check_bucket_name(name.partition("/")[0])
        except BucketNameError:
            return None
        return f"list s3://{name}"


@click.group("bucket", cls=_BucketGroup)
def command() -> None:
    """Buckets: create, list, delete. Rules, policies and versions are for other tools."""


@command.command("create", makes_local=True)
@BUCKET
@DRY_RUN
def _create(session: Session, name: str, dry_run: bool) -> Ending:
    """Create BUCKET in this region. If you own it already, that is no error."""
    if dry_run:
        return tell_plan(session, "CreateBucket", f"create bucket {name}", name=name)

    async def create(glacier: Glacier) -> None:
        bucket = await glacier.create_bucket(name)
        session.output.record(
            {"bucket": bucket.name, "created": True}, lambda _: f"created s3://{bucket.name}"
        )

    return create


@command.command("list")
async def _list(session: Session, glacier: Glacier) -> None:
    """List the buckets of the account."""
    text = _line_of(Table(session.output, *_COLUMNS, last="NAME"))
    count, _ = await print_all(session.output, glacier.buckets(), _record, text)
    session.output.note(show_count(count, "bucket") if count else "no buckets")


@command.command("delete")
@BUCKET
@DRY_RUN
def _delete(session: Session, name: str, dry_run: bool) -> Ending:
    """Delete BUCKET, which must be empty."""
    if dry_run:
        return tell_plan(session, "DeleteBucket", f"delete bucket {name}", name=name)

    async def delete(glacier: Glacier) -> None:
        bucket = glacier.bucket(name)
        await bucket.remove()
        session.output.record(
            {"bucket": bucket.name, "deleted": True}, lambda _: f"deleted s3://{bucket.name}"
        )

    return delete


def _record(bucket: BucketDescription) -> Record:
    return {"bucket": bucket.name, "created": plain(bucket.created), "region": bucket.region}


def _line_of(table: Table) -> Callable[[Mapping[str, Any]], str]:
    def line(record: Mapping[str, Any]) -> str:
        created = show_date(record["created"])[:10]
        return table.row(created, record["region"] or "", f"s3://{record['bucket']}")

    return line
