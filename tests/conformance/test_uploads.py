"""Archives in one request and in parts."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from aioglacier.core.errors import (
    DescriptionError,
    EmptyArchiveError,
    IntegrityError,
    InvalidIdError,
    InvalidParameterError,
    InvalidPartSizeError,
    SourceChangedError,
    UploadNotFoundError,
    VaultNotFoundError,
)
from aioglacier.core.limits import MIB
from aioglacier.core.models import ArchiveId, UploadId
from aioglacier.core.ranges import ByteRange
from aioglacier.core.treehash import hash_part, tree_hash
from aioglacier.files.reading import FileIdentity, FileRange

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conformance.conftest import Subject

PART = 2 * MIB


async def begin(subject: Subject, description: str | None = None) -> UploadId:
    """Return an upload in parts of 2 MiB."""
    return await subject.gateway.initiate_multipart_upload(
        subject.vault, part_size=PART, description=description
    )


async def send(subject: Subject, upload_id: UploadId, body: bytes, start: int, size: int = PART) -> None:
    """Send one part of ``body``."""
    part = memoryview(body)[start : start + size]
    await subject.gateway.upload_multipart_part(
        subject.vault, upload_id, part, start=start, hashes=hash_part(part)
    )


async def send_all(subject: Subject, upload_id: UploadId, body: bytes) -> None:
    """Send every part, the last one first."""
    for start in reversed(range(0, len(body), PART)):
        await send(subject, upload_id, body, start)


async def test_upload_archive_answers_id_and_tree_hash(subject: Subject, body: bytes) -> None:
    """The result has an id and our tree hash, and progress adds up to the size."""
    moved: list[int] = []
    stored = await subject.gateway.upload_archive(
        subject.vault, memoryview(body), hashes=hash_part(body), progress=moved.append
    )
    assert stored.id
    assert stored.tree_hash == tree_hash(body)
    assert sum(moved) == len(body)


@pytest.mark.parametrize("description", [None, "", ' two  spaces, "quotes" and \\', "x" * 1024])
async def test_upload_archive_takes_any_printable_description(
    subject: Subject, description: str | None
) -> None:
    """Descriptions of 0x20 to 0x7E are accepted."""
    assert await subject.store(b"november", description)


@pytest.mark.parametrize("description", ["é", "a\nb", "\x7f", "x" * 1025])
async def test_descriptions_the_service_would_garble_are_refused_unsent(
    subject: Subject, description: str
) -> None:
    """Other descriptions are refused before sending."""
    with pytest.raises(DescriptionError):
        await subject.store(b"november", description)


async def test_upload_archive_of_nothing_is_refused_unsent(subject: Subject) -> None:
    """An empty archive is refused."""
    with pytest.raises(EmptyArchiveError):
        await subject.store(b"")


async def test_upload_archive_to_a_missing_vault(subject: Subject) -> None:
    """The error names the vault."""
    with pytest.raises(VaultNotFoundError) as caught:
        await subject.gateway.upload_archive("no-such-vault", memoryview(b"a"), hashes=hash_part(b"a"))
    assert caught.value.vault == "no-such-vault"


async def test_upload_archive_with_a_wrong_tree_hash_is_refused(subject: Subject) -> None:
    """The service computes the hash itself; the error has both hashes."""
    hashes = hash_part(b"november")._replace(tree_hash=tree_hash(b"december"))
    with pytest.raises(IntegrityError) as caught:
        await subject.gateway.upload_archive(subject.vault, memoryview(b"november"), hashes=hashes)
    assert caught.value.expected == tree_hash(b"december")
    assert caught.value.actual == tree_hash(b"november")
    assert caught.value.archive_id is None


async def test_upload_archive_altered_on_the_way_is_refused(subject: Subject) -> None:
    """A body that differs from the hashed one makes no archive."""
    with pytest.raises(IntegrityError):
        await subject.gateway.upload_archive(
            subject.vault, memoryview(b"novembeR"), hashes=hash_part(b"november")
        )


async def test_delete_archive_twice(subject: Subject) -> None:
    """Deleting an archive again succeeds."""
    archive_id = await subject.store(b"november")
    await subject.gateway.delete_archive(subject.vault, archive_id)
    await subject.gateway.delete_archive(subject.vault, archive_id)


async def test_ids_that_cannot_be_are_refused_unsent(subject: Subject) -> None:
    """An id becomes part of a URL, so other text is refused."""
    with pytest.raises(InvalidIdError):
        await subject.gateway.delete_archive(subject.vault, ArchiveId("../../vaults"))


async def test_multipart_upload_in_any_order(subject: Subject, body: bytes) -> None:
    """Parts sent last first make the archive; the list of parts is in order."""
    upload_id = await begin(subject, "in parts")
    await send_all(subject, upload_id, body)
    upload, page = await subject.gateway.list_parts(subject.vault, upload_id)
    assert (upload.id, upload.part_size, upload.description) == (upload_id, PART, "in parts")
    assert [part.start for part in page.items] == list(range(0, len(body), PART))
    assert [part.tree_hash for part in page.items] == [
        tree_hash(body[start : start + PART]) for start in range(0, len(body), PART)
    ]
    stored = await subject.gateway.complete_multipart_upload(
        subject.vault, upload_id, size=len(body), tree_hash=tree_hash(body)
    )
    assert stored.id
    assert stored.tree_hash in {None, tree_hash(body)}


async def test_complete_again_names_the_same_archive(subject: Subject, body: bytes) -> None:
    """A repeated completion returns the same archive."""
    upload_id = await begin(subject)
    await send_all(subject, upload_id, body)
    answers = [
        await subject.gateway.complete_multipart_upload(
            subject.vault, upload_id, size=len(body), tree_hash=tree_hash(body)
        )
        for _ in range(2)
    ]
    assert answers[0].id == answers[1].id
    with pytest.raises(UploadNotFoundError):
        await subject.gateway.list_parts(subject.vault, upload_id)


async def test_complete_with_a_gap_leaves_the_upload_open(subject: Subject, body: bytes) -> None:
    """After a refused completion, missing parts can be sent and the completion repeated."""
    upload_id = await begin(subject)
    for start in (0, 2 * PART, 3 * PART):
        await send(subject, upload_id, body, start)
    with pytest.raises(InvalidParameterError):
        await subject.gateway.complete_multipart_upload(
            subject.vault, upload_id, size=len(body), tree_hash=tree_hash(body)
        )
    await send(subject, upload_id, body, PART)
    await subject.gateway.complete_multipart_upload(
        subject.vault, upload_id, size=len(body), tree_hash=tree_hash(body)
    )


async def test_short_part_in_the_middle_fails_at_complete(subject: Subject, body: bytes) -> None:
    """The service accepts such a part and refuses the completion; a full part repairs the upload."""
    upload_id = await begin(subject)
    await send_all(subject, upload_id, body)
    await send(subject, upload_id, body, PART, size=MIB)
    with pytest.raises(InvalidParameterError):
        await subject.gateway.complete_multipart_upload(
            subject.vault, upload_id, size=len(body), tree_hash=tree_hash(body)
        )
    await send(subject, upload_id, body, PART)
    await subject.gateway.complete_multipart_upload(
        subject.vault, upload_id, size=len(body), tree_hash=tree_hash(body)
    )


@pytest.mark.parametrize("wrong", ["size", "tree_hash", "no parts"])
async def test_complete_with_wrong_numbers_is_refused(subject: Subject, body: bytes, wrong: str) -> None:
    """A completion with another size or tree hash than the parts' is refused."""
    upload_id = await begin(subject)
    if wrong != "no parts":
        await send_all(subject, upload_id, body)
    with pytest.raises(InvalidParameterError):
        await subject.gateway.complete_multipart_upload(
            subject.vault,
            upload_id,
            size=len(body) - (wrong == "size"),
            tree_hash=tree_hash(b"" if wrong == "tree_hash" else body),
        )


