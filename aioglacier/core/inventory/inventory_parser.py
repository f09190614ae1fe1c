r"""A reader of inventories as a stream: blocks of bytes go in, archives come out.

An inventory has about 400 bytes for each archive, so a large vault's has gigabytes. A reader keeps only the
entry that is not complete yet: its memory is one block, the archives in it, and at most twice
``MAX_ENTRY_SIZE``.

- **JSON.** ``raw_decode`` takes one archive after the other out of the text, at the speed of C. Two other
  ways were tried. To find the last whole object and give the service's ``{...},{...}`` to one ``loads`` call
  was not faster (0.76 us an archive both ways). One regular expression for the service's own key order was
  slower (1.4 us). Both would also have needed this way, for documents that a tool has reformatted.
- **CSV.** The service's form is not RFC 4180: it writes a quote as ``\"`` but a backslash as itself, so
  reading from left to right does not find the end of a description that ends in a backslash. Every other
  field has a known form without commas, so a line is cut from both ends, and the rest is the description.

A reader does not decide from an error whether an entry is malformed or only incomplete: text that cannot be
decoded waits for more until it is larger than any entry can be, or the document ends. Waiting text is tried
again only when it has doubled, so blocks of one byte cost no more than twice the work.

The content is untrusted. Fields are checked before an ``Archive`` is made of them, and an invalid one raises
``InventoryError``.
"""

from __future__ import annotations

import codecs
import json
import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final, Literal, assert_never

from aioglacier.core.errors import InventoryError
from aioglacier.core.inventory.text import parse_utc, without_lone_surrogates
from aioglacier.core.limits import MIB, VAULT
from aioglacier.core.models import Archive, ArchiveId, InventoryFormat

if TYPE_CHECKING:
    from datetime import datetime

    from typing_extensions import Buffer

#: A longer entry counts as malformed. The longest that the service writes have about 1,400 characters, or
#: 6,400 if every one in the description were escaped; the rest is room for keys yet unknown.
MAX_ENTRY_SIZE: Final = MIB

_CSV_COLUMNS: Final = ["ArchiveId", "ArchiveDescription", "CreationDate", "Size", "SHA256TreeHash"]

#: Every state of the reader, and the state that each mark leads to. Two marks begin a value instead: ``"`` in
#: "first member" or "member" a member of the document, ``{`` in "first archive" or "archive" an archive.
_State = Literal[
    "start", "first member", "member", "after member", "first archive", "archive", "after archive", "end"
]
_MARKS: Final[dict[_State, dict[str, _State]]] = {
    "start": {"{": "first member"},
    "first member": {"}": "end"},
    "member": {},
    "after member": {",": "member", "}": "end"},
    "first archive": {"]": "after member"},
    "archive": {},
    "after archive": {",": "archive", "]": "after member"},
    "end": {},
}
_MEMBER_STATES: Final = frozenset[_State]({"first member", "member"})
_ARCHIVE_STATES: Final = frozenset[_State]({"first archive", "archive"})

_skip_space: Final = re.compile(r"[ \t\n\r]*").match
_is_id: Final = re.compile(r"[A-Za-z0-9_-]{1,255}").fullmatch
_match_vault_arn: Final = re.compile(r"arn:[A-Za-z0-9:_-]*:vaults/([A-Za-z0-9_.-]{1,255})").fullmatch
_raw_decode: Final = json.JSONDecoder().raw_decode


def open_inventory_reader(output_format: InventoryFormat, *, vault: str = "") -> InventoryReader:
    """Return a reader for a document of this format.

    Args:
        output_format: The format that the inventory job was initiated with.
        vault: The vault's name, for archives read before the document says it. CSV never does.
    """
    match output_format:
        case InventoryFormat.JSON:
            return JsonInventoryReader(vault=vault)
        case InventoryFormat.CSV:
            return CsvInventoryReader(vault=vault)
        case _:
            assert_never(output_format)


class _Unread:
    """The text of a document that has come and is not read yet."""

    def __init__(self) -> None:
        self.text = ""  # left over from the last try, and what came since
        self.offset = 0  # the byte of the document at which the text begins
        # "surrogateescape" keeps wrong UTF-8 in the description it is in, and byte offsets exact.
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._pieces: list[str] = []
        self._waiting = 0

    def add(self, block: bytes, *, is_last: bool = False) -> bool:
        """Take more bytes, and return whether there is enough text for a try."""
        piece = self._decoder.decode(block, final=is_last)
        self._pieces.append(piece)
        self._waiting += len(piece)
        if not is_last and self._waiting < max(1, 2 * len(self.text)):
            return False
        self.text = "".join(self._pieces)
        return True

    def drop(self, count: int) -> None:
        """Forget characters that were read."""
        self.offset = self.offset_of(count)
        self.text = self.text[count:]
        self._pieces = [self.text]
        self._waiting = len(self.text)

    def offset_of(self, at: int) -> int:
        """Return the byte of the document at which a character stands."""
        done = self.text[:at]
        return self.offset + (len(done) if done.isascii() else len(done.encode(errors="surrogateescape")))


