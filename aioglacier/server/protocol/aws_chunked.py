"""The body format ``aws-chunked``: signed or unsigned chunks, and trailers behind the last.

Each chunk is ``SIZE[;chunk-signature=HEX]``, the bytes, and a line end; the chunk of size 0 is the last.
Lines ``name:value`` may follow, and with signatures one more that signs them. An empty line ends the body.
"""

from __future__ import annotations

import hashlib
import re
from enum import Enum
from typing import TYPE_CHECKING, Final

from aioglacier.server.protocol.s3_refusals import S3RefusalError

if TYPE_CHECKING:
    from aioglacier.server.protocol.s3_signature import ChunkSigner

_SIZE: Final = re.compile("[0-9a-fA-F]{1,12}")
_MAX_LINE: Final = 4096
_TRAILER_SIGNATURE: Final = "x-amz-trailer-signature"


class _Awaits(Enum):
    SIZE = "size"
    BYTES = "bytes"
    LINE_END = "line end"
    TRAILER = "trailer"
    NOTHING = "nothing"


class ChunkedBody:
    """Takes a chunked body apart; it does no I/O.

    Attributes:
        trailers: The lines behind the last chunk, names in lower case; complete once ``is_complete``.
    """

    def __init__(self, *, is_signed: bool, signer: ChunkSigner | None) -> None:
        self._is_signed = is_signed
        self._signer = signer  # none on a server without keys, which takes any signature
        self._awaits = _Awaits.SIZE
        self._line = bytearray()
        self._left = 0
        self._signature = ""
        self._hash = hashlib.sha256()
        self._trailer_hash = hashlib.sha256()
        self.trailers: dict[str, str] = {}

    @property
    def is_complete(self) -> bool:
        """Whether the end of the body has arrived."""
        return self._awaits is _Awaits.NOTHING

    def feed(self, data: bytes) -> list[bytes]:
        """Return the payload in the next bytes of the body.

        Raises:
            S3RefusalError: The body is malformed, or a signature is wrong.
        """
        payload = []
        at = 0
        while at < len(data):
            if self._awaits is _Awaits.BYTES:
                piece = data[at : at + self._left] if at or self._left < len(data) else data
                at += len(piece)
                self._take(piece)
                payload.append(piece)
                continue
            if self._awaits is _Awaits.NOTHING:
                raise _malformed("bytes follow the last chunk")
            end = data.find(b"\n", at)
            stop = len(data) if end < 0 else end + 1
            self._line += data[at:stop]
            at = stop
            if len(self._line) > _MAX_LINE:
                raise _malformed("a line is too long")
            if end >= 0:
                line = bytes(self._line).removesuffix(b"\n").removesuffix(b"\r")
                self._line.clear()
                self._end_line(line.decode("latin-1"))
        return payload

    def _take(self, piece: bytes) -> None:
        self._left -= len(piece)
        if self._signer is not None and self._is_signed:
            self._hash.update(piece)
        if not self._left:
            self._awaits = _Awaits.LINE_END

    def _end_line(self, line: str) -> None:
        if self._awaits is _Awaits.SIZE:
            self._begin_chunk(line)
        elif self._awaits is _Awaits.LINE_END:
            if line:
                raise _malformed("a chunk is longer than its size")
            self._end_chunk()
            self._awaits = _Awaits.SIZE
        elif line:
            self._add_trailer(line)
        else:
            self._awaits = _Awaits.NOTHING
            if self.trailers and self._is_signed and self._signer is not None:
                self._signer.check_trailer(self._trailer_hash.hexdigest(), self._signature)

    def _begin_chunk(self, line: str) -> None:
        size, _, extension = line.partition(";")
        self._signature = extension.partition("chunk-signature=")[2].strip()
        if self._is_signed and not self._signature:
            raise _malformed("a chunk has no signature")
        if not _SIZE.fullmatch(size):
            raise _malformed(f"no chunk size: {size[:40]!r}")
        self._left = int(size, 16)
        if self._left:
            self._awaits = _Awaits.BYTES
        else:
            self._end_chunk()
            self._signature = ""
            self._awaits = _Awaits.TRAILER

    def _end_chunk(self) -> None:
        if self._signer is not None and self._is_signed:
            self._signer.check_chunk(self._hash.hexdigest(), self._signature)
            self._hash = hashlib.sha256()

    def _add_trailer(self, line: str) -> None:
        name, _, value = line.partition(":")
        name = name.strip().lower()
        if name == _TRAILER_SIGNATURE:
            self._signature = value.strip()
        else:
            self.trailers[name] = value.strip()
            self._trailer_hash.update(f"{name}:{value.strip()}\n".encode("latin-1"))


def _malformed(reason: str) -> S3RefusalError:
    return S3RefusalError("InvalidRequest", f"The aws-chunked body is malformed: {reason}.")
