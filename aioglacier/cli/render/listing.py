"""Lists of records, also as CSV (RFC 4180); they end early when the reader of the output goes away."""

from __future__ import annotations

import csv
import io
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aioglacier.cli.render.sizes import show_count, show_size

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from aioglacier.cli.render.console import Output, Record

T = TypeVar("T")

#: A cell that begins so is a formula to a spreadsheet (OWASP, "CSV Injection"). The apostrophe is here, too,
#: so that the one in front can be distinguished from one that was there.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "'")


@dataclass(frozen=True, slots=True)
class ListOptions:
    """The options of ``list``; ``vault`` is the place."""

    vault: str
    is_long: bool
    sort: str | None
    reverse: bool
    match: str | None
    after: datetime | None
    before: datetime | None
    larger: int | None
    limit: int | None


@asynccontextmanager
async def closing(items: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """Close a list when the block ends, read to its end or not."""
    try:
        yield items
    finally:
        close = getattr(items, "aclose", None)
        if close is not None:
            await close()


async def in_order(
    items: AsyncIterator[T], options: ListOptions, key: Callable[[T], Any] | None
) -> AsyncIterator[T]:
    """Yield the items that were asked for, by ``key`` or in their own order.

    Only in their own order, forwards, none of them is kept in memory.
    """
    async with closing(items):
        if key is None and not options.reverse:
            left = options.limit or -1  # never 0, so without a limit all come
            async for item in items:
                yield item
                left -= 1
                if not left:
                    break
            return
        found = [item async for item in items]
    if key is not None:
        found.sort(key=key)
    for item in islice(reversed(found) if options.reverse else found, options.limit):
        yield item


async def in_batches(items: AsyncIterator[T], size: int) -> AsyncIterator[list[T]]:
    """Yield the items in lists of up to ``size``."""
    batch: list[T] = []
    async with closing(items):
        async for item in items:
            batch.append(item)
            if len(batch) == size:
                yield batch
                batch = []
    if batch:
        yield batch


async def print_all(
    output: Output,
    items: AsyncIterator[T],
    record_of: Callable[[T], Record],
    text_of: Callable[[Mapping[str, Any]], str],
    *,
    columns: Sequence[str] = (),
    size: str = "size",
) -> tuple[int, int]:
    """Print a record of each item, as CSV if there are columns; return their number and total ``size``."""
    count = total = 0
    if columns:
        output.write(csv_line(columns), is_last=False)
    async with closing(items):
        async for item in items:
            record = record_of(item)
            if columns:
                output.write(csv_row(record, columns), is_last=False)
            else:
                output.record(record, text_of, is_last=False)
            if output.is_closed:  # the reader of standard output left
                break
            count, total = count + 1, total + (record.get(size) or 0)
    output.flush()
    return count, total


def show_total(count: int, noun: str, size: int, *, is_long: bool) -> str:
    """Return the line below a table: "2 jobs, 3 MiB", and how to see the ids, which need more room."""
    return f"{show_count(count, noun)}, {show_size(size)}{'' if is_long else '; --long shows each id'}"


def csv_row(record: Record, columns: Sequence[str]) -> str:
    """Return a record as a line of CSV; free text does not become a formula."""
    texts = {name: harmless(record[name]) for name in ("description", "source") if record.get(name)}
    return csv_line([{**record, **texts}[column] for column in columns])


def harmless(text: str) -> str:
    """Return the text, with an apostrophe in front if a spreadsheet would take it for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def csv_line(cells: Iterable[object]) -> str:
    """Return one line, with its end."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue()
