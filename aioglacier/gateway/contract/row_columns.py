"""The columns that rows of every table share: writers of arguments, readers of answers without a document."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from aioglacier.core.errors import InvalidPlanError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aioglacier.gateway.contract.operation import Arguments, Writer
    from aioglacier.gateway.contract.protocols import Answer

T = TypeVar("T")


def argument(name: str, write: Callable[[Any], Any] = str) -> Writer:
    """Return the writer of one argument, which leaves out ``None``."""

    def write_argument(arguments: Arguments) -> Any:
        value = arguments.get(name)
        return None if value is None else write(value)

    return write_argument


def text(name: str) -> Writer:
    """Return the writer of an argument that must be a string."""

    def write(value: object) -> str:
        if not isinstance(value, str):
            raise InvalidPlanError(f"{name} must be a str, not {value!r}")
        return str(value)

    return argument(name, write)


def fixed(value: str) -> Writer:
    """Return the writer of a value that is always the same."""
    return lambda _: value


def written(writers: Mapping[str, Writer], arguments: Arguments) -> dict[str, Any]:
    """Return what the writers write, without what is left out."""
    values = {name: write(arguments) for name, write in writers.items()}
    return {name: value for name, value in values.items() if value is not None}


def nothing(answer: Answer, arguments: Arguments) -> None:
    """Return ``None``, because the answer has no content."""


def header(name: str, kind: Callable[[str], T]) -> Callable[[Answer, Arguments], T]:
    """Return a reader of one header that must be there."""

    def read(answer: Answer, _: Arguments) -> T:
        value = answer.headers[name]
        if not value:
            raise ValueError(f"{name} is empty")
        return kind(value)

    return read


def read_date(text: str) -> datetime:
    """Read a date with or without milliseconds, ``Z`` or an offset; without an offset it is UTC."""
    date = datetime.fromisoformat(text)
    return date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)


def write_date(date: datetime) -> str:
    """Write a date as the service reads it, to the second."""
    return date.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
