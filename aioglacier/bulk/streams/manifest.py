"""The manifest of a stream of several archives: their ids, sizes and tree hashes, in order.

It is an archive of its own, the last and smallest; a stream with a manifest is complete. Without a catalog
its description and those of the pieces tell them in an inventory.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from aioglacier.core.errors import IntegrityError
from aioglacier.core.models import ArchiveId

FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Piece:
    """One archive of a stream."""

    archive_id: ArchiveId
    size: int
    tree_hash: bytes


@dataclass(frozen=True, slots=True)
class Manifest:
    """The list of the archives of a stream.

    Attributes:
        stream: Its name, 16 hex digits.
        description: The description given when the stream began.
        pieces: In order.
    """

    stream: str
    description: str
    pieces: tuple[Piece, ...]

    @property
    def size(self) -> int:
        """Bytes of the stream."""
        return sum(piece.size for piece in self.pieces)

    def encode(self) -> bytes:
        """Return the bytes to archive, which are the same each time."""
        fields = {
            "aioglacier": "manifest",
            "format": FORMAT,
            "stream": self.stream,
            "description": self.description,
            "size": self.size,
            "pieces": [
                {"archive_id": piece.archive_id, "size": piece.size, "tree_hash": piece.tree_hash.hex()}
                for piece in self.pieces
            ],
        }
        return json.dumps(fields, indent=1).encode() + b"\n"

    @classmethod
    def decode(cls, text: bytes, archive_id: str) -> Manifest:
        """Return the manifest in an archive.

        Raises:
            IntegrityError: The archive is no manifest, or one of another format.
        """
        try:
            fields = json.loads(text)
            if fields["aioglacier"] != "manifest" or fields["format"] != FORMAT:
                raise ValueError("it has another kind or format")
            pieces = tuple(
                Piece(ArchiveId(piece["archive_id"]), int(piece["size"]), bytes.fromhex(piece["tree_hash"]))
                for piece in fields["pieces"]
            )
            manifest = cls(str(fields["stream"]), str(fields["description"]), pieces)
            if manifest.size != fields["size"]:
                raise ValueError("the sizes of its pieces do not add up")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise not_a_manifest(archive_id, str(error)) from error
        return manifest


def not_a_manifest(archive_id: str, reason: str) -> IntegrityError:
    """Return the error for an archive that is no manifest."""
    message = f"archive {archive_id} is no manifest of a stream: {reason}"
    return IntegrityError(message, expected=b"", actual=b"", archive_id=archive_id)


def describe_piece(stream: str, index: int, description: str) -> str:
    """Return the description of a piece; the first is number 0."""
    return json.dumps({"aioglacier": "piece", "stream": stream, "piece": index, "of": description})


def describe_manifest(stream: str, description: str) -> str:
    """Return the description of the manifest."""
    return json.dumps({"aioglacier": "manifest", "stream": stream, "of": description})