async def test_part_that_is_not_aligned_is_refused(subject: Subject, body: bytes) -> None:
    """A part begins at a multiple of the part size."""
    upload_id = await begin(subject)
    with pytest.raises(InvalidParameterError):
        await send(subject, upload_id, body, MIB)


async def test_part_that_is_too_long_is_refused(subject: Subject, body: bytes) -> None:
    """A part has at most the part size."""
    upload_id = await begin(subject)
    with pytest.raises(InvalidParameterError):
        await send(subject, upload_id, body, 0, size=PART + 1)


async def test_part_with_a_wrong_tree_hash_names_its_bytes(subject: Subject) -> None:
    """The error has the byte range and both hashes."""
    upload_id = await begin(subject)
    hashes = hash_part(b"november")._replace(tree_hash=tree_hash(b"december"))
    with pytest.raises(IntegrityError) as caught:
        await subject.gateway.upload_multipart_part(
            subject.vault, upload_id, memoryview(b"november"), start=PART, hashes=hashes
        )
    assert caught.value.byte_range == ByteRange(PART, PART + 8)
    assert caught.value.actual == tree_hash(b"november")


async def test_part_sizes_that_cannot_be_are_refused_unsent(subject: Subject) -> None:
    """Other part sizes than 1 MiB times a power of two are refused."""
    with pytest.raises(InvalidPartSizeError):
        await subject.gateway.initiate_multipart_upload(subject.vault, part_size=3 * MIB)


