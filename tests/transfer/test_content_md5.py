"""The MD5 of bodies, and the refusals after which it is sent."""

from __future__ import annotations

import os
from hashlib import md5
from typing import TYPE_CHECKING

import pytest

from aioglacier.core.errors import AccessDeniedError, InvalidParameterError, ServiceError, SourceChangedError
from aioglacier.files.reading import FileIdentity, FileRange
from aioglacier.transfer.content_md5 import joined, md5_of, refuses_checksums

if TYPE_CHECKING:
    from pathlib import Path

DATA = bytes(range(256)) * 3000


async def test_memory_and_a_range_of_a_file_have_the_same_md5(tmp_path: Path) -> None:
    """A range is read in blocks; a file that has become shorter is named."""
    path = tmp_path / "film"
    path.write_bytes(b"<" + DATA)
    expected = md5(DATA, usedforsecurity=False).digest()
    assert await md5_of(memoryview(DATA)) == expected
    with path.open("rb") as file:
        identity = FileIdentity.of(os.fstat(file.fileno()))
        body = FileRange(file.fileno(), str(path), 1, len(DATA), identity)
        assert await md5_of(body) == expected
        with pytest.raises(SourceChangedError):
            await md5_of(body._replace(offset=2))
    assert joined([expected, expected]) == md5(expected * 2, usedforsecurity=False).digest()


def test_a_refusal_that_may_be_of_a_header_is_known_by_its_kind() -> None:
    """A store without a feature says so by one of two kinds; a denial is none of them."""

    def error(kind: type[ServiceError], code: str) -> ServiceError:
        return kind("no", operation="PutObject", code=code, status=400)

    assert refuses_checksums(error(InvalidParameterError, "InvalidArgument"))
    assert refuses_checksums(error(ServiceError, "NotImplemented"))
    assert not refuses_checksums(error(AccessDeniedError, "AccessDenied"))