class InventoryReader(ABC):
    """Reads one inventory, block by block. Not safe for two threads at once.

    Attributes:
        vault: The vault's name of each archive: as given, until the document's VaultARN names another.
        vault_arn: The document's VaultARN, ``None`` before it is read and in CSV.
        inventoried: The document's InventoryDate, ``None`` before it is read and in CSV.
    """

    def __init__(self, *, vault: str = "") -> None:
        self.vault = vault
        self.vault_arn: str | None = None
        self.inventoried: datetime | None = None
        self._unread = _Unread()
        self._is_closed = False

    def feed(self, block: Buffer) -> list[Archive]:
        """Take the next bytes of the document, any number, and return the archives now complete.

        Raises:
            InventoryError: The document is not an inventory. The archives of this block are lost with it;
                those returned before stand, and nothing more can be read.
        """
        if self._is_closed:
            raise InventoryError("the reader was closed before all of it was fed", offset=self._unread.offset)
        return self._advance(is_last=False) if self._unread.add(bytes(block)) else []

    def close(self) -> list[Archive]:
        """End the document, and return the archives that waited for more bytes.

        A second call returns nothing.

        Raises:
            InventoryError: The document is cut short. A CSV cut exactly behind a line looks like a whole
                one: compare its size with the job's ``inventory_size``.
        """
        if self._is_closed:
            return []
        self._unread.add(b"", is_last=True)
        archives = self._advance(is_last=True)
        self._is_closed = True
        return archives

    def _advance(self, *, is_last: bool) -> list[Archive]:
        archives, at = self._take(is_last=is_last)
        self._unread.drop(at)
        return archives

    @abstractmethod
    def _take(self, *, is_last: bool) -> tuple[list[Archive], int]:
        """Return the archives in the unread text, and the end of the last complete entry."""

    def _error(self, reason: str, at: int) -> InventoryError:
        return InventoryError(reason, offset=self._unread.offset_of(at))

    def _archive(
        self,
        at: int,
        archive_id: object,
        description: object,
        created: object,
        size: object,
        tree_hash: object,
    ) -> Archive:
        """Return the checked archive whose entry begins at ``at``."""
        if not (isinstance(archive_id, str) and _is_id(archive_id)):
            raise self._error(f"the ArchiveId {_show(archive_id)} is none", at)
        if description is None:
            description = ""
        elif not isinstance(description, str):
            raise self._error(f"the ArchiveDescription {_show(description)} is no text", at)
        # A bool is an int, but not a size.
        if type(size) is not int or not 0 <= size <= VAULT.max_archive_size:
            raise self._error(f"the Size {_show(size)} is none that an archive can have", at)
        return Archive(
            id=ArchiveId(archive_id),
            vault=self.vault,
            size=size,
            tree_hash=self._tree_hash(at, tree_hash),
            description=without_lone_surrogates(description),
            created=self._date(at, "CreationDate", created),
        )

    def _tree_hash(self, at: int, text: object) -> bytes:
        if isinstance(text, str) and len(text) == 64:
            try:
                tree_hash = bytes.fromhex(text)
            except ValueError:
                tree_hash = b""
            if len(tree_hash) == 32:  # fromhex skips spaces
                return tree_hash
        raise self._error(f"the SHA256TreeHash {_show(text)} is not 64 hex digits", at)

    def _date(self, at: int, field: str, text: object) -> datetime:
        date = parse_utc(text) if isinstance(text, str) else None
        if date is None:
            raise self._error(f"the {field} {_show(text)} is no date as 2017-08-22T17:24:07Z", at)
        return date


