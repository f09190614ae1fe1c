"""The same columns as SQLAlchemy has them; ``columns.py`` says what is kept in them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Generic, TypeVar

from sqlalchemy import BigInteger, String, Text
from sqlalchemy.types import TypeDecorator

from aioglacier.catalog.records import SourceIdentity
from aioglacier.catalog.storage.columns import (
    count_microseconds,
    describe_identity,
    escape,
    escape_path,
    identity_of,
    instant_of,
    optional,
    unescape,
    unescape_path,
)

if TYPE_CHECKING:
    from enum import StrEnum

    from sqlalchemy.engine import Dialect

E = TypeVar("E", bound="StrEnum")


class FreeText(TypeDecorator[str]):
    """Any text at all."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Escape."""
        del dialect
        return optional(escape, value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Undo it."""
        del dialect
        return optional(unescape, value)


class PathText(TypeDecorator[str]):
    """A path, kept as UTF-8 whatever the encoding that the program runs with."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Escape."""
        del dialect
        return optional(escape_path, value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Undo it."""
        del dialect
        return optional(unescape_path, value)


class Instant(TypeDecorator[datetime]):
    """An aware datetime."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Count the microseconds."""
        del dialect
        return optional(count_microseconds, value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Count them back."""
        del dialect
        return optional(instant_of, value)


class Hash(TypeDecorator[bytes]):
    """The 32 bytes of a SHA-256."""

    impl = String(64)
    cache_ok = True

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> str | None:
        """Write it in hex."""
        del dialect
        return optional(bytes.hex, value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> bytes | None:
        """Read it."""
        del dialect
        return optional(bytes.fromhex, value)


class Identity(TypeDecorator[SourceIdentity]):
    """What ``os.stat`` said of a file."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: SourceIdentity | None, dialect: Dialect) -> str | None:
        """Write five numbers."""
        del dialect
        return optional(describe_identity, value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> SourceIdentity | None:
        """Read them."""
        del dialect
        return optional(identity_of, value)


class Choice(TypeDecorator[E], Generic[E]):
    """One of a closed set, by its value."""

    impl = Text
    cache_ok = True

    def __init__(self, choices: type[E]) -> None:
        super().__init__()
        self.choices = choices

    def process_bind_param(self, value: E | None, dialect: Dialect) -> str | None:
        """Write its value."""
        del dialect
        return None if value is None else value.value

    def process_result_value(self, value: str | None, dialect: Dialect) -> E | None:
        """Find it again."""
        del dialect
        return optional(self.choices, value)
