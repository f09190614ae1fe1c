"""Compression of members: each is a zstd frame of its own, and frames in a row are one zstd stream."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from aioglacier.core.errors import ConfigurationError, IntegrityError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

LEVEL: Final = 3

#: The first of the sixteen magic numbers of frames that readers skip (RFC 8878, 3.1.2).
_SKIPPABLE: Final = (0x184D2A50).to_bytes(4, "little")

#: The most bytes that a frame may hold: the largest file with its headers, or a page of an index.
_LARGEST: Final = 64 * 1024 * 1024

#: Bytes of a frame decoded at once if its header names no size: they hold 32 MiB at most.
_STEP: Final = 1024

_of_thread: Final = threading.local()


def compressor() -> Callable[[bytes], bytes]:
    """Return a function that compresses bytes to one frame; use it in one thread at a time."""
    compress: Callable[[bytes], bytes] = (
        _module().ZstdCompressor(level=LEVEL, write_content_size=True).compress
    )
    return compress


def decode(frame: bytes | memoryview) -> bytes:
    """Return the content of a frame.

    Raises:
        IntegrityError: The bytes are no frame, or it holds more than any member has.
    """
    zstandard = _module()
    try:
        size = zstandard.frame_content_size(frame)
        if size > _LARGEST:
            raise _unreadable("it holds more than any member has")
        decoder = getattr(_of_thread, "decoder", None)
        if decoder is None:  # making one takes longer than decoding a small member
            decoder = _of_thread.decoder = zstandard.ZstdDecompressor(max_window_size=_LARGEST)
        # The library fills no more than the size that a frame names, and ignores the limit then.
        content: bytes = decoder.decompress(frame, max_output_size=_LARGEST if size < 0 else 0)
    except zstandard.ZstdError as error:
        raise _unreadable(error) from error
    return content


def skippable_frame(content: bytes, size: int) -> bytes:
    """Return a skippable frame of ``size`` bytes that holds text, padded with spaces."""
    room = size - 8
    return _SKIPPABLE + room.to_bytes(4, "little") + content.ljust(room)


def skipped_text(frame: bytes) -> bytes | None:
    """Return the text in a skippable frame, ``None`` for other bytes."""
    is_one = frame[:8] == _SKIPPABLE + max(0, len(frame) - 8).to_bytes(4, "little")
    return frame[8:] if is_one else None


def split_frame(frames: bytes) -> tuple[bytes, bytes]:
    """Return the content of the first of several frames, and the frames after it.

    Raises:
        IntegrityError: There is no whole frame, or it holds more than any member has.
    """
    zstandard = _module()
    decoder = zstandard.ZstdDecompressor(max_window_size=_LARGEST).decompressobj()
    content = bytearray()
    at = 0
    while not decoder.eof:
        if at >= len(frames):
            raise _unreadable("it is cut off")
        try:
            content += decoder.decompress(frames[at : at + _STEP])
        except zstandard.ZstdError as error:
            raise _unreadable(error) from error
        at += _STEP
        if len(content) > _LARGEST:
            raise _unreadable("it holds more than any member has")
    return bytes(content), decoder.unused_data + frames[at:]


def _unreadable(why: object) -> IntegrityError:
    return IntegrityError(f"a compressed member cannot be read: {why}", expected=b"", actual=b"")


def _module() -> ModuleType:
    try:
        import zstandard  # noqa: PLC0415  # an extra, and not needed by most
    except ImportError as error:
        raise ConfigurationError(
            "bundles need the package zstandard: pip install 'aioglacier[bulk]'"
        ) from error
    return zstandard
