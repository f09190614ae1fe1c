"""``NamedTuple`` as in ``typing``, without loading that.

Hash workers live from the modules that they do not load: to load ``typing``, with all that it is made of,
takes as long as to start an interpreter, 10 ms of CPU, for each of them. What they load takes its names for
annotations from there for type checkers only, and this class from here.
"""

from __future__ import annotations

from collections import namedtuple

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any, NamedTuple
else:

    class _Declared(type):
        """Makes a class of the fields and methods that a class statement declares, as ``typing`` does."""

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
