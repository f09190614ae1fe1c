"""``aioglacier upload s3://...``: files and standard input become objects."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any, Final

import click

from aioglacier.cli.program.exits import Exit, is_about_one_item
from aioglacier.cli.program.failures import failure_of, tell
from aioglacier.cli.program.session import worst_exit
from aioglacier.cli.render.printed_records import object_record, object_text
from aioglacier.cli.render.sizes import show_count
from aioglacier.cli.shared.encrypting import upload_sealed
from aioglacier.cli.shared.money import cost_record, priced_text
from aioglacier.cli.shared.stream_options import count_parts_of_piece, roll_over
from aioglacier.cli.shared.uploading import (
    STDIN,
    RunningUploads,
    holding_shard,
    note_told,
    offer_restart,
    open_stdin,
    point_to_abort,
    resume_with,
    run_side_by_side,
    size_of,
    tell_what_expired,
    tell_what_was_found,
)
from aioglacier.cli.shared.vault_lookup import find_region
from aioglacier.core.errors import GlacierError, ObjectExistsError, ResumeMismatchError
from aioglacier.core.limits import S3
from aioglacier.core.place import parse_place
from aioglacier.core.planning import choose_part_size, count_parts
from aioglacier.core.s3.object_checks import check_key, check_metadata
from aioglacier.core.s3.objects import CLASS_TERMS, StorageClass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.cli.program.command import Ending
    from aioglacier.cli.program.session import Session
    from aioglacier.cli.shared.uploading import UploadOptions
    from aioglacier.client.buckets.bucket import Bucket
    from aioglacier.client.glacier import Glacier
    from aioglacier.core.models import Archive
    from aioglacier.core.prices import Prices

_AT_ONCE: Final = 8  # files; their parts share the connections


def upload_objects(
    session: Session, of_all: tuple[str, ...], sources: tuple[str, ...], options: UploadOptions
) -> Ending:
    """Check keys, class and metadata, and return what is to be done with a connection.

    ``of_all`` are the sources of all shards.
    """
    place = parse_place(options.vault)
    keys = {source: _key_for(source, place.prefix or "", len(of_all)) for source in of_all}
    if len({*keys.values()}) < len(keys):
        raise click.UsageError("two of these files would have one key; upload one by one")
    keys = {source: keys[source] for source in sources}
    if options.storage_class is None:
        raise click.UsageError(
            "a bucket needs --storage-class: GLACIER_IR (read at once, billed for 90 days at least), GLACIER "
            "(restored in minutes to hours, 90 days) or DEEP_ARCHIVE (restored in 12 to 48 hours, 180 days). "
            "AIOGLACIER_STORAGE_CLASS and the configuration file can name one for all"
        )
    storage_class = StorageClass(options.storage_class)
    metadata = _read_metadata(options.metadata)
    if options.dry_run:
        return _plan_all(session, keys, storage_class, options)

    async def upload(glacier: Glacier) -> int:
        bucket = glacier.bucket(place.name, storage_class)
        budget = options.spending.budget(glacier, storage_class)
        if options.roll_over:
            return await roll_over(session, options, bucket, budget, keys[STDIN])
        run = _Run(session, bucket, keys, options, metadata, RunningUploads(session, len(keys), budget))
        async with holding_shard(session, bucket.context.recorded(), of_all, options):
            return await run.upload_all()

    return upload


def _key_for(source: str, given: str, count: int) -> str:
    """Return the key of a source: the one that is given, or the file's name below a prefix."""
    if given and not given.endswith("/"):
        if count > 1:
            raise click.UsageError(f"several files cannot have one key; end it with '/': {given}/")
        return check_key(given)
    if source == STDIN:
        raise click.UsageError("standard input has no name; give the whole key, as s3://BUCKET/KEY")
    return check_key(given + os.path.basename(os.path.abspath(source)))  # noqa: PTH119, PTH100  # any bytes


def _read_metadata(given: tuple[str, ...]) -> Mapping[str, str]:
    pairs = [each.partition("=") for each in given]
    for name, sign, _ in pairs:
        if not sign:
            raise click.UsageError(f"--metadata is NAME=VALUE, not {name!r}")
    return check_metadata({name: value for name, _, value in pairs})


# --- the plan


def _plan_all(
    session: Session, keys: Mapping[str, str], storage_class: StorageClass, options: UploadOptions
) -> int:
    codes = []
    prices = options.spending.prices_of(find_region(session.settings), storage_class)
    for source, key in keys.items():
        try:
            size = options.expected_size if source == STDIN else size_of(source)
            part_size = choose_part_size(size or None, options.part_size, S3)
            parts = count_parts(size, part_size) if size else None if size is None else 1
            record = {
                "source": source,
                "place": options.vault,
                "key": key,
                "storage_class": storage_class.value,
                "size": size,
                "part_size": part_size,
                "parts": parts,
                "requests": None if parts is None else 1 if parts == 1 else parts + 2,
                "minimum_days": CLASS_TERMS[storage_class].minimum_days,
                **cost_record(prices, _cost(prices, size, options.part_size) + _looks(prices, parts)),
            }
            if options.roll_over:
                record["piece_size"] = count_parts_of_piece(options, S3) * part_size
            session.output.record(record, _plan_text)
        except (GlacierError, OSError) as error:
            codes.append(tell(session.output, failure_of(error, item=source)))
    return worst_exit(len(codes), len(keys), codes)


def _cost(prices: Prices, size: int | None, part_size: int | None) -> float:
    """Return the cost of a new object: its requests, and its storage for the minimum time."""
    if size is None:
        return math.nan
    part_size = choose_part_size(size or None, part_size, S3)
    return prices.archive(size, None if size <= part_size else part_size)


