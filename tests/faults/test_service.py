"""SV: a service that refuses, forgets, repeats, or answers wrongly or not at all."""

from __future__ import annotations

import re
import subprocess
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest

from aioglacier.core.errors import UnexpectedResponseError
from aioglacier.core.treehash import tree_hash
from aioglacier.gateway.contract.options import Timeouts
from aioglacier.gateway.retry.patience import RetryPolicy
from aioglacier.server import Fault, FaultKind, Moment
from tests.faults.conftest import MIB, Stand, Trouble, wait_for
from tests.faults.proxy import Kind, Since, Way

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow

SIZE = 3 * MIB
UPLOAD = ("upload", "v", "big", "--part-size", "1MiB")
COMPLETE = "POST /-/vaults/v/multipart-uploads/"
INITIATE = "POST /-/vaults/v/multipart-uploads HTTP"
HTML = "<html>Something is wrong</html>"

#: Gives up by its count of attempts, not by its time, also on a slow machine.
PATIENT = RetryPolicy(no_progress_seconds=20, first_ceiling_seconds=0.01, longest_wait_seconds=0.02)


def lost_answer(where: str, count: int = 1) -> Trouble:
    """Return trouble in which the service performs the request and no answer arrives."""
    return Trouble(Kind.RST, Way.DOWN, where=where, count=count)


# --- temporary and permanent refusals


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 429])
async def test_sv_01_what_may_pass_is_tried_again(stand: Stand, status: int) -> None:
    """The status decides for any body: JSON, a page, nothing, or a code that belongs to another status."""
    content = stand.file(4 * MIB)
    bodies: list[dict[str, Any]] = [
        {},
        {"body": HTML},
        {"body": ""},
        {"status": 400, "code": "ThrottlingException"},
    ]
    for part, how in enumerate(bodies):
        given: dict[str, Any] = {"status": status, "count": 2, **how}
        stand.glacier.add_faults(Fault("UploadMultipartPart", where=f"bytes {part * MIB}-", **given))
    async with stand.connect(policy=PATIENT) as glacier:
        archive = await glacier.vault("v").upload(stand.folder / "big", part_size=MIB)
    assert archive.tree_hash == tree_hash(content)
    assert [one["struck"] for one in stand.glacier.status()["faults"]] == [2, 2, 2, 2]


@pytest.mark.parametrize("status", [501, 505, 508, 511])
async def test_sv_21_statuses_that_do_not_pass_take_one_request(stand: Stand, status: int) -> None:
    """The upload fails at once with the status, and the same file can be uploaded again."""
    stand.file(2 * MIB)
    stand.glacier.add_faults(Fault("UploadMultipartPart", status=status, body=HTML, where="bytes 0-"))
    async with stand.connect() as glacier:
        with pytest.raises(UnexpectedResponseError, match=f"status {status}"):
            await glacier.vault("v").upload(stand.folder / "big", part_size=MIB)
        assert len(stand.proxy.requests("bytes 0-")) == 1
        archive = await glacier.vault("v").upload(stand.folder / "big", part_size=MIB)
    assert archive.size == 2 * MIB


#: Answers with status 200 that are no success.
NO_SUCCESS = {
    "an error": '{"code": "InternalFailure", "message": "no"}',
    "cut short": '{"JobList": [{"JobId": "a',
    "a page": HTML,
    "nested deep": '{"a":' * 100_000,
    "another document": "{}",
}


@pytest.mark.parametrize("kind", NO_SUCCESS)
async def test_sv_22_a_list_that_cannot_be_read_is_asked_for_again(stand: Stand, kind: str) -> None:
    """Two more attempts follow; the third error is raised and shows the answer."""
    no_success = {"status": 200, "body": NO_SUCCESS[kind], "headers": {"x-amzn-RequestId": "A"}}
    async with stand.connect(policy=PATIENT, timeouts=Timeouts()) as glacier:
        stand.glacier.add_faults(Fault("ListJobs", count=2, **no_success))  # type: ignore[arg-type]
        assert [job async for job in glacier.vault("v").jobs()] == []
        stand.glacier.add_faults(Fault("ListJobs", count=3, **no_success))  # type: ignore[arg-type]
        with pytest.raises(UnexpectedResponseError, match="the answer"):
            assert [job async for job in glacier.vault("v").jobs()]
    assert len(stand.proxy.requests("GET /-/vaults/v/jobs")) == 6


