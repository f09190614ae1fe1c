"""Contents of errors: operation, place, progress, attempts, and the command that continues.

Every error class that the program can raise is raised here by a real fault, or in another test of this
folder, and checked by the same rules.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from aioglacier.cli.program.exits import exit_of
from aioglacier.core import errors
from aioglacier.server import Fault, FaultKind
from tests.faults.conftest import MIB, Lies, Stand, wait_for
from tests.faults.proxy import Kind, Since, Trouble

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow

SIZE = 3 * MIB
UPLOAD = ("upload", "v", "big", "--part-size", "1MiB")


def refused(code: str, operation: str = "UploadMultipartPart", **more: Any) -> Callable[[Stand], None]:
    """Return a fault that refuses an operation every time."""

    def prepare(stand: Stand) -> None:
        stand.glacier.add_faults(Fault(operation, code=code, count=None, **more))

    return prepare


def damaged(stand: Stand) -> None:
    """Return trouble that damages a part each time."""
    stand.proxy.add(Trouble(Kind.FLIP, where="bytes 1048576-", since=Since.BODY, at=9, count=None))


def echoed(stand: Stand) -> None:
    """Return a fault that leaves the tree hash out of each answer to a part."""
    stand.glacier.add_faults(Fault("UploadMultipartPart", FaultKind.WRONG_HASH, count=None))


#: Troubles of an upload in parts, and their errors.
UPLOADS: dict[str, tuple[Callable[[Stand], None], str]] = {
    "denied": (refused("AccessDeniedException"), "AccessDeniedError"),
    "wrong": (refused("InvalidParameterValueException"), "InvalidParameterError"),
    "unknown": (refused("TeapotException", status=418), "ServiceError"),
    "credentials": (refused("UnrecognizedClientException", status=403), "InvalidCredentialsError"),
    "expired": (refused("ExpiredTokenException"), "CredentialsExpiredError"),
    "damaged": (damaged, "IntegrityError"),
    "echoed": (echoed, "IntegrityError"),
    "limit": (refused("LimitExceededException", "InitiateMultipartUpload", status=400), "LimitExceededError"),
    "over": (refused("NoLongerSupportedException", "InitiateMultipartUpload"), "NoLongerSupportedError"),
}


def judge(stand: Stand, error: dict[str, Any], text: str) -> None:
    """Assert the rules that hold for every error, in its record and in its text."""
    message = error["message"]
    kind: type[errors.GlacierError] = getattr(errors, error["error"])
    assert error["vault"] == "v"
    if issubclass(kind, errors.ServiceError):
        assert message.startswith(f"{error['operation']}: ")
        for fact in (str(error["status"]), error["code"], error["request_id"]):
            assert fact in message
    if issubclass(kind, errors.CredentialsError) and error["code"]:
        assert error["operation" if "operation" in error else "code"] in message
        assert error["code"] in message
        assert error["request_id"] in message
    if issubclass(kind, errors.IntegrityError):
        assert error["expected"] in message
        assert error["byte_range"]
    if error["upload_id"]:
        assert error["upload_id"] in message + str(error["resume"])
    if error["attempts"] and error["attempts"] > 1:
        assert f"{error['attempts']} attempts in" in message
    assert stand.glacier.secret_access_key not in text
    assert not re.search("(?i)traceback|signature=", text)


@pytest.mark.parametrize("case", UPLOADS)
def test_an_upload_that_fails_tells_all_there_is(stand: Stand, case: str) -> None:
    """The error has operation, vault, upload, place, attempts, request id, code and the next command."""
    prepare, expected = UPLOADS[case]
    stand.file(SIZE)
    prepare(stand)
    code = int(exit_of(getattr(errors, expected)))
    done = stand.cli("--json", *UPLOAD, code=code)
    assert done.error["error"] == expected
    judge(stand, done.error, done.err)
    if stand.count("uploads"):
        assert done.error["resume"] or "abort" in str(done.error)


@pytest.mark.long
def test_trouble_that_lasts_tells_the_last_refusal(stand: Stand, lies: Lies) -> None:
    """After a quarter of an hour of 503, the error has attempts, time, progress and next command."""
    stand.file(SIZE)
    stand.glacier.add_faults(Fault("UploadMultipartPart", status=503, first=2, count=None))
    with stand.started("--json", *UPLOAD, lies=lies) as process:
        wait_for(lambda: stand.parts_sent() == 1)
        lies.speed(100)  # faster, a pause of a busy machine would count as a minute without a byte
        done = stand.ended(process, 5)
    error = done.error
    assert error["error"] == "UploadFailedError"
    judge(stand, error, done.err)
    assert error["sent"] == MIB
    assert error["attempts"] > 1
    for fact in (
        "UploadMultipartPart",
        "503 ServiceUnavailableException, request ",
        "1048576 bytes are safe",
    ):
        assert fact in error["message"]
    assert error["message"].count("attempts in") == 1
    stand.glacier.clear_faults()
    stand.go_on(error["resume"])


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("upload", "v", "big"), "VaultNotFoundError"),
        (("download", "v", "A" * 138, "back"), "VaultNotFoundError"),
        (("delete", "v", "A" * 138, "--yes"), "VaultNotFoundError"),
        (("jobs", "show", "v", "J" * 92), "VaultNotFoundError"),
        (("uploads", "show", "v", "U" * 92), "VaultNotFoundError"),
        (("vault", "show", "v"), "VaultNotFoundError"),
    ],
)
def test_a_vault_that_is_gone_is_named_with_the_request(
    stand: Stand, command: tuple[str, ...], expected: str
) -> None:
    """The exit code is 7, and the error has operation, vault, status, code and request id."""
    stand.file(SIZE)
    stand.cli("vault", "delete", "v", "--yes")
    done = stand.cli("--json", *command, code=7)
    assert done.error["error"] == expected
    judge(stand, done.error, done.err)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("download", "v", "A" * 138, "back"), "ArchiveNotFoundError"),
        (("jobs", "show", "v", "J" * 92), "JobNotFoundError"),
        (("uploads", "show", "v", "U" * 92), "UploadNotFoundError"),
    ],
)
def test_what_is_not_there_is_named_with_the_request(
    stand: Stand, command: tuple[str, ...], expected: str
) -> None:
    """The exit code is 7, and the error has the same facts."""
    done = stand.cli("--json", *command, code=7)
    assert done.error["error"] == expected
    judge(stand, done.error, done.err)
