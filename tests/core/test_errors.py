"""The tree of errors equals its drawing, has one root, and its sentences carry the known facts."""

from __future__ import annotations

import builtins
import inspect
import pickle
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from aioglacier.core import errors
from aioglacier.core.ranges import ByteRange

if TYPE_CHECKING:
    from collections.abc import Iterator

CLASSES = {
    name: value
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, Exception)
}


def drawn_bases() -> Iterator[tuple[str, list[str]]]:
    """Each class of the drawing with its bases: the line above it that is less indented, then "also"."""
    drawing = (errors.__doc__ or "").partition("::\n")[2].partition("\nAn error is data")[0]
    above: list[tuple[int, str]] = []
    for line in filter(None, drawing.splitlines()):
        indent = len(line) - len(line.lstrip())
        name = line.split()[0]
        while above and above[-1][0] >= indent:
            above.pop()
        also = line.partition("(also ")[2].partition(")")[0]
        yield name, [above[-1][1] if above else "Exception", *([also] if also else [])]
        above.append((indent, name))


def test_the_drawing_equals_the_classes() -> None:
    """Every class is drawn below its base, and nothing else is drawn."""
    assert dict(drawn_bases()) == {
        name: [base.__name__ for base in class_.__bases__] for name, class_ in CLASSES.items()
    }


def test_the_drawing_names_no_class_twice() -> None:
    """A class has one place in the tree."""
    names = [name for name, _ in drawn_bases()]
    assert len(names) == len(set(names)) == len(CLASSES)


@pytest.mark.parametrize("class_", CLASSES.values(), ids=CLASSES)
def test_every_error_is_documented_and_hides_no_builtin(class_: type[Exception]) -> None:
    """One root catches every error; each has a docstring and none has the name of a builtin."""
    assert issubclass(class_, errors.GlacierError)
    assert class_.__doc__
    assert class_.__name__.endswith("Error")
    assert not hasattr(builtins, class_.__name__)


def make_errors() -> list[errors.GlacierError]:
    """One error of each class, with every argument it takes."""
    now = datetime(2026, 11, 22, tzinfo=UTC)
    range_ = ByteRange(0, 5)
    made: list[errors.GlacierError] = [
        errors.EmptyArchiveError("the file is empty"),
        errors.InvalidPartSizeError(part_size=3, nearest=(1 << 20,)),
        errors.TooManyPartsError(part_size=1 << 20, size=None, suggested_part_size=1 << 21),
        errors.TooManyPartsError(part_size=1 << 32, size=1 << 60, suggested_part_size=None),
        errors.MemoryLimitError(part_size=1 << 30, memory_limit=1 << 20),
        errors.DescriptionError("m", description="d"),
        errors.VaultNameError("m", name="n"),
        errors.InvalidIdError("m", kind="job", value="v"),
        errors.InvalidRangeError("m", byte_range=range_),
        errors.InputTypeError("m", type_name="str", chunk_index=4),
        errors.CostLimitError("m", cost=2.0, limit=1.0),
        errors.SourceUnreadableError("m", path="/p", errno=5, offset=6),
        errors.SourceChangedError("m", path="/p", field="mtime"),
        errors.LengthMismatchError("m", expected=1, actual=2),
        errors.TargetError("m", path="/p", needed=2, free=1),
        errors.UnsafePathError("m", path="/p"),
        errors.ClockSkewError("m", local_time=now, server_time=now, code="c", request_id="r"),
        errors.RedirectRefusedError("m", operation="ListVaults", origin="a", location="b"),
        errors.UnexpectedResponseError("m", operation="ListVaults", status=200),
        errors.IntegrityError("m", expected=b"\1" * 32, actual=b"\2" * 32, byte_range=range_, archive_id="a"),
        errors.ResumeMismatchError("m", byte_range=range_),
        errors.OutcomeUnknownError("m", size=5, tree_hash=b"\1" * 32),
        errors.JobFailedError("m", job_id="j", status_message="why"),
        errors.InventoryError("m", offset=5),
        errors.NotStoredError("m"),
        errors.WaitTimeoutError("m", waited_seconds=1.5),
        errors.WorkerDiedError("m", exit_code=-9),
        errors.CatalogBusyError("m", waited_seconds=30.0),
        errors.CatalogDamagedError("m", path="/c", moved_to="/d"),
        errors.CatalogMismatchError("m", recorded="a", found="b"),
        errors.UploadLockedError(source="/s", pid=7, host="h"),
        errors.BucketNameError("m", name="b"),
        errors.ShardMismatchError("m", work="w", recorded=4, given=8, number=2, pid=7, host="h"),
        errors.NotSharedError("m", path="/p", worker="w", field="size"),
    ]
    for class_ in CLASSES.values():
        if any(type(error) is class_ for error in made):
            continue
        if issubclass(class_, errors.ServiceError):
            made.append(class_("m", operation="ListVaults", code="c", status=400, request_id="r"))
        elif issubclass(class_, errors.TransportError):
            made.append(class_("m", operation="ListVaults", may_have_taken_effect=True))
        elif issubclass(class_, errors.CredentialsError):
            made.append(class_("m", code="c", request_id="r"))
        elif class_ is not Exception and issubclass(class_, errors.GlacierError):
            made.append(class_("m"))
    return made


