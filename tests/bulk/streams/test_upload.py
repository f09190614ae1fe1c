"""Streams that become as many archives as they need."""

from __future__ import annotations

import io
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from aioglacier.bulk.streams.download import StreamDownload, find_manifest, read_manifest
from aioglacier.bulk.streams.manifest import Manifest
from aioglacier.bulk.streams.upload import StreamUpload
from aioglacier.core.errors import (
    ConfigurationError,
    DescriptionError,
    EmptyArchiveError,
    InvalidPlanError,
    ObjectExistsError,
    ResumeMismatchError,
)
from tests.bulk.conftest import MIB, Place
from tests.bulk.streams.conftest import read_back, upload
from tests.forking import forks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: Three archives of 2 MiB, and a rest.
SIZE = 7 * MIB + 12_345


@pytest.mark.parametrize(
    ("size", "sizes"),
    [
        (1, [1]),
        (2 * MIB, [2 * MIB]),
        (2 * MIB + 1, [2 * MIB, 1]),
        (4 * MIB, [2 * MIB, 2 * MIB]),
        (SIZE, [2 * MIB, 2 * MIB, 2 * MIB, MIB + 12_345]),
    ],
)
async def test_a_stream_rolls_over_and_reads_back_as_one(
    place: Place, tmp_path: Path, size: int, sizes: list[int]
) -> None:
    """No piece is empty, and the manifest is an archive of its own."""
    content = os.urandom(size)
    async with place.vault() as vault:
        manifest, archive = await upload(vault, content, description="tape 7")
        assert [piece.size for piece in manifest.pieces] == sizes
        assert await read_back(vault, await read_manifest(vault, archive.id)) == content
        await StreamDownload(vault, manifest).save(str(tmp_path / "back"))
        assert (tmp_path / "back").read_bytes() == content
    assert len(await place.archives()) == len(sizes) + 1


class Breaking(io.BytesIO):
    """A stream that breaks in the middle."""

    def __init__(self, content: bytes, at: int, is_time: Callable[[], bool] = lambda: True) -> None:
        super().__init__(content)
        self._at = at
        self._is_time = is_time

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """See ``io.RawIOBase.readinto``."""
        if self.tell() >= self._at:
            give_up = time.monotonic() + 10
            while not self._is_time() and time.monotonic() < give_up:
                time.sleep(0.01)  # it runs in a thread, where nothing else can be waited with
            raise OSError(5, "torn")
        return super().readinto(buffer[: self._at - self.tell()])


