"""Each operation is sent again only after failures that allow it."""

from __future__ import annotations

from typing import Any

import pytest

from aioglacier.core.errors import (
    AccessDeniedError,
    ConnectionLostError,
    GlacierError,
    IntegrityError,
    InvalidParameterError,
    OutcomeUnknownError,
    StalledTransferError,
    UnexpectedResponseError,
    UploadNotFoundError,
    VaultNotFoundError,
)
from aioglacier.core.models import InventoryParameters, UploadId
from tests.gateway.retry.bench import BODY, HASHES, PASSING, Bench, begin, lost, named, refused, temporary


async def upload(bench: Bench) -> None:
    """Upload the body as an archive."""
    await bench.gateway.upload_archive("photos", memoryview(BODY), hashes=HASHES)


async def archives(bench: Bench) -> int:
    """Return the number of archives in the vault."""
    return (await bench.glacier.describe_vault("photos")).archive_count


@pytest.mark.parametrize(
    "error",
    [temporary(status) for status in (503, 408, 429, 400)] + [refused(), lost(may_have_taken_effect=False)],
    ids=named,
)
async def test_archive_is_sent_again_if_the_attempt_had_no_effect(bench: Bench, error: GlacierError) -> None:
    """An archive that the service did not receive whole is sent again."""
    bench.fails("UploadArchive", error, error)
    await upload(bench)
    assert bench.calls("UploadArchive") == 3
    assert await archives(bench) == 2


@pytest.mark.parametrize(
    "error",
    [temporary(status) for status in (500, 502, 504)]
    + [lost(), StalledTransferError("s", operation="X", may_have_taken_effect=True)],
    ids=named,
)
async def test_archive_is_not_sent_again_if_it_may_be_stored(bench: Bench, error: GlacierError) -> None:
    """One archive is stored, and the error has its size and hash."""
    bench.fails("UploadArchive", error, after_effect=True)
    with pytest.raises(OutcomeUnknownError, match=HASHES.tree_hash.hex()) as caught:
        await upload(bench)
    assert (caught.value.size, caught.value.tree_hash) == (len(BODY), HASHES.tree_hash)
    assert caught.value.__cause__ is error
    assert bench.calls("UploadArchive") == 1
    assert await archives(bench) == 2


async def test_archive_answered_without_an_id_may_be_stored(bench: Bench) -> None:
    """An archive is not sent again after a success without an id."""
    bench.fails(
        "UploadArchive", UnexpectedResponseError("no id", operation="X", status=201), after_effect=True
    )
    with pytest.raises(OutcomeUnknownError):
        await upload(bench)


async def test_archive_that_met_a_portal_is_not_stored(bench: Bench) -> None:
    """A portal's page shows that the archive is not stored."""
    error = UnexpectedResponseError("portal", operation="X", status=200, may_have_taken_effect=False)
    bench.fails("UploadArchive", error)
    with pytest.raises(UnexpectedResponseError, match="portal"):
        await upload(bench)


def damaged(*, was_refused: bool) -> IntegrityError:
    """Return the error of a part that arrived damaged."""
    error = IntegrityError("damaged", expected=bytes(32), actual=b"\1" * 32)
    error.__cause__ = InvalidParameterError("no", operation="X", code="", status=400) if was_refused else None
    return error


@pytest.mark.parametrize(("was_refused", "attempts"), [(True, 3), (False, 2)])
async def test_damaged_part_is_sent_again_and_then_blamed_on_memory(
    bench: Bench, was_refused: bool, attempts: int
) -> None:
    """A part is sent three times if refused, twice if echoed wrongly, without a wait."""
    upload_id = await begin(bench)
    error = damaged(was_refused=was_refused)

    async def send() -> None:
        await bench.gateway.upload_multipart_part(
            "photos", upload_id, memoryview(BODY), start=0, hashes=HASHES
        )

    bench.glacier.fail("UploadMultipartPart", error, times=attempts - 1)
    await send()
    bench.glacier.fail("UploadMultipartPart", error, times=attempts)
    with pytest.raises(IntegrityError, match="test this machine's memory") as caught:
        await send()
    assert bytes(32).hex() in str(caught.value)
    assert bench.calls("UploadMultipartPart") == 2 * attempts
    assert set(bench.waits) == {0.0}


async def complete(bench: Bench, upload_id: UploadId) -> Any:
    """Complete the upload."""
    return await bench.gateway.complete_multipart_upload(
        "photos", upload_id, size=len(BODY), tree_hash=HASHES.tree_hash
    )


@pytest.mark.slow
@pytest.mark.parametrize("error", PASSING, ids=named)
async def test_complete_whose_answer_was_lost_is_repeated(bench: Bench, error: GlacierError) -> None:
    """The repeated completion returns the same archive."""
    upload_id = await begin(bench)
    bench.fails("CompleteMultipartUpload", error, error, after_effect=True)
    stored = await complete(bench, upload_id)
    assert stored.tree_hash == HASHES.tree_hash
    assert await archives(bench) == 2


async def test_complete_that_finds_the_upload_gone_after_a_lost_answer(bench: Bench) -> None:
    """If the upload is gone after a lost answer, the outcome is unknown."""
    upload_id = await begin(bench)
    gone = UploadNotFoundError("gone", operation="X", code="ResourceNotFoundException", status=404)
    bench.fails("CompleteMultipartUpload", lost(), gone)
    with pytest.raises(OutcomeUnknownError) as caught:
        await complete(bench, upload_id)
    assert caught.value.upload_id == upload_id
    assert (caught.value.size, caught.value.tree_hash) == (len(BODY), HASHES.tree_hash)