async def test_sv_22_a_part_answered_with_an_error_document_is_sent_again(stand: Stand) -> None:
    """A status of 200 alone does not make it a success."""
    content = stand.file(2 * MIB)
    stand.glacier.add_faults(
        Fault(
            "UploadMultipartPart", status=200, body=NO_SUCCESS["an error"], headers={"x-amzn-RequestId": "A"}
        )
    )
    async with stand.connect() as glacier:
        archive = await glacier.vault("v").upload(stand.folder / "big", part_size=MIB)
    assert archive.tree_hash == tree_hash(content)


def test_sv_01_waits_are_short_at_first_and_a_minute_at_most() -> None:
    """The program waits a second at first and a minute at most."""
    policy = RetryPolicy()
    assert (policy.first_ceiling_seconds, policy.longest_wait_seconds) == (1, 60)


@pytest.mark.parametrize(
    ("header", "least"),
    [
        ("1000", 0.3),
        ("in nine minutes", 0.3),
        ("soon", 0.0),
        ("-5", 0.0),
        ("315360000", 0.0),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 0.0),
    ],
)
async def test_sv_02_retry_after_is_heeded_within_reason(
    stand: Stand, header: str, least: float, retries: Callable[[], list[str]]
) -> None:
    """Seconds and dates are obeyed up to the longest wait; garbage and ten years are ignored."""
    if header == "in nine minutes":
        header = format_datetime(datetime.now(UTC) + timedelta(minutes=9), usegmt=True)
    stand.glacier.add_faults(Fault("DescribeVault", status=503, headers={"Retry-After": header}))
    policy = RetryPolicy(first_ceiling_seconds=0.01, longest_wait_seconds=0.3)
    async with stand.connect(policy=policy) as glacier:
        await glacier.vault("v").describe()
    (told,) = retries()
    match = re.search(r"the next in ([\d.]+) s", told)
    assert match
    assert least <= float(match[1]) <= max(least, 0.1)


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        ({"status": 403, "code": "AccessDeniedException"}, "AccessDeniedError", 7),
        ({"status": 400, "code": "InvalidParameterValueException"}, "InvalidParameterError", 7),
        ({"status": 403, "code": "UnrecognizedClientException"}, "InvalidCredentialsError", 6),
    ],
)
def test_sv_03_a_refusal_for_good_stops_everything_at_once(
    stand: Stand, fault: dict[str, object], error: str, code: int
) -> None:
    """The refused part is sent once; other hanging requests are cancelled and not waited for."""
    stand.file(SIZE)
    stand.glacier.add_faults(Fault("UploadMultipartPart", where=f"bytes {MIB}-", **fault))  # type: ignore[arg-type]
    for other in (0, 2 * MIB):
        stand.proxy.add(Trouble(Kind.FREEZE, where=f"bytes {other}-", since=Since.BODY, at=9))
    with stand.started("--json", *UPLOAD) as process:
        wait_for(lambda: any(seen.status >= 400 for seen in stand.proxy.requests("PUT")))
        began = time.monotonic()
        process.wait(60)
        took = time.monotonic() - began
        done = stand.ended(process, code)
    assert took < 15  # the hanging requests would take a minute; a busy machine needs seconds to end Python
    assert done.error["error"] == error
    assert done.error["vault"] == "v"
    assert len(stand.proxy.requests(f"bytes {MIB}-")) == 1
    if error == "AccessDeniedError":
        assert "glacier:UploadMultipartPart" in done.error["message"]


def test_sv_03_a_vault_that_is_not_there_takes_one_request(stand: Stand) -> None:
    """Exit 7, and the vault is named."""
    stand.file(SIZE)
    error = stand.cli("--json", "upload", "nowhere", "big", code=7).error
    assert (error["error"], error["vault"]) == ("VaultNotFoundError", "nowhere")
    assert len(stand.proxy.seen) == 1


# --- answers with a missing or wrong proof


def test_sv_04_an_upload_begun_without_an_id_is_no_success(stand: Stand) -> None:
    """Two more attempts follow; then the message names the missing field, and no part is sent."""
    stand.file(SIZE)
    stand.glacier.add_faults(
        Fault("InitiateMultipartUpload", FaultKind.OMIT_HEADER, count=3, header="x-amz-multipart-upload-id"),
        Fault("ListMultipartUploads", count=None, code="AccessDeniedException"),
    )
    error = stand.cli("--json", *UPLOAD, code=1).error
    assert error["error"] == "UnexpectedResponseError"
    assert not stand.proxy.requests("PUT")


