"""Checks of names, ids, descriptions and ranges that refuse early what the service would refuse."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeVar

from aioglacier.core.errors import (
    DescriptionError,
    InvalidIdError,
    InvalidPlanError,
    InvalidRangeError,
    VaultNameError,
)
from aioglacier.core.limits import LEAF_SIZE, VAULT
from aioglacier.core.ranges import ByteRange, is_megabyte_aligned

if TYPE_CHECKING:
    from datetime import datetime

_VAULT_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,255}")
Choice = TypeVar("Choice", bound=StrEnum)

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")


def check_vault_name(name: str) -> str:
    """Return the name, or refuse it.

    "." and ".." fit the service's pattern but cannot work: they fold out of every URL path.

    Raises:
        VaultNameError: It is empty, too long, holds another character, or is "." or "..".
    """
    if _matches(_VAULT_NAME, name) and name not in {".", ".."}:
        return name
    raise VaultNameError(
        f"{name!r} is not a vault name: 1 to {VAULT.max_vault_name_length} characters of a-z, A-Z, 0-9, '_', "
        "'-' and '.', and neither '.' nor '..'",
        name=name,
    )


def check_id(kind: str, value: str) -> str:
    """Return an archive, upload, job or lock id, or refuse it before it becomes part of a URL.

    Only the alphabet of ids is known, so only that is checked. An id may begin with "-".

    Raises:
        InvalidIdError: It is empty, longer than 255 or holds another character.
    """
    if _matches(_ID, value):
        return value
    raise InvalidIdError(
        f"{value!r} is not a valid {kind} id: 1 to 255 characters of a-z, A-Z, 0-9, '_' and '-'",
        kind=kind,
        value=value,
    )


def check_description(description: str | None) -> str | None:
    """Return the description, ``None`` for an empty one, or refuse it.

    Raises:
        DescriptionError: Longer than 1,024, or with a character outside 0x20 to 0x7E.
    """
    if not description:
        return None
    if not isinstance(description, str):
        raise DescriptionError(f"a description is a str, not {description!r}", description=repr(description))
    if len(description) > VAULT.max_description_length:
        raise DescriptionError(
            f"a description has at most {VAULT.max_description_length} characters, not {len(description)}; "
            "shorten it",
            description=description,
        )
    for position, character in enumerate(description):
        if not " " <= character <= "~":  # a tab is refused as well
            raise DescriptionError(
                f"a description is printable ASCII (0x20 to 0x7E), but character {position + 1} is "
                f"{character!r}; encode it, for example as base64 or percent escapes",
                description=description,
            )
    return description


def _matches(pattern: re.Pattern[str], text: object) -> bool:
    return isinstance(text, str) and pattern.fullmatch(text) is not None


def is_text(value: object) -> bool:
    """Return whether a value is a string, although its type says so."""
    return isinstance(value, str)


def check_choice(what: str, kind: type[Choice], value: str) -> Choice:
    """Return one of a closed set of words, in either case; ``what`` names the set in a refusal.

    Raises:
        InvalidPlanError: The word is not in the set.
    """
    for member in kind:
        if member.lower() == str(value).lower():
            return member
    allowed = ", ".join(repr(str(member)) for member in kind)
    raise InvalidPlanError(f"{value!r} is not a {what}: choose one of {allowed}")


def check_retrieval_range(
    byte_range: ByteRange | tuple[int, int] | None, size: int | None = None
) -> ByteRange | None:
    """Return the range of an archive to retrieve, or refuse one that is not megabyte-aligned.

    Without the archive's ``size`` the end is left to the service, which allows an unaligned one only at the
    very end of the archive.

    Raises:
        InvalidRangeError: Not a range, or its start or end is not a multiple of 1 MiB.
    """
    if byte_range is None:
        return None
    try:
        range_ = byte_range if isinstance(byte_range, ByteRange) else ByteRange(*byte_range)
    except (TypeError, ValueError) as error:
        raise InvalidRangeError(f"{byte_range!r} is not a byte range: {error}", byte_range=None) from error
    # The end may be that of the archive.
    aligned = range_.start % LEAF_SIZE == 0 if size is None else is_megabyte_aligned(range_, size)
    if aligned:
        return range_
    if size is not None and range_.start >= size:
        raise InvalidRangeError(
            f"bytes {range_} cannot be retrieved: the archive ends at {size}", byte_range=range_
        )
    below, above = range_.start // LEAF_SIZE * LEAF_SIZE, -(-range_.stop // LEAF_SIZE) * LEAF_SIZE
    if size is not None:
        above = min(above, size)
    raise InvalidRangeError(
        f"bytes {range_} cannot be retrieved: a range begins at a multiple of 1 MiB and ends at one or at "
        f"the archive's end; retrieve {below}-{above - 1} instead",
        byte_range=range_,
    )


def check_aware(name: str, date: datetime | None) -> datetime | None:
    """Return an instant, or refuse it if it has no time zone; ``name`` is that of the argument.

    Raises:
        InvalidPlanError: It has no time zone.
    """
    if date is not None and date.tzinfo is None:  # taken for UTC it would be hours off, and not be noticed
        raise InvalidPlanError(f"{name} needs a time zone, as datetime.now(UTC) has; {date} has none")
    return date
