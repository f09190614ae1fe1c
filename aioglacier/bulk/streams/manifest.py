"""The manifest of a stream of several archives: which they are, in order, and what each must be.

It is an archive of its own, the last and smallest. A stream is complete if it has one. Without a catalog it
is found in the inventory by its description, as the pieces are.
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
        description: As it was given when the stream began.
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
        """As it is archived; the same each time."""
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
        """Read one.

        Raises:
            IntegrityError: It is none, or one of a later format.
        """
        try:
            fields = json.loads(text)
            if fields["aioglacier"] != "manifest" or fields["format"] != FORMAT:
                raise ValueError("it is of another kind or format")
            pieces = tuple(
                Piece(ArchiveId(piece["archive_id"]), int(piece["size"]), bytes.fromhex(piece["tree_hash"]))
                for piece in fields["pieces"]
            )
            manifest = cls(str(fields["stream"]), str(fields["description"]), pieces)
            if manifest.size != fields["size"]:
                raise ValueError("the sizes of its pieces are not that of the stream")
        except (ValueError, KeyError, TypeError) as error:
            raise IntegrityError(
                f"archive {archive_id} is no manifest of a stream: {error}",
                expected=b"",
                actual=b"",
                archive_id=archive_id,
            ) from error
        return manifest


def describe_piece(stream: str, index: int, description: str) -> str:
    """Return the description of a piece; the first is number 0."""
    return json.dumps({"aioglacier": "piece", "stream": stream, "piece": index, "of": description})


def describe_manifest(stream: str, description: str) -> str:
    """Return the description of the manifest."""
    return json.dumps({"aioglacier": "manifest", "stream": stream, "of": description})