UNPROVEN = {
    "no archive id": {"kind": FaultKind.OMIT_HEADER, "header": "x-amz-archive-id"},
    "an error inside": {"status": 200, "moment": Moment.AFTER_COMMIT, "code": "InternalServerError"},
}


@pytest.mark.parametrize("how", UNPROVEN)
def test_sv_04_a_completion_without_an_archive_id_is_asked_for_again(stand: Stand, how: str) -> None:
    """The archive may exist, so the completion is repeated at once, and by the next run."""
    content = stand.file(SIZE)
    stand.glacier.add_faults(Fault("CompleteMultipartUpload", count=3, **UNPROVEN[how]))  # type: ignore[arg-type]
    done = stand.cli("--json", *UPLOAD, code=5)
    assert not done.records
    assert (done.error["error"], done.error["size"]) == ("OutcomeUnknownError", SIZE)
    assert done.error["tree_hash"] == tree_hash(content).hex()
    assert done.error["resume"]
    assert stand.rows("SELECT state FROM uploads") == [("completing",)]
    parts = len(stand.proxy.requests("PUT"))
    stand.cli(*UPLOAD)
    assert len(stand.proxy.requests("PUT")) == parts
    stand.proven(content)


@pytest.mark.parametrize("kind", [FaultKind.WRONG_HASH, FaultKind.OMIT_HEADER])
def test_sv_05_a_part_is_done_only_with_its_own_hash(stand: Stand, kind: FaultKind) -> None:
    """A part answered without a tree hash is sent again; a second such answer is an integrity error."""
    content = stand.file(SIZE)
    stand.glacier.add_faults(Fault("UploadMultipartPart", kind, where=f"bytes {MIB}-"))
    stand.cli(*UPLOAD)
    assert len(stand.proxy.requests(f"bytes {MIB}-")) == 2
    stand.proven(content)
    stand.file(SIZE, seed=2)
    stand.proxy.seen.clear()
    stand.glacier.add_faults(Fault("UploadMultipartPart", kind, where=f"bytes {MIB}-", count=None))
    assert stand.cli("--json", *UPLOAD, code=4).error["error"] == "IntegrityError"
    assert len(stand.proxy.requests(f"bytes {MIB}-")) == 2


@pytest.mark.parametrize("kind", [FaultKind.WRONG_HASH, FaultKind.OMIT_HEADER])
@pytest.mark.parametrize("operation", ["CompleteMultipartUpload", "UploadArchive"])
def test_sv_06_an_archive_with_another_hash_is_suspect(stand: Stand, operation: str, kind: FaultKind) -> None:
    """The error has the id, the record says suspect, and nothing is deleted; exit 4, also without a hash."""
    content = stand.file(SIZE if operation != "UploadArchive" else 1000)
    stand.glacier.add_faults(Fault(operation, kind))
    error = stand.cli("--json", *UPLOAD, code=4).error
    assert error["error"] == "IntegrityError"
    assert error["archive_id"] in error["message"]
    assert stand.rows("SELECT archive_id, state FROM archives") == [(error["archive_id"], "suspect")]
    assert stand.count("archives") == 1
    assert (stand.folder / "big").read_bytes() == content


# --- answers that are lost after the effect


def test_sv_07_a_lost_upload_is_found(stand: Stand) -> None:
    """After a lost answer to the initiation, one archive and no orphan upload exist in the end."""
    content = stand.file(SIZE)
    stand.proxy.add(lost_answer(INITIATE))
    stand.cli(*UPLOAD)
    assert stand.proxy.struck() == 1
    stand.proven(content)


def test_sv_08_a_part_whose_answer_is_lost_goes_again(stand: Stand) -> None:
    """The repeated part is the same part."""
    content = stand.file(SIZE)
    stand.proxy.add(lost_answer(f"bytes {MIB}-", count=2))
    stand.cli(*UPLOAD)
    assert len(stand.proxy.requests(f"bytes {MIB}-")) == 3
    stand.proven(content)


def test_sv_09_a_completion_whose_answer_is_lost_is_repeated(stand: Stand) -> None:
    """A repeated completion names the same archive, and only one exists."""
    content = stand.file(SIZE)
    stand.proxy.add(lost_answer(COMPLETE, count=2))
    record = stand.cli("--json", *UPLOAD).record
    assert stand.rows("SELECT archive_id FROM archives") == [(record["archive_id"],)]
    stand.proven(content)