def test_every_class_can_be_made() -> None:
    """The list above has an error of each class."""
    assert {type(error) for error in make_errors()} == set(CLASSES.values())


@pytest.mark.parametrize("error", make_errors(), ids=lambda error: type(error).__name__)
def test_documented_attributes_are_there(error: errors.GlacierError) -> None:
    """Each name under "Attributes:" of a class, or of one it derives from, can be read."""
    for class_ in type(error).__mro__:
        documented = (
            (inspect.getdoc(class_) or "").partition("Attributes:\n")[2] if class_ in CLASSES.values() else ""
        )
        for line in documented.splitlines():
            name, colon, _ = line.strip().partition(":")
            if colon and line.startswith("    ") and not line.startswith("     "):
                assert hasattr(error, name), name


@pytest.mark.parametrize("error", make_errors(), ids=lambda error: type(error).__name__)
def test_the_sentence_carries_what_was_filled_in(error: errors.GlacierError) -> None:
    """Facts added on the way up are in str(), behind the sentence; ``message`` stays without them."""
    error.archive_id = error.job_id = None
    before = str(error)
    assert error.message in before
    error.file = "film.mkv"
    error.vault = "photos-vault"
    error.archive_id = "archive-8"
    error.job_id = "job-9"
    error.upload_id = "upload-7"
    error.sent = 12345
    error.attempts = 3
    error.elapsed_seconds = 61.2
    assert str(error) == (
        f"{before} (file film.mkv, vault photos-vault, archive archive-8, job job-9, upload upload-7, "
        "12345 bytes are safe at the service, 3 attempts in 61 s)"
    )
    assert "photos-vault" not in error.message


def test_a_service_error_shows_operation_status_code_and_request() -> None:
    """All that support asks for is in the sentence."""
    error = errors.VaultNotFoundError(
        "Vault not found",
        operation="DescribeVault",
        code="ResourceNotFoundException",
        status=404,
        request_id="R1",
    )
    assert str(error) == "DescribeVault: Vault not found [404 ResourceNotFoundException, request R1]"
    assert not error.is_retryable
    assert errors.ThrottledError("m", operation="o", code="", status=429).is_retryable
    assert str(errors.ThrottledError("m", operation="o", code="", status=429)) == "o: m [429]"


def test_plans_and_types_are_python_errors_too() -> None:
    """Code that catches ValueError or TypeError keeps working."""
    assert issubclass(errors.InvalidPlanError, ValueError)
    assert issubclass(errors.InputTypeError, TypeError)


def test_numbers_that_help_are_in_the_sentence() -> None:
    """The value seen, the value allowed and the next step are said."""
    assert "10,000 parts of 1 MiB, which end at 10485760000 bytes" in str(
        errors.TooManyPartsError(part_size=1 << 20, size=None, suggested_part_size=1 << 21)
    )
    assert "split it" in str(errors.TooManyPartsError(part_size=1 << 32, size=1, suggested_part_size=None))
    assert "raise the limit to 2147483648" in str(
        errors.MemoryLimitError(part_size=1 << 30, memory_limit=1 << 20)
    )
    assert f"expected tree hash {'01' * 32}, got {'02' * 32}" in str(
        errors.IntegrityError("m", expected=b"\1" * 32, actual=b"\2" * 32)
    )
    assert "before sending it again" in str(errors.OutcomeUnknownError("m", size=5, tree_hash=b"\1" * 32))
    assert "at byte 5: m; download the job's output again" in str(errors.InventoryError("m", offset=5))


def test_every_error_travels_between_processes() -> None:
    """An error that another process raised has the same class, sentence and facts here."""
    for error in make_errors():
        error.attempts = 3
        error.add_note("a note")
        there = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own
        assert (type(there), str(there), vars(there)) == (type(error), str(error), vars(error))
