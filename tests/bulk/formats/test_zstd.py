"""Compressed members are decoded up to a bound."""

from __future__ import annotations

import os
import tracemalloc

import pytest

from aioglacier.bulk.formats.zstd import compressor, decode, skippable_frame, split_frame
from aioglacier.core.errors import IntegrityError
from aioglacier.core.limits import MIB


@pytest.mark.slow
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


@pytest.mark.slow
def test_an_index_that_unfolds_without_end_is_damaged() -> None:
    """8 KB that are 256 MiB of zeros do not take them."""
    frame = compressor()(bytes(256 * MIB))
    tracemalloc.start()
    with pytest.raises(IntegrityError, match="more than any member"):
        split_frame(frame)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200 * MIB


def test_frames_in_a_row_are_taken_apart() -> None:
    """Frames are split at any position of their ends."""
    contents = [os.urandom(size) for size in (0, 1, 900, 1024, 5000, 200_000)]
    frames = b"".join(map(compressor(), contents))
    found = []
    while frames:
        content, frames = split_frame(frames)
        found.append(content)
    assert found == contents
    with pytest.raises(IntegrityError, match="cut off"):
        split_frame(compressor()(contents[-1])[:-1])


def test_frames_are_read_alone_and_in_a_row() -> None:
    """And a skippable one has the size that was asked for."""
    encode = compressor()
    first, second = encode(b"first" * 100), encode(b"second")
    assert decode(first) == b"first" * 100
    assert decode(second) == b"second"
    assert len(skippable_frame(b"{}", 512)) == 512
    with pytest.raises(IntegrityError):
        decode(first[:-3])