def test_sv_10_a_job_whose_answer_is_lost_is_not_paid_twice(stand: Stand) -> None:
    """The job is found among the vault's jobs."""
    content = stand.file(SIZE)
    archive_id = stand.cli("--json", *UPLOAD).record["archive_id"]
    stand.proxy.add(lost_answer("POST /-/vaults/v/jobs"))
    stand.cli("download", "v", f"--archive-id={archive_id}", "back")
    assert stand.proxy.struck() == 1
    assert stand.count("jobs") == 1
    assert (stand.folder / "back").read_bytes() == content


def test_sv_11_a_deletion_whose_answer_is_lost_is_done(stand: Stand) -> None:
    """The repeated deletion finds nothing, which is a success."""
    stand.file(1000)
    archive_id = stand.cli("--json", "upload", "v", "big").record["archive_id"]
    stand.proxy.add(lost_answer("DELETE"))
    stand.cli("delete", "v", f"--archive-id={archive_id}", "--yes")
    assert stand.proxy.struck() == 1
    assert stand.count("archives") == 0


# --- continued and expired uploads


def test_sv_12_an_expired_upload_begins_anew_and_says_what_goes_again(stand: Stand) -> None:
    """Parts that expired after a day are all sent again at once, and a message says so."""
    content = stand.killed(SIZE, 1)
    # Parts are recorded after they were acknowledged, so a kill may come between.
    ((recorded,),) = stand.rows("SELECT count(*) FROM parts")
    stand.glacier.advance(25 * 3600)
    told = stand.cli("upload", "v", "big", "--part-size", "1MiB").err
    assert "expired" in told
    assert f"{recorded * MIB:,} bytes" in told
    stand.proven(content)


