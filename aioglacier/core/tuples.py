"""``NamedTuple`` as in ``typing``, without loading ``typing``.

Hash workers start quickly because they load few modules: ``typing`` and its imports take 10 ms of CPU, as
long as the start of an interpreter. The modules of a worker import ``typing`` for type checkers only, and
this class from here.
"""

from __future__ import annotations

from collections import namedtuple

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any, NamedTuple
else:

    class _Declared(type):
        """Creates a class from the fields and methods that a class statement declares, as ``typing`` does."""

        def __new__(cls, name: str, bases: tuple[type, ...], space: dict[str, Any]) -> type:
            del bases
            fields = space["__annotations__"]
            defaults = [space[field] for field in fields if field in space]
            made = namedtuple(name, fields, defaults=defaults, module=space["__module__"])  # noqa: PYI024
            for key, value in space.items():
                if key not in fields and key != "__module__":
                    setattr(made, key, value)
            return made

    NamedTuple = type.__new__(_Declared, "NamedTuple", (), {})

__all__ = ["NamedTuple"]