async def test_abort_twice_and_the_upload_is_gone(subject: Subject, body: bytes) -> None:
    """Aborting again succeeds for a while; parts and completion find no upload."""
    upload_id = await begin(subject)
    await send(subject, upload_id, body, 0)
    await subject.gateway.abort_multipart_upload(subject.vault, upload_id)
    await subject.gateway.abort_multipart_upload(subject.vault, upload_id)
    with pytest.raises(UploadNotFoundError):
        await send(subject, upload_id, body, PART)
    with pytest.raises(UploadNotFoundError):
        await subject.gateway.complete_multipart_upload(
            subject.vault, upload_id, size=PART, tree_hash=tree_hash(body[:PART])
        )


async def test_upload_that_never_was(subject: Subject) -> None:
    """The error names the upload, not the vault."""
    with pytest.raises(UploadNotFoundError):
        await subject.gateway.list_parts(subject.vault, UploadId("A" * 92))
    with pytest.raises(UploadNotFoundError):
        await subject.gateway.abort_multipart_upload(subject.vault, UploadId("A" * 92))


async def test_upload_expires_a_day_after_its_last_part(subject: Subject, body: bytes) -> None:
    """Each part extends the upload's life by a day."""
    upload_id = await begin(subject)
    await subject.advance(20 * 3600)
    await send(subject, upload_id, body, 0)
    await subject.advance(20 * 3600)
    await send(subject, upload_id, body, PART)
    await subject.advance(25 * 3600)
    with pytest.raises(UploadNotFoundError):
        await send(subject, upload_id, body, 2 * PART)


async def test_list_multipart_uploads_and_parts_in_pages_of_one(subject: Subject, body: bytes) -> None:
    """Pages list every item once."""
    uploads = {await begin(subject, f"number {number}") for number in range(3)}
    found: list[UploadId] = []
    marker = None
    while True:
        page = await subject.gateway.list_multipart_uploads(subject.vault, limit=1, marker=marker)
        found += [upload.id for upload in page.items]
        if page.marker is None:
            break
        marker = page.marker
    assert sorted(found) == sorted(uploads)

    upload_id = found[0]
    await send_all(subject, upload_id, body)
    starts: list[int] = []
    marker = None
    while True:
        _, parts = await subject.gateway.list_parts(subject.vault, upload_id, limit=1, marker=marker)
        starts += [part.start for part in parts.items]
        if parts.marker is None:
            break
        marker = parts.marker
    assert starts == list(range(0, len(body), PART))
    for one in uploads:
        await subject.gateway.abort_multipart_upload(subject.vault, one)


# --- bodies that are ranges of a file


@contextmanager
def opened(path: Path, data: bytes) -> Iterator[FileRange]:
    """Return a body of a whole file that contains the data."""
    path.write_bytes(data)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield FileRange(descriptor, str(path), 0, len(data), FileIdentity.of(os.fstat(descriptor)))
    finally:
        os.close(descriptor)


def write_over(path: Path, data: bytes) -> None:
    """Write to a file in place, at a later tick of its file system's clock."""
    path.write_bytes(data)
    os.utime(path, ns=(0, 0))


async def test_a_range_of_a_file_is_a_body(subject: Subject, body: bytes, tmp_path: Path) -> None:
    """A file's range is archived in one request and as parts."""
    with opened(tmp_path / "file", body) as whole:
        stored = await subject.gateway.upload_archive(subject.vault, whole, hashes=hash_part(body))
        assert stored.tree_hash == tree_hash(body)
        upload_id = await begin(subject)
        for start in range(0, len(body), PART):
            part = body[start : start + PART]
            await subject.gateway.upload_multipart_part(
                subject.vault,
                upload_id,
                whole._replace(offset=start, nbytes=len(part)),
                start=start,
                hashes=hash_part(part),
            )
    stored = await subject.gateway.complete_multipart_upload(
        subject.vault, upload_id, size=len(body), tree_hash=tree_hash(body)
    )
    assert stored.tree_hash == tree_hash(body)


@pytest.mark.parametrize(("left", "field"), [(b"decemb", "size"), (b"december", "mtime")])
async def test_a_file_that_changed_since_it_was_hashed_is_no_body(
    left: bytes, field: str, subject: Subject, tmp_path: Path
) -> None:
    """A file that was cut or overwritten gives an error with its name and the reason, and no archive."""
    path = tmp_path / "file"
    upload_id = await begin(subject)
    with opened(path, b"november") as whole:
        write_over(path, left)
        hashes = hash_part(b"november")
        for call in (
            subject.gateway.upload_archive(subject.vault, whole, hashes=hashes),
            subject.gateway.upload_multipart_part(subject.vault, upload_id, whole, start=0, hashes=hashes),
        ):
            with pytest.raises(SourceChangedError) as caught:
                await call
            assert (caught.value.path, caught.value.field) == (str(path), field)
    _, parts = await subject.gateway.list_parts(subject.vault, upload_id)
    assert not parts.items
