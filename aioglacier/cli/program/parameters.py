"""The types of options and arguments, and how each is read from text."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from aioglacier.cli.render.sizes import parse_rate, parse_size
from aioglacier.core.checks import check_vault_name
from aioglacier.core.errors import InvalidRangeError
from aioglacier.core.limits import MIB
from aioglacier.core.planning import check_part_size
from aioglacier.core.ranges import ByteRange
from aioglacier.core.rate_schedule import LEAST_RATE, RateSchedule
from aioglacier.tasks.shard import Shard

F = TypeVar("F", bound="Callable[..., Any]")

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    _OfText = click.ParamType[str]
    _OfInt = click.ParamType[int]
    _OfRange = click.ParamType[ByteRange]
    _OfTime = click.ParamType[datetime]
    _OfShard = click.ParamType[Shard]
    _OfRate = click.ParamType[int | RateSchedule]
    _OfChoice = click.Choice[str]
else:
    # Generic since click 8.4 only.
    _OfText = _OfInt = _OfRange = _OfTime = _OfShard = _OfRate = click.ParamType
    _OfChoice = click.Choice


#: What Dask takes: a port is needed, a protocol is not.
_ADDRESS: Final = re.compile(r"(\w+://)?[^/]+:\d+")

#: The commands for buckets in place of those that take vaults alone.
_OF_BUCKETS: Final = {
    "inventory": "; S3 lists the objects at once: 'aioglacier list s3://BUCKET'",
    "output": "; 'aioglacier download s3://BUCKET KEY' fetches a restored object",
}


class _VaultName(_OfText):
    name = "vault"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value.startswith("s3://"):  # it is no mistake in a name
            hint = _OF_BUCKETS.get(ctx.info_name or "", "") if ctx is not None else ""
            self.fail(
                f"{value} is a bucket, but {param.name if param else 'this'} is the name of a vault{hint}"
            )
        return check_vault_name(value) if value else ""  # an empty word is refused with all others


class _PlaceName(_VaultName):
    name = "place"

    def __init__(self, *, is_folder: bool = False) -> None:
        self._is_folder = is_folder

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if ":" not in value and "/" not in value:  # the names of buckets load more
            return super().convert(value, param, ctx)
        from aioglacier.core.place import parse_place  # noqa: PLC0415

        place = parse_place(value)
        return str(place.as_folder() if self._is_folder else place)


class _BucketPlaceName(_PlaceName):
    name = "bucket place"

    def __init__(self) -> None:
        super().__init__(is_folder=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value and not value.startswith("s3://"):
            self.fail(f"{value!r} is not s3://BUCKET/PREFIX")
        return super().convert(value, param, ctx)


class _BucketName(_OfText):
    name = "bucket"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        del param, ctx
        from aioglacier.core.s3.object_checks import check_bucket_name  # noqa: PLC0415  # loads more

        bare: str = value.removeprefix("s3://").removesuffix("/")  # which people write around it
        return check_bucket_name(bare) if value else ""  # an empty word is refused with all others


class _Url(_OfText):
    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value and not value.startswith(("http://", "https://", "local:")):
            self.fail(f"{value!r} is not a URL; it must begin with https:// (or http://)", param, ctx)
        return str(value)


class _Scheduler(_OfText):
    name = "scheduler"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value and not _ADDRESS.fullmatch(value):
            self.fail(f"{value!r} is not an address such as tcp://HOST:PORT", param, ctx)
        return str(value)


class _Size(_OfInt):
    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            size = parse_size(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        self.check(size, value, param, ctx)
        return size

    def check(self, size: int, value: str, param: click.Parameter | None, ctx: click.Context | None) -> None:
        """Refuse a size that cannot be."""
        if size < 0:
            self.fail(f"{value!r} is negative", param, ctx)


class _Memory(_Size):
    def check(self, size: int, value: str, param: click.Parameter | None, ctx: click.Context | None) -> None:
        """See ``_Size.check``."""
        if size < MIB:
            self.fail(f"{value!r} is less than 1MiB, the smallest part", param, ctx)


class _Rate(_OfRate):
    name = "rate"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | RateSchedule:
        if isinstance(value, int | RateSchedule):
            return value
        try:
            rate = parse_rate(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        least = rate.least if isinstance(rate, RateSchedule) else rate
        if least is not None and least < LEAST_RATE:
            self.fail(f"{value!r} is less than {LEAST_RATE:,} bytes a second", param, ctx)
        return rate


class _PartSize(_Size):
    def check(self, size: int, value: str, param: click.Parameter | None, ctx: click.Context | None) -> None:
        del value, param, ctx
        check_part_size(size)


class _Range(_OfRange):
    name = "start-end"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> ByteRange:
        del param, ctx
        if isinstance(value, ByteRange):
            return value
        try:
            return ByteRange.parse(value)
        except ValueError as error:
            raise InvalidRangeError(
                f"{value!r} is not a byte range: START-END, both included, as 0-1048575", byte_range=None
            ) from error


class _Shard(_OfShard):
    name = "i/n"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Shard:
        del param, ctx
        return value if isinstance(value, Shard) else Shard.parse(value)


class _Time(_OfTime):
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            time = datetime.fromisoformat(value)
            return (time if time.tzinfo is not None else time.astimezone()).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not a time, such as 2026-11-25 or 2026-11-25T13:00:00Z", param, ctx)


class Words(_OfChoice):
    """One of several words; its messages are one line each."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """See ``click.Choice.get_invalid_choice_message``."""
        del ctx
        return f"{value!r} is not one of {', '.join(self.choices)}"

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str:
        """See ``click.Choice.get_missing_message``, which takes a line for each choice."""
        del param, ctx
        return f"Choose one of {', '.join(self.choices)}"


class AnyCase(Words):
    """Words in any case; messages have them as AWS writes them."""

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__(words, case_sensitive=False)


class _Whole(click.IntRange):
    name = "whole number"


class _Number(click.FloatRange):
    name = "number"


class _Amount(_Number):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        amount = float(super().convert(value, param, ctx))
        if math.isnan(amount):
            self.fail(f"{value!r} is not an amount of money", param, ctx)
        return amount


def flag(name: str, text: str, to: str | None = None) -> Callable[[F], F]:
    """Return an option that is given or not; ``to`` is its Python name where that differs."""
    return click.option(name, *([to] if to is not None else []), is_flag=True, help=text)


#: Lists are tables; with this each record is printed whole.
LONG: Final = flag("--long", "Print all that is known of each one, its id too.", "is_long")

#: The vault that a command is about, one that may be left out, and the same for the commands about vaults.
VAULT: Final = click.argument("vault", type=_VaultName())
ANY_VAULT: Final = click.argument("vault", type=_VaultName(), required=False)
NAME: Final = click.argument("name", type=_VaultName())

#: A vault, or s3://BUCKET[/PREFIX]; and the same with the prefix as a folder of keys.
PLACE_NAME: Final = _PlaceName()
FOLDER_PLACE_NAME: Final = _PlaceName(is_folder=True)
PLACE: Final = click.argument("place", type=FOLDER_PLACE_NAME)

#: s3://BUCKET[/PREFIX] with the prefix as a folder of keys; and a bucket's name alone.
BUCKET_PLACE_NAME: Final = _BucketPlaceName()
BUCKET: Final = click.argument("name", metavar="BUCKET", type=_BucketName())

#: The storage classes of S3 (``core.s3.objects`` has them, and loads more than help needs).
_CLASSES: Final = (
    "STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE",
)  # fmt: skip
CLASS_NAME: Final = AnyCase(_CLASSES)
STORAGE_CLASS: Final = click.option(
    "--storage-class",
    type=CLASS_NAME,
    metavar="CLASS",
    help="In a bucket: GLACIER_IR, GLACIER, DEEP_ARCHIVE or another. There is no default.",
)

#: A share of the work of a command that several processes divide among themselves.
SHARD: Final = click.option(
    "--shard",
    type=_Shard(),
    metavar="I/N",
    help="Do share I of N; others do the other shares, and all of them share a catalog in PostgreSQL.",
)

#: An endpoint, and the address of a Dask scheduler.
URL: Final = _Url()
SCHEDULER: Final = _Scheduler()

#: Bytes, at least 0.
SIZE: Final = _Size()

#: Bytes of memory for parts.
MEMORY: Final = _Memory()

#: Bytes a second, maybe by the time of day.
RATE: Final = _Rate()

#: Bytes of a part; the error for another size names the nearest valid ones.
PART_SIZE: Final = _PartSize()

#: Bytes as headers have them: START-END, both included.
RANGE: Final = _Range()

#: A date, or a date and a time; without a zone, in this machine's.
TIME: Final = _Time()

#: Seconds, at least 0.
SECONDS: Final = _Number(min=0)

#: A number of things that work at once or are taken, and a port.
COUNT: Final = _Whole(min=0)
AT_ONCE: Final = _Whole(min=1)
#: An age that a date can have.
DAYS: Final = _Whole(0, 100_000)
PORT: Final = _Whole(0, 65535)

#: Money, in the currency of the price list.
AMOUNT: Final = _Amount(min=0)
