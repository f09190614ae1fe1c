"""Refusals of S3."""

from __future__ import annotations

import pytest

from aioglacier.server.protocol.s3_refusals import (
    S3RefusalError,
    bad_argument,
    bad_request,
    known_status,
    not_implemented,
)


def test_a_code_brings_its_status_and_text() -> None:
    """The reference's text is used unless another is given."""
    plain = S3RefusalError("NoSuchKey", Key="a")
    assert (plain.status, plain.message) == known_status("NoSuchKey")
    assert plain.details == {"Key": "a"}
    assert S3RefusalError("NoSuchKey", "gone").message == "gone"


def test_an_unknown_code_is_a_mistake_of_this_server() -> None:
    """A code that S3 does not have never reaches a client."""
    assert known_status("NoSuchCode") is None
    with pytest.raises(KeyError):
        S3RefusalError("NoSuchCode")


def test_details_can_have_names_of_parameters() -> None:
    """An element may be named like a parameter of the error."""
    made = S3RefusalError("InvalidPart", details={"code": 1}, ETag="x")
    assert made.details == {"code": 1, "ETag": "x"}


@pytest.mark.parametrize(
    ("found", "status", "code"),
    [
        (bad_argument("n", 1, "m"), 400, "InvalidArgument"),
        (bad_request("m"), 400, "InvalidRequest"),
        (not_implemented("m"), 501, "NotImplemented"),
    ],
)
def test_the_common_refusals_have_their_codes(found: S3RefusalError, status: int, code: str) -> None:
    """A wrong value, a wrong request and a missing capability have different codes."""
    assert (found.status, found.code) == (status, code)
    assert "m" in found.message
