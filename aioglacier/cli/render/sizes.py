"""Sizes and times as people write and read them."""

from __future__ import annotations

import re
from datetime import UTC
from typing import TYPE_CHECKING, Final

from aioglacier.core.rate_schedule import RateSchedule, RateWindow

if TYPE_CHECKING:
    from datetime import datetime

_SIZE: Final = re.compile(r"(-?[0-9]+) ?([A-Za-z]*)")
_HOURS: Final = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)-([01]?\d|2[0-4]):([0-5]\d)=(.+)")
_UNITS: Final = {
    "": 1,
    "b": 1,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
    "tib": 1 << 40,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
}
_NAMES: Final = ("KiB", "MiB", "GiB", "TiB")


def parse_size(text: str) -> int:
    """Return bytes from ``64MiB``, ``4GiB`` or plain bytes; ``MB`` and the like are powers of ten.

    Negative numbers are read, too: the use of a size decides whether they are valid.
    """
    match = _SIZE.fullmatch(text.strip())
    unit = _UNITS.get(match[2].lower()) if match else None
    if match is None or unit is None:
        hint = "; M may be MiB or MB, say which" if match and match[2].upper() in {"K", "M", "G", "T"} else ""
        raise ValueError(f"{text!r} is not a size such as 64MiB, 4GiB or 1048576{hint}")
    return int(match[1]) * unit


def parse_rate(text: str) -> int | RateSchedule:
    """Return bytes a second from ``2MB/s``, or a schedule from ``08:00-18:00=2MB/s,20MB/s``.

    The rate without hours counts outside of the hours that are named; ``off`` is no limit.
    """
    *windows, last = text.split(",")
    if "=" in last:  # hours only
        windows, last = [*windows, last], "off"
    otherwise = _parse_one_rate(last)
    if not windows:
        if otherwise is None:
            raise ValueError("'off' limits nothing")
        return otherwise
    parsed = []
    for window in windows:
        match = _HOURS.fullmatch(window.strip())
        if match is None:
            raise ValueError(f"{window!r} is not a rate by the time of day, such as 08:00-18:00=2MB/s")
        start, stop = (60 * int(match[at]) + int(match[at + 1]) for at in (1, 3))
        parsed.append(RateWindow(start, stop, _parse_one_rate(match[5])))
    return RateSchedule(tuple(parsed), otherwise)


def _parse_one_rate(text: str) -> int | None:
    text = text.strip()
    try:
        return None if text == "off" else parse_size(text.removesuffix("/s"))
    except ValueError as error:
        raise ValueError(f"{text!r} is not a rate such as 5MB/s or 500KiB/s") from error


def show_size(size: int) -> str:
    """Return the size in the largest unit that leaves at least 1, with up to three digits: ``1.50 GiB``."""
    if size < 1024:
        return f"{size} bytes" if size != 1 else "1 byte"
    value, names = size / 1024, list(reversed(_NAMES))
    while value >= 999.5 and len(names) > 1:  # which three digits would show as 1000
        value /= 1024
        names.pop()
    name = names[-1]
    if value == int(value):
        return f"{int(value)} {name}"
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f} {name}"


def show_short_size(size: int) -> str:
    """Return the size in at most eight characters, for a column of a table."""
    return show_size(size) if size >= 1024 else f"{size} B"


def show_exact_size(size: int) -> str:
    """Return the size in a unit, and also in bytes where that says more."""
    return show_size(size) if size < 1024 else f"{show_size(size)} ({size:,} bytes)"


def show_count(count: int, what: str) -> str:
    """Return the number with its noun: ``1 archive``, ``1,024 archives``."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def show_rate(size: int, seconds: float) -> str:
    """Return bytes in a time as MB/s, a million bytes a second."""
    rate = size / 1e6 / max(seconds, 1e-9)  # within one tick of the clock no time has passed
    return f"{rate:,.0f} MB/s" if rate >= 9.95 else f"{rate:.1f} MB/s"


def show_seconds(seconds: float) -> str:
    """Return a time of work or waiting: ``0.41 s``, ``12.0 s``, ``3:07 min``, ``4:05 h``."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    return show_left(seconds)


def show_left(seconds: float) -> str:
    """Return a remaining time, without fractions: ``4 s``, ``3:07 min``, ``4:05 h``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02} h"


def show_time(time: datetime) -> str:
    """Return a time to the minute, as "2026-11-22 12:00 UTC"."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