@pytest.mark.parametrize("at", [MIB // 2, 2 * MIB, 3 * MIB, 5 * MIB + 1, 7 * MIB])
async def test_a_broken_stream_goes_on_when_it_is_read_again(place: Place, at: int) -> None:
    """The error of the stream arrives as it is; sent bytes are compared and not sent again."""
    content = os.urandom(SIZE)
    async with place.vault() as vault:
        broken = StreamUpload(vault, Breaking(content, at), part_size=MIB, parts=2)
        with pytest.raises(OSError, match="torn"):
            await broken.run()
        again = StreamUpload(vault, io.BytesIO(content), part_size=MIB, parts=2, stream=broken.stream)
        manifest, _ = await again.run()
        assert again.snapshot().moved <= SIZE - (at - at % MIB) + 2 * MIB
        assert await read_back(vault, manifest) == content
    assert len(await place.archives()) == 5


@pytest.mark.slow
@pytest.mark.parametrize(("storage_class", "is_read_again"), [("GLACIER_IR", True), ("DEEP_ARCHIVE", False)])
async def test_a_broken_stream_goes_on_in_a_bucket(
    tmp_path: Path, storage_class: str, is_read_again: bool
) -> None:
    """Pieces are objects of the class, the manifest is one in STANDARD; a deleted piece is sent again."""
    content = os.urandom(17 * MIB)
    async with Place(tmp_path, storage_class).bucket() as bucket:

        def stream(source: io.BytesIO, **options: Any) -> StreamUpload:
            return StreamUpload(bucket, source, key="tape", part_size=8 * MIB, parts=1, **options)

        broken = stream(Breaking(content, 9 * MIB))
        with pytest.raises(OSError, match="torn"):
            await broken.run()
        if is_read_again:
            [first] = [entry.key async for entry in bucket.objects()]
            await bucket.delete(first)
            again = stream(io.BytesIO(content), stream=broken.stream)
        else:
            again = stream(io.BytesIO(content[8 * MIB :]), stream=broken.stream, position=8 * MIB)
        manifest, archive = await again.run()
        assert [piece.size for piece in manifest.pieces] == [8 * MIB, 8 * MIB, MIB]
        classes = {entry.key: entry.storage_class async for entry in bucket.objects()}
        assert classes == {piece.archive_id: storage_class for piece in manifest.pieces} | {
            "tape": "STANDARD"
        }
        assert archive.id == "tape"
        assert [upload.key async for upload in bucket.uploads()] == []
        for known in (manifest, Manifest.decode(manifest.encode(), "tape")):
            assert await read_back(bucket, known) == content
        with pytest.raises(ObjectExistsError):
            await stream(io.BytesIO(content)).run()


async def test_a_piece_that_was_deleted_is_replaced(place: Place) -> None:
    """The manifest, on record and at the service, names the archive that was sent instead."""
    content = os.urandom(SIZE)
    async with place.vault() as vault:
        broken = StreamUpload(vault, Breaking(content, 5 * MIB + 1), part_size=MIB, parts=2)
        with pytest.raises(OSError, match="torn"):
            await broken.run()
        assert vault.records is not None
        stored = [
            record.archive async for record in vault.records.catalog.archives.list_vault(vault.records.key)
        ]
        first = min(stored, key=lambda archive: archive.description)
        await vault.delete_archive(first.id)
        manifest, archive = await upload(vault, content, stream=broken.stream)
        known = await find_manifest(vault, archive.id)
        assert known is not None
        assert known.pieces == manifest.pieces
        assert first.id not in {piece.archive_id for piece in manifest.pieces}
        assert await read_back(vault, known) == content


@pytest.mark.parametrize("at", [2 * MIB, 3 * MIB, 5 * MIB + 1, 7 * MIB])
async def test_a_broken_stream_goes_on_from_the_position_that_is_named(place: Place, at: int) -> None:
    """A wrong position is refused, and the refusal names the right one."""
    content = os.urandom(SIZE)
    async with place.vault() as vault:
        broken = StreamUpload(vault, Breaking(content, at), part_size=MIB, parts=2)
        with pytest.raises(OSError, match="torn"):
            await broken.run()
        with pytest.raises(ResumeMismatchError) as refused:
            await upload(vault, b"x", stream=broken.stream, position=123)
        position = int(str(refused.value).split(" byte ")[1].split(",")[0])
        assert at - 2 * MIB < position <= at
        manifest, _ = await upload(vault, content[position:], stream=broken.stream, position=position)
        assert await read_back(vault, manifest) == content
    assert len(await place.archives()) == 5


@pytest.mark.parametrize("changed", [5, 2 * MIB + 5])
async def test_another_stream_does_not_go_on_with_it(place: Place, changed: int) -> None:
    """Neither in a piece that is made nor in one that is open."""
    content = bytearray(os.urandom(SIZE))
    async with place.vault() as vault:
        source = Breaking(bytes(content), 3 * MIB, lambda: broken.snapshot().done >= 3 * MIB)
        broken = StreamUpload(vault, source, part_size=MIB, parts=2)
        with pytest.raises(OSError, match="torn"):
            await broken.run()
        content[changed] ^= 1
        with pytest.raises(ResumeMismatchError):
            await upload(vault, bytes(content), stream=broken.stream)
        with pytest.raises(ResumeMismatchError):
            await upload(vault, bytes(content[:MIB]), stream=broken.stream)


async def test_a_finished_stream_is_compared_and_reported_again(place: Place) -> None:
    """A run that was killed before it could report its stream reports it now; other data is refused."""
    async with place.vault() as vault:
        manifest, archive = await upload(vault, b"x" * SIZE)
        assert (await upload(vault, b"x" * SIZE, stream=manifest.stream))[1] == archive
        for other in (b"y" * SIZE, b"x" * (SIZE - 1), b"x" * (SIZE + 1)):
            with pytest.raises(ResumeMismatchError):
                await upload(vault, other, stream=manifest.stream)
    assert len(await place.archives()) == 5


async def test_what_cannot_be_is_refused_before_anything_is_sent(place: Place) -> None:
    """Ceilings, positions, descriptions, unknown streams, no bytes."""
    async with place.vault() as vault:
        for options in ({"parts": 0}, {"parts": 10_001}, {"position": 5}, {"part_size": 3}):
            with pytest.raises(InvalidPlanError):
                StreamUpload(vault, io.BytesIO(b"x"), **options)  # type: ignore[arg-type]
        with pytest.raises(DescriptionError):
            StreamUpload(vault, io.BytesIO(b"x"), description="x" * 1000)
        with pytest.raises(ConfigurationError, match="no stream"):
            await upload(vault, b"x", stream="0" * 16)
        with pytest.raises(EmptyArchiveError):
            await upload(vault, b"")
    assert await place.archives() == []


PROGRAM = """
import asyncio, sys
import aioglacier
from aioglacier.bulk.streams.upload import StreamUpload
from aioglacier.catalog import Catalog

async def main():
    glacier, catalog = sys.argv[1:]
    async with (
        Catalog.open(catalog) as catalog,
        aioglacier.connect(endpoint_url=f"local:{glacier}", catalog=catalog, hash_in="threads") as glacier,
    ):
        vault = glacier.vault("folders")
        records = vault.records
        unfinished = await records.catalog.streams.list_open(records.key)
        stream = unfinished[0].nonce if unfinished else None
        with open("content", "rb") as content:
            await StreamUpload(vault, content, part_size=1 << 20, parts=2, stream=stream).run()

asyncio.run(main())
"""


#: Points of which uploads, parts and pieces a run is killed at; the long tests have the same of others.
KILLS = {
    "upload intent recorded": (5,),
    "upload initiated": (3,),
    "upload id recorded": (2,),
    "part sent": (4,),
    "completing recorded": (3,),
    "completed": (1,),
    "archive recorded": (5,),
}
MORE_KILLS = {
    "upload intent recorded": (1, 2),
    "upload initiated": (1, 5),
    "upload id recorded": (5,),
    "part sent": (1, 3, 9),
    "completing recorded": (1, 5),
    "completed": (4, 5),
    "archive recorded": (1, 4),
}


@pytest.mark.parametrize(
    "point",
    [
        *(f"{point}:{n}" for point, numbers in KILLS.items() for n in numbers),
        *(
            pytest.param(f"{point}:{n}", marks=pytest.mark.long)
            for point, numbers in MORE_KILLS.items()
            for n in numbers
        ),
    ],
)
async def test_a_stream_killed_at_any_point_is_made_good_by_the_next_run(
    place: Place, tmp_path: Path, point: str
) -> None:
    """Each piece is there once, no upload is open, and it reads back as one."""
    content = os.urandom(SIZE)
    (tmp_path / "content").write_bytes(content)
    async with place.vault():
        pass
    for more, expected in (({"AIOGLACIER_CRASH_AT": point}, -signal.SIGKILL), ({}, 0)):
        environment = {**os.environ, **more}
        arguments = ["-c", PROGRAM, str(place.glacier), str(place.catalog)]
        code, _, err = forks().run(arguments, cwd=tmp_path, env=environment)
        assert code == expected, err.decode()
    archives = await place.archives()
    assert len(archives) == 5
    (tie,) = [archive for archive in archives if '"manifest"' in archive.description]
    async with place.vault() as vault:
        assert await read_back(vault, await read_manifest(vault, tie.id)) == content
