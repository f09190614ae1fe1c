"""``aioglacier uploads ... s3://...``: unfinished uploads to a bucket."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import aioglacier
from tests.cli.conftest import MIB, data

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


class StoppedError(Exception):
    """The end of a program that leaves an upload behind."""


async def leave_behind(cli: Cli, whole: bytes) -> str:
    """Leave an upload of one part behind, without a record; return its id."""
    async with aioglacier.connect(endpoint_url=f"local:{cli.folder / 'glacier'}", hash_in="threads") as local:
        bucket = local.bucket("museum", "GLACIER")
        with suppress(StoppedError):
            async with bucket.open_writer("film", part_size=8 * MIB, keep_unfinished=True) as writer:
                await writer.write(whole[: 8 * MIB + 1])
                while writer.snapshot().parts_done < 1:  # noqa: ASYNC110  # nothing tells
                    await asyncio.sleep(0.01)
                raise StoppedError
    return str(writer.upload_id)


def test_an_upload_is_listed_finished_and_aborted(museum: Cli) -> None:
    """The same source finishes it, and one that is gone is aborted without an error."""
    whole = data(9 * MIB)
    (museum.folder / "film").write_bytes(whole)
    assert "no unfinished uploads" in museum("uploads", "list", "s3://museum").err
    upload_id = asyncio.run(leave_behind(museum, whole))
    listed = museum("--json", "uploads", "list", "s3://museum").record
    assert (listed["upload_id"], listed["key"], listed["sent"]) == (upload_id, "film", 8 * MIB)
    (_, line) = museum("uploads", "list", "s3://museum").text.splitlines()
    assert line.split()[2:] == ["8", "MiB", "1", "GLACIER", "film"]
    resume = ("uploads", "resume", "s3://museum", f"--upload-id={upload_id}", "film")
    assert museum("--json", *resume, "--dry-run").record["sent"] == 8 * MIB
    assert museum("--json", *resume).record["storage_class"] == "GLACIER"
    other = asyncio.run(leave_behind_another(museum, whole))
    aborted = museum("--json", "uploads", "abort", "s3://museum", "--yes", "--", other, "nothing.1").records
    assert [record["aborted"] for record in aborted] == [True, True]
    assert not museum("--json", "uploads", "list", "s3://museum").records


async def leave_behind_another(cli: Cli, whole: bytes) -> str:
    """Make room under the key, and leave another upload behind."""
    async with aioglacier.connect(endpoint_url=f"local:{cli.folder / 'glacier'}", hash_in="threads") as local:
        await local.bucket("museum").delete("film")
    return await leave_behind(cli, whole)
