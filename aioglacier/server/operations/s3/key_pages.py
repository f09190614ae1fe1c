"""Pages of keys in order: prefixes, delimiters, and the place where the next page begins."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from aioglacier.server.protocol.s3_refusals import bad_argument

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable

    from aioglacier.server.requests.s3_call import S3Call

#: Behind every key that begins with the text before it.
_LAST: Final = "\U0010ffff"


@dataclass(slots=True)
class KeyPage:
    """One page.

    Attributes:
        last: The last key or common prefix of the page.
    """

    rows: list[sqlite3.Row] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    is_truncated: bool = False
    last: str = ""

    def __len__(self) -> int:
        return len(self.rows) + len(self.prefixes)


@dataclass(frozen=True, slots=True)
class KeyQuery:
    """The part of a list's query that chooses keys."""

    prefix: str
    delimiter: str
    limit: int
    is_encoded: bool

    @classmethod
    def of(cls, call: S3Call, limit_name: str, largest: int) -> KeyQuery:
        """Return the query of a request.

        Raises:
            S3RefusalError: A value is wrong.
        """
        encoding = call.query.get("encoding-type", "")
        if encoding not in {"", "url"}:
            raise bad_argument("encoding-type", encoding, "Invalid Encoding Method specified in Request")
        limit = call.faults.page_limit(call.number(limit_name, largest, largest=largest))
        return cls(call.query.get("prefix", ""), call.query.get("delimiter", ""), limit, encoding == "url")

    def text(self, key: str | None) -> str | None:
        """Return a key as the answer shows it; an empty one is left out."""
        return quote(key, safe="/") if key and self.is_encoded else key or None

    def common_prefixes(self, page: KeyPage) -> list[dict[str, Any]]:
        """Return the elements of the common prefixes."""
        return [{"Prefix": self.text(prefix)} for prefix in page.prefixes]

    def collect(self, rows_after: Callable[[str], Iterable[sqlite3.Row]], after: str) -> KeyPage:
        """Return the page behind a key; ``rows_after`` gives rows in order of keys."""
        page = KeyPage()
        if self.limit == 0:
            return page
        if self.delimiter and after.startswith(self.prefix) and after.endswith(self.delimiter):
            after += _LAST  # a common prefix ended the page before
        while True:
            common = self._collect_until_common(page, rows_after(after))
            if common is None:
                return page
            page.prefixes.append(common)
            page.last = common
            after = common + _LAST

    def _collect_until_common(self, page: KeyPage, rows: Iterable[sqlite3.Row]) -> str | None:
        """Add rows up to a key with a new common prefix, and return that prefix; ``None`` at the end."""
        for row in rows:
            key: str = row["key"]
            if not key.startswith(self.prefix):
                return None
            if len(page) == self.limit:
                page.is_truncated = True
                return None
            end = key.find(self.delimiter, len(self.prefix)) if self.delimiter else -1
            if end >= 0:
                return key[: end + len(self.delimiter)]
            page.rows.append(row)
            page.last = key
        return None


def keys_from(after: str, prefix: str) -> tuple[str, str]:
    """Return the operator and the key at which a search begins that looks for a prefix behind a key."""
    return (">", after) if after >= prefix else (">=", prefix)


def token_for(key: str) -> str:
    """Return an opaque token for a place in a list."""
    return base64.urlsafe_b64encode(key.encode()).decode()


def parse_token(token: str) -> str:
    """Return the place of a token.

    Raises:
        S3RefusalError: It is not a token of this server.
    """
    try:
        return base64.urlsafe_b64decode(token).decode()
    except (binascii.Error, ValueError):
        raise bad_argument(
            "continuation-token", token, "The continuation token provided is incorrect"
        ) from None
