"""An inventory in a file: as the service wrote it, as another program saved it, or as this one exported it.

A file may have a byte order mark, be in UTF-16, or be compressed with gzip. Each form is made into the
service's JSON or CSV in UTF-8, so one parser reads and checks them all.

Everything here blocks; call it in a thread.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
from contextlib import contextmanager
from itertools import chain
from typing import IO, TYPE_CHECKING, Any, Final, cast

from aioglacier.core.errors import InventoryError
from aioglacier.core.inventory.inventory_parser import open_inventory_reader
from aioglacier.core.limits import MIB
from aioglacier.core.models import InventoryFormat

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from aioglacier.core.inventory.inventory_parser import InventoryReader
    from aioglacier.core.models import Archive

_BLOCK: Final = MIB
_GZIP: Final = b"\x1f\x8b"

#: The marks that begin a file, and their encodings.
_MARKS: Final = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}

#: Our own exports, by the service's names.
_OWN: Final = {
    "archive_id": "ArchiveId",
    "description": "ArchiveDescription",
    "created": "CreationDate",
    "size": "Size",
    "tree_hash": "SHA256TreeHash",
}

#: Before a description that a spreadsheet would take for a formula our CSV has an apostrophe.
_APOSTROPHE: Final = tuple(f"'{sign}" for sign in "=+-@\t\r\n'")


class InventoryDocument:
    """One inventory in a file.

    Attributes:
        vault: The vault's name, as soon as the document has said it; the service's CSV never does.
        region: Its region, as soon as the document has said it; our own exports never do.
        inventoried: The date of the inventory, as soon as the document has said it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.vault = ""
        self.region: str | None = None
        self.inventoried: datetime | None = None

    def read(self) -> Generator[list[Archive], None, None]:
        """Yield its archives, some at a time.

        Raises:
            InventoryError: It is not an inventory.
            OSError: It cannot be read.
        """
        try:
            with _opened(self.path) as file:
                first = file.readline(_BLOCK)
                blocks = self._blocks(first, file)
                is_csv = first.startswith((b"ArchiveId", b'"ArchiveId'))
                reader = open_inventory_reader(InventoryFormat.CSV if is_csv else InventoryFormat.JSON)
                for block in blocks:
                    reader.vault = reader.vault or self.vault  # our own exports say it themselves
                    archives = reader.feed(block)
                    self._note(reader)
                    yield archives
                yield reader.close()
                self._note(reader)
        except (EOFError, gzip.BadGzipFile, csv.Error, UnicodeError) as error:
            raise InventoryError(f"{str(self.path)!r} cannot be read: {error}", offset=0) from error
        except InventoryError as error:
            error.add_note(f"in {str(self.path)!r}")
            raise

    def _blocks(self, first: bytes, file: IO[bytes]) -> Iterator[bytes]:
        """Yield the document in a form that the service could have written."""
        if first.startswith(b"archive_id,"):
            lines = (line.decode("utf-8", "surrogateescape") for line in file)
            rows = csv.DictReader(lines, fieldnames=first.decode().strip().split(","))
            yield from self._as_json(_own_csv(rows))
        elif first.startswith(b"{") and b'"archive_id"' in first[:200]:
            texts = (line for line in chain([first], file) if line.strip())
            yield from self._as_json(map(json.loads, texts))
        else:
            yield first
            while block := file.read(_BLOCK):
                yield block

    def _as_json(self, rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
        yield b'{"ArchiveList":['
        comma = b""
        try:
            for row in rows:
                vault = str(row["vault"])
                if self.vault not in {"", vault}:
                    raise InventoryError(f"it lists the vaults {self.vault} and {vault}", offset=0)
                self.vault = vault
                entry = {theirs: row[ours] for ours, theirs in _OWN.items()}
                yield comma + json.dumps(entry).encode()
                comma = b","
        except (KeyError, TypeError, ValueError) as error:
            raise InventoryError(f"a line is not of our own exports ({error})", offset=0) from error
        yield b"]}"

    def _note(self, reader: InventoryReader) -> None:
        self.vault, self.inventoried = reader.vault, reader.inventoried
        parts = (reader.vault_arn or "").split(":")  # arn:aws:glacier:REGION:ACCOUNT:vaults/NAME
        self.region = parts[3] if len(parts) == 6 and parts[3] else None


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file of any encoding, compressed or not, as UTF-8 without a mark."""
    with path.open("rb") as raw:
        is_packed = raw.read(2) == _GZIP
        raw.seek(0)
        with gzip.open(raw, "rb") if is_packed else raw as file:
            start = file.read(3)
            file.seek(0)
            encoding = next((name for mark, name in _MARKS.items() if start.startswith(mark)), None)
            if encoding is None:
                yield cast("IO[bytes]", file)
            else:
                yield cast("IO[bytes]", _Transcoded(cast("IO[bytes]", file), encoding))


class _Transcoded(io.RawIOBase):
    """A file in another encoding, as UTF-8."""

    def __init__(self, file: IO[bytes], encoding: str) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder(encoding)(
            "strict" if "16" in encoding else "surrogateescape"
        )
        self._ready = b""

    def readable(self) -> bool:
        """Return whether it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, as far as there is something."""
        while not self._ready:
            block = self._file.read(65536)
            self._ready = self._decoder.decode(block, final=not block).encode("utf-8", "surrogateescape")
            if not block:
                break
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count


def _own_csv(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        description = str(row["description"])
        plain = description[1:] if description.startswith(_APOSTROPHE) else description
        yield {**row, "size": int(row["size"]), "description": plain}