async def test_complete_that_is_not_proven_is_repeated(bench: Bench) -> None:
    """A completion without an archive id is repeated twice; then the outcome is unknown."""
    unproven = UnexpectedResponseError("no id", operation="X", status=201)
    upload_id = await begin(bench)
    bench.fails("CompleteMultipartUpload", unproven, unproven, after_effect=True)
    await bench.gateway.complete_multipart_upload(
        "photos", upload_id, size=len(BODY), tree_hash=HASHES.tree_hash
    )
    assert bench.calls("CompleteMultipartUpload") == 3
    assert await archives(bench) == 2
    upload_id = await begin(bench)
    bench.fails("CompleteMultipartUpload", unproven, unproven, unproven, after_effect=True)
    with pytest.raises(OutcomeUnknownError, match="no id") as caught:
        await bench.gateway.complete_multipart_upload(
            "photos", upload_id, size=len(BODY), tree_hash=HASHES.tree_hash
        )
    assert caught.value.upload_id == upload_id


async def test_complete_of_an_upload_that_never_was(bench: Bench) -> None:
    """A first completion that finds no upload raises its error."""
    with pytest.raises(UploadNotFoundError):
        await complete(bench, UploadId("A" * 92))


async def test_abort_and_deletes_that_find_it_gone_after_a_lost_answer(bench: Bench) -> None:
    """A repetition that finds nothing succeeds after a lost answer."""
    upload_id = await begin(bench)
    gone = UploadNotFoundError("gone", operation="X", code="ResourceNotFoundException", status=404)
    bench.fails("AbortMultipartUpload", lost(), gone)
    await bench.gateway.abort_multipart_upload("photos", upload_id)
    bench.fails("DeleteVault", lost(), VaultNotFoundError("gone", operation="X", code="", status=404))
    await bench.gateway.delete_vault("empty")
    bench.fails("AbortMultipartUpload", gone)
    with pytest.raises(UploadNotFoundError):
        await bench.gateway.abort_multipart_upload("photos", upload_id)


async def jobs(bench: Bench) -> int:
    """Return the number of jobs."""
    return len((await bench.glacier.list_jobs("photos")).items)


@pytest.mark.parametrize("error", [lost(), temporary(500), temporary(504)], ids=named)
async def test_job_whose_answer_was_lost_is_found_by_its_description(
    bench: Bench, error: GlacierError
) -> None:
    """After a lost answer, the job is found and not started again."""
    archive_id = bench.october
    bench.fails("InitiateJob", error, after_effect=True)
    job_id = await bench.gateway.initiate_archive_retrieval("photos", archive_id, description="unique")
    assert bench.calls("InitiateJob") == 1
    assert await jobs(bench) == 1
    assert (await bench.glacier.describe_job("photos", job_id)).description == "unique"
    bench.fails("InitiateJob", error, after_effect=True)
    await bench.gateway.initiate_inventory_retrieval("photos", InventoryParameters(), description="list")
    assert await jobs(bench) == 2


async def test_job_that_was_lost_on_the_way_is_asked_for_again(bench: Bench) -> None:
    """If no job is found, it is asked for again."""
    bench.fails("InitiateJob", lost())
    await bench.gateway.initiate_archive_retrieval("photos", bench.october, description="unique")
    assert bench.calls("InitiateJob") == 2
    assert await jobs(bench) == 1


async def test_job_of_the_same_description_from_before_is_not_taken_for_ours(bench: Bench) -> None:
    """An older job with the same description is not taken."""
    archive_id = bench.october
    old = await bench.gateway.initiate_archive_retrieval("photos", archive_id, description="nightly")
    await bench.glacier.advance(3600)
    bench.fails("InitiateJob", lost())
    new = await bench.gateway.initiate_archive_retrieval("photos", archive_id, description="nightly")
    assert new != old


async def test_job_without_a_description_is_not_asked_for_twice(bench: Bench) -> None:
    """Without a description, the error advises to look at the vault's jobs."""
    bench.fails("InitiateJob", lost(), after_effect=True)
    with pytest.raises(ConnectionLostError, match="look at the vault's jobs"):
        await bench.gateway.initiate_archive_retrieval("photos", bench.october)
    assert bench.calls("InitiateJob") == 1


async def test_job_that_surely_was_not_started_is_asked_for_again(bench: Bench) -> None:
    """After throttling or a refused connection, no job is looked for."""
    bench.fails("InitiateJob", temporary(400), refused(), temporary(503))
    await bench.gateway.initiate_archive_retrieval("photos", bench.october)
    assert bench.calls("ListJobs") == 0
    assert bench.calls("InitiateJob") == 4


async def test_job_that_cannot_be_looked_for(bench: Bench) -> None:
    """Without the right to list jobs, the error of the lost answer notes the reason."""
    bench.fails("InitiateJob", lost(), after_effect=True)
    bench.fails("ListJobs", AccessDeniedError("glacier:ListJobs", operation="ListJobs", code="", status=403))
    with pytest.raises(ConnectionLostError) as caught:
        await bench.gateway.initiate_archive_retrieval("photos", bench.october, description="unique")
    assert any("glacier:ListJobs" in note for note in caught.value.__notes__)