class JsonInventoryReader(InventoryReader):
    """Reads the JSON form: as the service writes it, and with any order of keys and any white space.

    Unknown keys are skipped, ``null`` counts as absent, and VaultARN names the vault.
    """

    def __init__(self, *, vault: str = "") -> None:
        super().__init__(vault=vault)
        self._state: _State = "start"
        self._has_list = False

    def _take(self, *, is_last: bool) -> tuple[list[Archive], int]:
        archives: list[Archive] = []
        text, at, state = self._unread.text, 0, self._state
        end = len(text)
        try:
            while True:
                space = _skip_space(text, at)
                at = space.end() if space else at
                if at == end:
                    break
                mark = text[at]
                if mark == "{" and state in _ARCHIVE_STATES:
                    entry, behind = _raw_decode(text, at)
                    archives.append(
                        self._archive(
                            at,
                            entry.get("ArchiveId"),
                            entry.get("ArchiveDescription"),
                            entry.get("CreationDate"),
                            entry.get("Size"),
                            entry.get("SHA256TreeHash"),
                        )
                    )
                    if behind - at > MAX_ENTRY_SIZE:
                        raise self._error("the archive is longer than any entry can be", at)
                    at, state = behind, "after archive"
                elif mark == '"' and state in _MEMBER_STATES:
                    at, state = self._take_member(at)
                elif mark in _MARKS[state]:
                    at, state = at + 1, _MARKS[state][mark]
                else:
                    raise self._error(f"{mark!r} cannot stand here ({state})", at)
        except json.JSONDecodeError as error:
            if is_last or end - at > MAX_ENTRY_SIZE:
                raise self._error(f"{error.msg} at character {error.pos - at} of this value", at) from error
        except (ValueError, RecursionError) as error:
            raise self._error(f"a value cannot be decoded ({error})", at) from error
        if is_last and state != "end":
            raise self._error(f"it is cut short ({state})", end)
        if is_last and not self._has_list:
            raise self._error("it is a document without an ArchiveList", end)
        self._state = state
        return archives, at

    def _take_member(self, at: int) -> tuple[int, _State]:
        """Read ``"key":value`` and move behind it, or into it if the value is the list of archives."""
        text = self._unread.text
        key, behind = _raw_decode(text, at)
        behind = self._find(":", behind) + 1
        value_at = self._find("", behind)
        self._has_list = self._has_list or key == "ArchiveList"
        if key == "ArchiveList" and text[value_at] == "[":
            return value_at + 1, "first archive"
        value, behind = _raw_decode(text, value_at)
        self._find("", behind)  # or a number might continue in the next block
        if behind - at > MAX_ENTRY_SIZE:
            raise self._error("the value is longer than any entry can be", at)
        if value is not None and key == "VaultARN":
            self.vault_arn, self.vault = self._vault_arn(value_at, value)
        elif value is not None and key == "InventoryDate":
            self.inventoried = self._date(value_at, "InventoryDate", value)
        elif key == "ArchiveList":  # null is no empty list: each archive on record would be missed
            raise self._error("the ArchiveList is no list", value_at)
        return behind, "after member"

    def _find(self, mark: str, at: int) -> int:
        """Return the position of the next character behind white space, ``mark`` if given."""
        text = self._unread.text
        space = _skip_space(text, at)
        at = space.end() if space else at
        if at == len(text):
            raise json.JSONDecodeError("Expecting more", text, at)
        if mark and text[at] != mark:
            raise self._error(f"{text[at]!r} stands in place of {mark!r}", at)
        return at

    def _vault_arn(self, at: int, arn: object) -> tuple[str, str]:
        match = _match_vault_arn(arn) if isinstance(arn, str) else None
        if match is None:
            raise self._error(f"the VaultARN {_show(arn)} names no vault", at)
        return match[0], match[1]


class CsvInventoryReader(InventoryReader):
    """Reads the CSV form as the service writes it, and as RFC 4180 has it.

    The document does not name its vault, so archives get the name that was given.
    """

    def __init__(self, *, vault: str = "") -> None:
        super().__init__(vault=vault)
        self._has_header = False

    def _take(self, *, is_last: bool) -> tuple[list[Archive], int]:
        archives: list[Archive] = []
        at = 0
        lines = self._unread.text.split("\n")
        last = lines.pop()
        for line in lines:
            self._take_line(at, line.removesuffix("\r"), archives)
            at += len(line) + 1
        if is_last:
            self._take_line(at, last.removesuffix("\r"), archives)
            at += len(last)
            if not self._has_header:
                raise self._error("it is cut short before its first line", at)
        elif len(last) > MAX_ENTRY_SIZE:
            raise self._error("the line is longer than any entry can be", at)
        return archives, at

    def _take_line(self, at: int, line: str, archives: list[Archive]) -> None:
        if not line:
            return
        if len(line) > MAX_ENTRY_SIZE:
            raise self._error("the line is longer than any entry can be", at)
        if not self._has_header:
            if [_unquoted(column) for column in line.split(",")] != _CSV_COLUMNS:
                raise self._error(f"the first line is not {','.join(_CSV_COLUMNS)}", at)
            self._has_header = True
            return
        archive_id, _, rest = line.partition(",")
        fields = rest.rsplit(",", 3)
        if len(fields) != 4:
            raise self._error("the line has fewer than 5 fields", at)
        if '"' in line:
            archive_id = _unquoted(archive_id)
            fields = [_unquoted(field) for field in fields]
        description, created, size, tree_hash = fields
        is_number = len(size) < 20 and size.isascii() and size.isdigit()
        archives.append(
            self._archive(at, archive_id, description, created, int(size) if is_number else size, tree_hash)
        )


def _unquoted(field: str) -> str:
    if len(field) > 1 and field[0] == field[-1] == '"':
        inside = field[1:-1]
        # The service writes a quote as \", RFC 4180 as "": none is both, since each of a service's has a
        # backslash of its own.
        is_doubled = '"' not in inside.replace('""', "") and '""' in inside
        return inside.replace('""', '"') if is_doubled else inside.replace('\\"', '"')
    return field


def _show(value: object) -> str:
    shown = ascii(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."