def _looks(prices: Prices, parts: int | None) -> float:
    """Return the cost of the requests that look for the bucket, the key and unfinished uploads before."""
    heads = 1 if parts == 1 else 3  # the key, once more before parts are sent, and the rules of the bucket
    return prices.looking(lists=2, heads=heads)


def _plan_text(record: Mapping[str, Any]) -> str:
    how = (
        "as a stream of unknown length"
        if record["parts"] is None
        else f"in {show_count(record['requests'], 'request')}"
    )
    return priced_text(f"{record['source']}: would be uploaded {how}", record, without=("source",))


# --- the uploads


class _Run:
    """The uploads of one command to a bucket, side by side."""

    def __init__(
        self,
        session: Session,
        bucket: Bucket,
        keys: Mapping[str, str],
        options: UploadOptions,
        metadata: Mapping[str, str],
        running: RunningUploads,
    ) -> None:
        self._session = session
        self._bucket = bucket
        self._keys = keys
        self._options = options
        self._metadata = metadata
        self._running = running
        self._has_warned = False

    async def upload_all(self) -> int:
        """Upload the sources, and print each object as soon as there is one."""
        session, options = self._session, self._options
        codes: list[Exit] = []
        left = list(self._keys)
        waiting = iter(self._keys.items())

        async def upload_waiting() -> None:
            for source, key in waiting:  # one iterator for all tasks
                try:
                    archive = await self._upload(source, key)
                except GlacierError as error:
                    if isinstance(error, ResumeMismatchError) and source != STDIN:
                        offer_restart(error)
                    point_to_abort(session, error, options.vault)
                    if len(self._keys) == 1 or not is_about_one_item(error):
                        self._point_to_resume(error, source)
                        raise
                    codes.append(tell(session.output, failure_of(error, item=source)))
                else:
                    await self._print(source, archive)
                left.remove(source)  # one that failed would fail again
                session.resume = resume_with(session, options, left)

        session.resume = resume_with(session, options, left)
        async with self._bucket.context.spending(self._running.budget), self._running.showing():
            await run_side_by_side(upload_waiting, min(_AT_ONCE, len(self._keys)))
        return worst_exit(len(codes), len(self._keys), codes)

    async def _upload(self, source: str, key: str) -> Archive:
        options, running = self._options, self._running
        if options.recipients is not None:
            await self._check_free(key)
            more = {"key": key, "overwrite": options.overwrite, "metadata": self._metadata} | self._checksum()
            return await upload_sealed(running, self._bucket, source, options.recipients, options, **more)
        if source == STDIN:
            await self._check_free(key)
            await self._warn_of_lifecycle()
            upload = await self._bucket.prepare_upload(
                open_stdin(), key=key, expected_size=options.expected_size, **self._settings()
            )
            return await running.run("standard input", upload, can_go_on=False)
        async with self._bucket.open_or_resume(
            source,
            key=key,
            resume=not options.no_resume,
            restart=options.restart,
            again=options.again,
            expected_size=options.expected_size,
            **self._settings(),
        ) as resumed:
            tell_what_was_found(self._session, source, resumed)
            if resumed.is_stored:
                running.skip(source)
                return await resumed.run()
            if resumed.is_new and resumed.archive is None:
                size = resumed.file.size
                await self._check_free(key)
                running.check_cost(source, _cost(running.budget.prices, size, options.part_size))
                if size > choose_part_size(size or None, options.part_size, S3):
                    await self._warn_of_lifecycle()
            try:
                return await running.run(source, resumed, is_resume=not resumed.is_new)
            finally:
                tell_what_expired(self._session, resumed)

    def _settings(self) -> Any:
        options = self._options
        return {
            "description": options.description,
            "part_size": options.part_size,
            "overwrite": options.overwrite,
            "metadata": self._metadata,
            **self._checksum(),
        }

    def _checksum(self) -> dict[str, str]:
        return {"checksum": self._options.checksum} if self._options.checksum is not None else {}

    async def _check_free(self, key: str) -> None:
        """Refuse a key that is taken before a byte is sent."""
        context = self._bucket.context
        options = context.upload_options(name=key, overwrite=self._options.overwrite)
        try:
            await context.object_store(options).check_free()
        except ObjectExistsError as error:
            error.add_note("--overwrite replaces it, and its storage is charged for the minimum time")
            raise

    async def _warn_of_lifecycle(self) -> None:
        """Warn once where nothing removes uploads that are never completed."""
        if self._has_warned:
            return
        self._has_warned = True  # before the request, as other files run beside it
        if await self._bucket.removes_unfinished() is False:
            self._session.output.note(
                f"bucket {self._bucket.name} has no rule AbortIncompleteMultipartUpload, so S3 keeps and "
                "bills an unfinished upload until it is aborted: "
                f"{self._session.command('uploads', 'list', f's3://{self._bucket.name}')}"
            )

    async def _print(self, source: str, archive: Archive) -> None:
        context = self._bucket.context
        facts = archive.object_facts or await context.catalog.archives.object_facts(context.key, archive.id)
        record = {
            **object_record(archive, facts),
            "source": source,
            "skipped": source in self._running.stored,
        }
        self._session.output.record(record, object_text)
        await note_told(self._bucket, archive)

    def _point_to_resume(self, error: GlacierError, source: str) -> None:
        """Name the command that goes on with this upload, where the same command would not."""
        session, options = self._session, self._options
        if error.upload_id is not None and (source == STDIN or options.no_resume):
            place = f"s3://{self._bucket.name}"
            session.resume = session.command(
                "uploads", "resume", f"--upload-id={error.upload_id}", "--", place, source
            )
        elif options.no_resume:
            session.resume = None
