# ruff: noqa: PT012  # a block that must raise is the whole of it
"""Resumed uploads: whatever the service has already is proven, not sent, and nothing else is believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings, strategies as st

from aioglacier.core.errors import ResumeMismatchError, UploadNotFoundError
from aioglacier.core.models import UploadId
from aioglacier.core.treehash import hash_part, tree_hash
from aioglacier.transfer.upload.source_upload import SourceUpload
from aioglacier.transfer.upload.sources import as_source
from tests.transfer.conftest import DATA, MIB, MemoryStore, Served, options, thread_resources

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from aioglacier.transfer.resources import TransferResources

SIZE = 4 * MIB + 5
BYTES = DATA[:SIZE]
STARTS = range(0, SIZE, MIB)
ID = UploadId("upload-1")

KINDS = ["path", "stream", "bytes"]


def source_of(kind: str, path: Path, data: bytes = BYTES) -> object:
    """The same bytes in another form."""
    if kind == "path":
        path.write_bytes(data)
        return path
    return data if kind == "bytes" else [data]


async def begin(store: MemoryStore, starts: Iterable[int], data: bytes = BYTES) -> dict[int, bytes]:
    """An upload that holds some parts already; returns what the service lists of it."""
    await store.initiate(MIB)
    for start in starts:
        part = memoryview(data)[start : start + MIB]
        await store.put_part(ID, start, part, hash_part(part), None)
    store.calls.clear()
    return {start: tree_hash(part) for start, part in store.uploads[ID].items()}


async def resume(
    source: object, store: MemoryStore, resources: TransferResources, known: dict[int, bytes]
) -> None:
    """Go on with it."""
    opened = await as_source(source)  # type: ignore[arg-type]  # made above
    kept = options(keep_unfinished=True)
    await SourceUpload(store, resources, kept, opened, resume=(ID, known)).run()


@pytest.mark.slow
@settings(settings.get_profile("transfer"))
@given(starts=st.sets(st.sampled_from(STARTS)), kind=st.sampled_from(KINDS))
async def test_any_set_of_parts_is_completed_to_the_same_archive(
    starts: set[int], kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Only what the service lacks is sent, from any kind of source, and no new upload is begun."""
    store = MemoryStore()
    known = await begin(store, starts)
    async with thread_resources() as resources:
        source = source_of(kind, tmp_path_factory.getbasetemp() / "resumed")
        await resume(source, store, resources, known)
    assert store.archives == [BYTES]
    assert store.calls == {"complete": 1} | dict.fromkeys(set(STARTS) - starts, 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("held", [0, 2 * MIB, 4 * MIB])
async def test_another_source_is_refused(
    kind: str, held: int, tmp_path: Path, store: MemoryStore, resources: TransferResources
) -> None:
    """The first part that differs is named; of a file nothing was sent, and the upload stays."""
    known = await begin(store, [held])
    other = bytearray(BYTES)
    other[held] ^= 1
    with pytest.raises(ResumeMismatchError) as caught:
        await resume(source_of(kind, tmp_path / "other", bytes(other)), store, resources, known)
    assert caught.value.byte_range is not None
    assert caught.value.byte_range.start == held
    assert caught.value.upload_id == ID
    assert (store.archives, list(store.uploads)) == ([], [ID])
    if kind == "path":
        assert not store.calls


async def test_the_first_of_several_differences_is_named(
    tmp_path: Path, store: MemoryStore, resources: TransferResources
) -> None:
    """Parts are hashed at once, but the error names the first place where the source differs."""
    known = await begin(store, STARTS)
    with pytest.raises(ResumeMismatchError, match=f"bytes {MIB}-{2 * MIB - 1} differ first"):
        await resume(
            source_of("path", tmp_path / "other", BYTES[:MIB] + bytes(SIZE - MIB)), store, resources, known
        )


@pytest.mark.parametrize("kind", ["path", "stream"])
@pytest.mark.parametrize("size", [1, MIB, 3 * MIB + 1, SIZE - 1])
async def test_a_shorter_source_is_refused(
    kind: str, size: int, tmp_path: Path, store: MemoryStore, resources: TransferResources
) -> None:
    """A source that ends before the parts the service has is not what was begun, and no archive is made."""
    known = await begin(store, STARTS)
    with pytest.raises(ResumeMismatchError):
        await resume(source_of(kind, tmp_path / "short", BYTES[:size]), store, resources, known)
    assert (store.archives, list(store.uploads)) == ([], [ID])


@pytest.mark.parametrize("kind", ["path", "stream"])
async def test_a_source_that_has_grown_is_refused_if_its_old_end_was_sent(
    kind: str, tmp_path: Path, store: MemoryStore, resources: TransferResources
) -> None:
    """The short last part proves where the source ended; without it a longer source is the same one."""
    known = await begin(store, [4 * MIB])
    longer = BYTES + b"more"
    with pytest.raises(ResumeMismatchError):
        await resume(source_of(kind, tmp_path / "longer", longer), store, resources, known)
    store.uploads.clear()
    store.calls.clear()
    known = await begin(store, [0, MIB])
    await resume(source_of(kind, tmp_path / "longer", longer), store, resources, known)
    assert store.archives == [longer]


async def test_a_part_at_an_odd_place_is_refused(
    tmp_path: Path, store: MemoryStore, resources: TransferResources
) -> None:
    """A part whose offset the plan does not know cannot be proven, so nothing is sent."""
    await begin(store, [0])
    with pytest.raises(ResumeMismatchError, match="holds a part at byte 5"):
        await resume(source_of("path", tmp_path / "s"), store, resources, {5: tree_hash(b"x")})
    assert not store.calls


# --- at a served Glacier


async def unfinished(served: Served, size: int) -> str:
    """An upload with its first parts at the service; returns its id."""
    with pytest.raises(ZeroDivisionError):
        async with served.vault.open_writer(part_size=MIB, description="d", keep_unfinished=True) as writer:
            await writer.write(BYTES[:size])
            while writer.snapshot().parts_in_flight:
                await served.vault.describe()
            raise ZeroDivisionError
    (upload_id,) = await served.uploads()
    return upload_id


@pytest.mark.parametrize("kind", KINDS)
async def test_an_upload_is_found_and_finished(kind: str, served: Served, tmp_path: Path) -> None:
    """Part size and description come from the service; what it has is not sent again."""
    upload_id = await unfinished(served, 3 * MIB)
    counts = served.watch("UploadMultipartPart", "InitiateMultipartUpload")
    archive = await served.vault.resume(upload_id, source_of(kind, tmp_path / "s"))  # type: ignore[arg-type]
    assert counts() == {"UploadMultipartPart": 2, "InitiateMultipartUpload": 0}
    assert (archive.size, archive.tree_hash, archive.description) == (SIZE, tree_hash(BYTES), "d")
    assert await served.archives() == [(SIZE, tree_hash(BYTES))]
    assert await served.uploads() == []


async def test_a_shorter_source_of_known_size_sends_nothing(served: Served, tmp_path: Path) -> None:
    """Its size alone tells, before anything is hashed; the error names the vault."""
    upload_id = await unfinished(served, 3 * MIB)
    counts = served.watch("UploadMultipartPart", "CompleteMultipartUpload")
    for kind in ("bytes", "path"):
        with pytest.raises(ResumeMismatchError) as caught:
            await served.vault.resume(upload_id, source_of(kind, tmp_path / "s", BYTES[:5]))  # type: ignore[arg-type]
        assert caught.value.vault == "v"
    assert counts() == {"UploadMultipartPart": 0, "CompleteMultipartUpload": 0}
    assert await served.uploads() == [upload_id]


async def test_an_upload_that_is_gone_is_not_found(served: Served) -> None:
    """An expired or aborted upload is another error than a wrong source, before the source is opened."""
    upload_id = await unfinished(served, 2 * MIB)
    await (await served.vault.unfinished_upload(upload_id)).abort()
    with pytest.raises(UploadNotFoundError):
        await served.vault.resume(upload_id, "/nowhere")
