"""Compression of members: each is a zstd frame of its own, and frames in a row are one zstd stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aioglacier.core.errors import ConfigurationError, IntegrityError

if TYPE_CHECKING:
    from types import ModuleType

LEVEL: Final = 3

#: The first of the sixteen magic numbers of frames that readers skip (RFC 8878, 3.1.2).
_SKIPPABLE: Final = (0x184D2A50).to_bytes(4, "little")

#: What a member can have at most, decoded: the largest file with its headers, or a page of an index.
_LARGEST: Final = 64 * 1024 * 1024

#: Bytes of a frame decoded at once if its header names no size: they make 32 MiB at the very most.
_STEP: Final = 1024


class ZstdCoder:
    """Makes frames. For one thread at a time."""

    def __init__(self, level: int = LEVEL) -> None:
        self._compressor = _module().ZstdCompressor(level=level, write_content_size=True)

    def encode(self, member: bytes) -> bytes:
        """One frame."""
        frame: bytes = self._compressor.compress(member)
        return frame


def decode(frame: bytes) -> bytes:
    """Return the content of a frame.

    Raises:
        IntegrityError: It is no such frame, or holds more than any member has.
    """
    zstandard = _module()
    try:
        # A frame that says how much it holds is decoded whatever ``max_output_size`` says.
        if zstandard.frame_content_size(frame) > _LARGEST:
            raise _unreadable("it holds more than any member has")
        content: bytes = zstandard.ZstdDecompressor(max_window_size=_LARGEST).decompress(
            frame, max_output_size=_LARGEST
        )
    except zstandard.ZstdError as error:
        raise _unreadable(error) from error
    return content


def skippable_frame(content: bytes, size: int) -> bytes:
    """A frame of so many bytes in all that readers skip, with text in it that spaces fill up."""
    room = size - 8
    return _SKIPPABLE + room.to_bytes(4, "little") + content.ljust(room)


def skipped_text(frame: bytes) -> bytes | None:
    """The text in such a frame, ``None`` if it is none."""
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
