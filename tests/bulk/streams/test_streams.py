"""Streams that outgrow an archive: they roll over into the next, and read back as one."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from aioglacier.bulk.streams.download import StreamDownload, read_manifest
from aioglacier.bulk.streams.manifest import Manifest
from aioglacier.bulk.streams.upload import StreamUpload
from aioglacier.core.errors import (
    ConfigurationError,
    DescriptionError,
    EmptyArchiveError,
    IntegrityError,
    InvalidPlanError,
    ResumeMismatchError,
    SourceUnreadableError,
    TargetError,
)
from aioglacier.tasks.groups import first_cause
from tests.bulk.conftest import MIB
from tests.cli.conftest import Cli
from tests.forking import forks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import aioglacier
    from aioglacier.client.vault import Vault
    from tests.bulk.conftest import Place

pytestmark = pytest.mark.slow

#: Three archives of 2 MiB, and a rest.
SIZE = 7 * MIB + 12_345


async def upload(vault: Vault, content: bytes, **options: object) -> tuple[Manifest, aioglacier.Archive]:
    """A stream in archives of two parts of 1 MiB."""
    rolling = StreamUpload(vault, io.BytesIO(content), part_size=MIB, parts=2, **options)  # type: ignore[arg-type]
    return await rolling.run()


async def read_back(vault: Vault, manifest: Manifest) -> bytes:
    """The whole stream."""
    blocks: list[bytes] = []

    async def keep(block: bytes) -> None:
        blocks.append(bytes(block))

    await StreamDownload(vault, manifest).run(keep)
    return b"".join(blocks)


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


async def test_a_stream_reads_back_without_the_catalog(place: Place, tmp_path: Path) -> None:
    """The manifest in the vault, found by its description, is enough."""
    content = os.urandom(SIZE)
    async with place.vault() as vault:
        _, archive = await upload(vault, content, description="tape 7")
    place.catalog = tmp_path / "other.db"
    (found,) = [each for each in await place.archives() if '"manifest"' in each.description]
    assert (found.id, "tape 7" in found.description) == (archive.id, True)
    async with place.vault() as vault:
        manifest = await read_manifest(vault, archive.id)
        assert (manifest.description, manifest.size) == ("tape 7", SIZE)
        assert await read_back(vault, manifest) == content


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
    """Bytes that were sent are compared and not sent again."""
    content = os.urandom(SIZE)
    async with place.vault() as vault:
        broken = StreamUpload(vault, Breaking(content, at), part_size=MIB, parts=2)
        with pytest.raises(SourceUnreadableError):
            await broken.run()
        again = StreamUpload(vault, io.BytesIO(content), part_size=MIB, parts=2, stream=broken.stream)
        manifest, _ = await again.run()
        assert again.snapshot().moved <= SIZE - (at - at % MIB) + 2 * MIB
        assert await read_back(vault, manifest) == content
    assert len(await place.archives()) == 5


@pytest.mark.parametrize("at", [2 * MIB, 3 * MIB, 5 * MIB + 1, 7 * MIB])
async def test_a_broken_stream_goes_on_from_the_position_that_is_named(place: Place, at: int) -> None:
    """A wrong position is refused, and the refusal names the right one."""
    content = os.urandom(SIZE)
    async with place.vault() as vault:
        broken = StreamUpload(vault, Breaking(content, at), part_size=MIB, parts=2)
        with pytest.raises(SourceUnreadableError):
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
        with pytest.raises(SourceUnreadableError):
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


async def test_a_download_goes_on_with_what_is_there_and_verified(place: Place, tmp_path: Path) -> None:
    """Whole pieces and whole MiB are kept; what is damaged on the disk is fetched again."""
    content = os.urandom(SIZE)
    kept = tmp_path / ".back.aioglacier-stream"
    async with place.vault() as vault:
        manifest, _ = await upload(vault, content)
        kept.write_bytes(content[: 5 * MIB + 99])
        download = StreamDownload(vault, manifest)
        await download.save(str(tmp_path / "back"))
        assert (tmp_path / "back").read_bytes() == content
        assert download.snapshot().moved == SIZE - 5 * MIB
        kept.write_bytes(b"!" + content[1 : 4 * MIB])
        download = StreamDownload(vault, manifest)
        await download.save(str(tmp_path / "back"), overwrite=True)
        assert (tmp_path / "back").read_bytes() == content
        with pytest.raises(TargetError):
            await StreamDownload(vault, manifest).save(str(tmp_path / "back"))
    assert not kept.exists()


async def test_a_file_that_appears_while_a_stream_is_fetched_is_kept(place: Place, tmp_path: Path) -> None:
    """Without overwrite the stream keeps its hidden name, and another run fetches no byte of it again."""
    content = os.urandom(SIZE)
    target = tmp_path / "back"
    async with place.vault() as vault:
        manifest, _ = await upload(vault, content)
        download = StreamDownload(vault, manifest)

        async def appear() -> None:
            while not download.snapshot().moved:
                await anyio.lowlevel.checkpoint()
            target.write_bytes(b"the only copy")

        async def save() -> None:
            with first_cause():
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(appear)
                    await download.save(str(target))

        with pytest.raises(TargetError, match="appeared meanwhile"):
            await save()
        assert target.read_bytes() == b"the only copy"
        download = StreamDownload(vault, manifest)
        await download.save(str(target), overwrite=True)
    assert (target.read_bytes(), download.snapshot().moved) == (content, 0)


async def test_a_stream_for_which_there_is_no_room_is_not_asked_for(place: Place, tmp_path: Path) -> None:
    """With what decrypting it takes, if it is to be; a job would be paid for nothing."""
    async with place.vault() as vault:
        manifest, _ = await upload(vault, os.urandom(4 * MIB))
        free = shutil.disk_usage(tmp_path).free
        (first, *_) = manifest.pieces
        huge = Manifest("", "", (type(first)(first.archive_id, 4 * free, first.tree_hash),))
        with pytest.raises(TargetError, match="no job was started"):
            await StreamDownload(vault, huge).save(str(tmp_path / "back"))
        large = Manifest("", "", (type(first)(first.archive_id, 3 * free // 4, first.tree_hash),))
        with pytest.raises(TargetError, match="decrypted"):
            await StreamDownload(vault, large).check_room(str(tmp_path / "back"), is_encrypted=True)
        assert [job async for job in vault.jobs()] == []


async def test_a_piece_that_is_not_what_the_manifest_says_is_refused(place: Place, tmp_path: Path) -> None:
    """Pieces in another order, and an archive that is no manifest."""
    async with place.vault() as vault:
        manifest, _ = await upload(vault, os.urandom(4 * MIB))
        first, second = manifest.pieces
        mixed = Manifest("", "", (first, type(second)(first.archive_id, second.size, second.tree_hash)))
        with pytest.raises(IntegrityError):
            await StreamDownload(vault, mixed).save(str(tmp_path / "back"))
        assert not (tmp_path / "back").exists()
        plain = await vault.upload(b"no manifest")
        with pytest.raises(IntegrityError, match="no manifest"):
            await read_manifest(vault, plain.id)


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


@pytest.mark.parametrize(
    "point",
    [
        *(f"upload intent recorded:{n}" for n in (1, 2, 5)),
        *(f"upload initiated:{n}" for n in (1, 3, 5)),
        *(f"upload id recorded:{n}" for n in (2, 5)),
        *(f"part sent:{n}" for n in (1, 3, 4, 9)),
        *(f"completing recorded:{n}" for n in (1, 3, 5)),
        *(f"completed:{n}" for n in (1, 4, 5)),
        *(f"archive recorded:{n}" for n in (1, 4, 5)),
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


# --- the program


@pytest.fixture
def program(tmp_path: Path) -> Cli:
    """The program on a local Glacier with one vault."""
    cli = Cli(tmp_path, ("--local", "glacier"))
    cli("vault", "create", "tapes")
    return cli


ROLLING = ("upload", "--roll-over", "--part-size=1MiB", "--piece-size=2MiB")


def test_the_program_takes_a_stream_there_and_brings_it_back(program: Cli, tmp_path: Path) -> None:
    """To a file and to standard output."""
    content = os.urandom(5 * MIB)
    plan = program(*ROLLING, "--dry-run", "--json", "tapes", "-").record
    assert (plan["piece_size"], plan["at_most"]) == (2 * MIB, None)
    done = program(*ROLLING, "--json", "tapes", "-", stdin=content).record
    assert (len(done["pieces"]), done["stream_size"]) == (3, len(content))
    manifest = f"--archive-id={done['archive_id']}"
    back = program("download", "--manifest", manifest, "--json", "tapes", "back").record
    assert (back["pieces"], back["verified"]) == (3, True)
    assert (tmp_path / "back").read_bytes() == content
    assert program("download", "--manifest", manifest, "tapes", "-").out == content
    assert "3 archives" in program(*ROLLING, "tapes", "-", stdin=content).text


def test_the_program_goes_on_with_a_stream_that_was_killed(program: Cli, tmp_path: Path) -> None:
    """By its name, as the catalog knows it."""
    content = os.urandom(5 * MIB)
    crash = {"AIOGLACIER_CRASH_AT": "archive recorded:2"}
    program(*ROLLING, "tapes", "-", stdin=content, environment=crash, code=-signal.SIGKILL)
    error = program(*ROLLING, "--stream=0", "tapes", "-", stdin=content, code=2).err
    (name,) = re.findall(r"[0-9a-f]{16}", error)
    done = program(*ROLLING, f"--stream={name}", "--json", "tapes", "-", stdin=content).record
    program("download", "--manifest", f"--archive-id={done['archive_id']}", "tapes", "back")
    assert (tmp_path / "back").read_bytes() == content


def test_a_stream_that_is_stopped_says_what_goes_on_with_it(program: Cli, tmp_path: Path) -> None:
    """By a signal in the middle; then from the position that a refusal names."""
    content = os.urandom(5 * MIB)
    with subprocess.Popen(
        [sys.executable, "-m", "aioglacier", "--local", "glacier", *ROLLING, "tapes", "-"],
        cwd=tmp_path,
        env=program.env(),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    ) as child:
        assert child.stdin is not None
        assert child.stderr is not None
        child.stdin.write(content[: 4 * MIB + 5])
        child.stdin.write(bytes(64 * 1024))  # which the pipe takes once nearly all else has been read
        child.send_signal(signal.SIGTERM)
        said = child.stderr.read().decode()
    assert child.returncode == 143
    (name,) = re.findall(r"--stream=([0-9a-f]{16})", said)
    wrong = (*ROLLING, f"--stream={name}", "--position=7", "tapes", "-")
    refused = program(*wrong, stdin=content, code=4).err
    position = int(re.findall(r"continues at byte (\d+)", refused)[0])
    assert position % MIB == 0
    right = (*ROLLING, f"--stream={name}", f"--position={position}", "--json", "tapes", "-")
    done = program(*right, stdin=content[position:]).record
    manifest = ("download", "--manifest", f"--archive-id={done['archive_id']}", "tapes", "-")
    assert program(*manifest).out == content


@pytest.mark.parametrize(
    "words",
    [
        ("upload", "--roll-over", "tapes", "a", "b"),
        ("upload", "--roll-over", "--position=5", "tapes", "-"),
        ("upload", "--piece-size=5MiB", "tapes", "-"),
        ("download", "--manifest", "--no-wait", "--archive-id=" + "a" * 138, "tapes", "back"),
    ],
)
def test_options_that_do_not_go_together_are_refused(program: Cli, words: tuple[str, ...]) -> None:
    """Before anything is read."""
    program(*words, stdin=b"", code=2)
