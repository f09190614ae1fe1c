"""Functions of the C library that Python has no name for, looked for and not assumed.

musl and older versions of glibc lack some of them; the caller needs another way for those.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@cache
def find_function(name: str) -> Callable[..., int] | None:
    """Return a function that returns 0 or the error number; ``None`` if the C library lacks it.

    Integers are passed as ``int``; wrap a 64-bit offset in ``ctypes.c_int64``.
    """
    if sys.platform != "linux":
        return None
    import ctypes  # noqa: PLC0415  # 10 ms, for few commands

    function = getattr(ctypes.CDLL(None, use_errno=True), name, None)
    if function is None:
        return None

    def call(*arguments: object) -> int:
        return 0 if function(*arguments) == 0 else ctypes.get_errno()

    return call