def test_sv_12_a_stream_whose_upload_expires_cannot_be_had_again(stand: Stand) -> None:
    """An expired upload of standard input gives exit 7."""
    content = stand.file(2 * MIB + 9)
    command = stand.cli.command("--json", "upload", "v", "-", "--part-size", "1MiB")
    with subprocess.Popen(
        command, env=stand.cli.env(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        process.stdin.write(content[: MIB + 9])
        process.stdin.flush()
        wait_for(lambda: stand.parts_sent() == 1)
        stand.glacier.advance(25 * 3600)
        done = stand.cli.judge(*reordered(process, content[MIB + 9 :]), code=7)
    assert done.error["error"] == "UploadExpiredError"
    assert stand.count("archives") == 0


def reordered(process: subprocess.Popen[bytes], rest: bytes) -> tuple[int, bytes, bytes]:
    """Write the rest of the input and wait for the end."""
    out, err = process.communicate(rest, timeout=20)
    return process.returncode, out, err


def test_sv_13_every_page_of_parts_is_read(stand: Stand) -> None:
    """With pages of any length, only missing parts are sent."""
    content = stand.killed(6 * MIB, 1, 4)
    stand.glacier.add_faults(Fault("ListParts", FaultKind.SHORT_PAGES, limit=1, count=None))
    stand.glacier.add_faults(Fault("ListParts", FaultKind.WRONG_RANGE, count=None))
    stand.cli(*UPLOAD)
    assert {seen.ranges.split("-")[0] for seen in stand.proxy.requests("PUT")} == {
        f"bytes {MIB}",
        f"bytes {4 * MIB}",
    }
    stand.proven(content)


@pytest.mark.parametrize("other", [("--part-size", "2MiB"), ("--description", "another")])
def test_sv_14_an_upload_goes_on_only_as_it_was_begun(stand: Stand, other: tuple[str, str]) -> None:
    """For another part size or description, the error has both values, and no part is sent."""
    stand.killed(SIZE, 1)
    arguments = [*UPLOAD, *other]
    error = stand.cli("--json", *arguments, code=4).error
    assert error["error"] == "ResumeMismatchError"
    assert not stand.proxy.requests("PUT")
    for value in {"--part-size": (str(MIB), str(2 * MIB)), "--description": ("big", "another")}[other[0]]:
        assert value in error["message"]


def test_sv_14_an_upload_belongs_to_its_vault(stand: Stand) -> None:
    """An upload of another vault is not found, or disagrees with the record; no part is sent."""
    stand.killed(SIZE, 1)
    stand.cli_at(stand.glacier.url)("vault", "create", "w")
    ((upload_id,),) = stand.rows("SELECT upload_id FROM uploads")
    done = stand.cli("--json", "uploads", "resume", "w", f"--upload-id={upload_id}", "big", code=4)
    assert done.error["error"] == "ResumeMismatchError"
    assert "vault v of" in done.error["message"]
    assert "vault w of" in done.error["message"]
    assert not stand.proxy.requests("PUT")


def test_sv_15_a_source_that_changed_since_sends_nothing(stand: Stand) -> None:
    """The error names the first different range and the next command; exit 4."""
    content = stand.killed(4 * MIB, 0)
    (stand.folder / "big").write_bytes(content[: 2 * MIB + 5] + b"X" + content[2 * MIB + 6 :])
    done = stand.cli("--json", *UPLOAD, code=4)
    assert done.error["error"] == "ResumeMismatchError"
    assert f"{2 * MIB}-{3 * MIB - 1}" in done.error["message"]
    assert "--restart" in done.error["notes"][0]
    assert not stand.proxy.requests("PUT")


@pytest.mark.parametrize("lie", ["less", "more"])
def test_sv_16_the_service_knows_better_than_the_record(stand: Stand, lie: str) -> None:
    """Unrecorded parts at the service are not sent again; recorded parts that it lacks are."""
    content = stand.killed(4 * MIB, 1, 3)
    if lie == "more":
        columns = "size, tree_hash, leaves FROM parts WHERE part_index = 0"
        stand.rows(f"INSERT INTO parts SELECT upload, 1, {columns}")
    else:
        stand.rows("DELETE FROM parts")
    stand.cli(*UPLOAD)
    assert sorted(seen.ranges.split("-")[0] for seen in stand.proxy.requests("PUT")) == [
        f"bytes {MIB}",
        f"bytes {3 * MIB}",
    ]
    stand.proven(content)


# --- jobs


def retrieval(stand: Stand, *more: str, code: int = 0) -> dict[str, object]:
    """Upload and download; return the error as JSON, if any."""
    stand.file(1000)
    archive_id = stand.cli("--json", "upload", "v", "big").record["archive_id"]
    done = stand.cli("--json", "download", "v", f"--archive-id={archive_id}", "back", *more, code=code)
    return done.error if code else {}


def test_sv_17_a_job_that_fails_gives_the_services_reason(stand: Stand) -> None:
    """The exit code is 7, and no second job is started."""
    stand.glacier.add_faults(Fault("InitiateJob", FaultKind.JOB_FAILURE, message="Out of tapes."))
    error = retrieval(stand, code=7)
    assert (error["error"], error["status_message"]) == ("JobFailedError", "Out of tapes.")
    assert stand.count("jobs") == 1


def test_sv_17_output_that_is_gone_is_asked_for_again_only_on_request(stand: Stand) -> None:
    """A job given by its id is not replaced by another paid one."""
    retrieval(stand)
    job_id = stand.cli("--json", "jobs", "list", "v").record["job_id"]
    stand.glacier.advance(30 * 3600)
    error = stand.cli("--json", "download", "v", f"--job-id={job_id}", "again", code=7).error
    assert error["error"] == "JobNotFoundError"
    assert stand.count("jobs") == 0


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("PolicyEnforcedException", "PolicyEnforcedError"),
        ("InsufficientCapacityException", "InsufficientCapacityError"),
    ],
)
def test_sv_19_a_retrieval_that_is_refused_is_asked_for_once(stand: Stand, code: str, error: str) -> None:
    """The exit code is 7 without a retry."""
    stand.glacier.add_faults(Fault("InitiateJob", code=code, count=None))
    assert retrieval(stand, code=7)["error"] == error
    assert [one["struck"] for one in stand.glacier.status()["faults"]] == [1]


def test_sv_20_an_unknown_error_is_shown_as_it_is(stand: Stand) -> None:
    """An error body of 10 MiB is not read, an unknown code is text, and escapes do not reach the terminal."""
    stand.file(1000)
    stand.glacier.add_faults(
        Fault("UploadArchive", status=418, code="TeapotException", message="short and \x1b[31mstout")
    )
    done = stand.cli("upload", "v", "big", code=7)
    assert "418 TeapotException" in done.err
    assert "\x1b" not in done.err
    stand.glacier.clear_faults()
    body = '{"code": "TeapotException", "message": "' + "x" * (10 * MIB) + '"}'
    stand.glacier.add_faults(
        Fault("UploadArchive", status=418, body=body, headers={"Content-Type": "image/png"})
    )
    began = len(stand.proxy.seen)
    done = stand.cli("upload", "v", "big", code=1)
    assert len(done.err) < 2000
    assert stand.proxy.seen[-1].down < 5 * MIB
    assert len(stand.proxy.seen) - began <= 3
