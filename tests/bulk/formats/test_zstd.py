"""Compressed members are decoded up to a bound."""

from __future__ import annotations

import os
import tracemalloc

import pytest

from aioglacier.bulk.formats.zstd import compressor, decode
from aioglacier.core.errors import IntegrityError
from aioglacier.core.limits import MIB


def test_a_frame_that_promises_too_much_is_refused() -> None:
    """20 KB that are 600 MiB of zeros take no memory."""
    frame = compressor()(bytes(600 * MIB))
    tracemalloc.start()
    with pytest.raises(IntegrityError, match="more than any member"):
        decode(frame)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MIB


@pytest.mark.parametrize("frame", [b"", b"no frame", compressor()(os.urandom(900))[:-9]])
def test_a_frame_that_is_none_is_refused(frame: bytes) -> None:
    """The error is one of integrity."""
    with pytest.raises(IntegrityError):
        decode(frame)
