"""What options and arguments may be, read from text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from aioglacier.cli.render.sizes import parse_size
from aioglacier.core.errors import InvalidRangeError
from aioglacier.core.planning import check_part_size
from aioglacier.core.ranges import ByteRange

if TYPE_CHECKING:
    _OfInt = click.ParamType[int]
    _OfRange = click.ParamType[ByteRange]
else:
    _OfInt = _OfRange = click.ParamType  # generic since click 8.4 only


class _Size(_OfInt):
    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            size = parse_size(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if size < 0:
            self.fail(f"{value!r} is less than nothing", param, ctx)
        return size


class _PartSize(_OfInt):
    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            size = parse_size(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        check_part_size(size)
        return size


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
                f"{value!r} is no byte range: START-END, both included, as 0-1048575", byte_range=None
            ) from error


#: Bytes, at least 0.
SIZE: Final = _Size()

#: Bytes of a part; another error than usage says which sizes are nearest.
PART_SIZE: Final = _PartSize()

#: Bytes as headers have them: START-END, both included.
RANGE: Final = _Range()
