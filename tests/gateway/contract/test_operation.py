"""Rows of a table: a method's arguments by name, and the row at the method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from aioglacier.gateway.contract.operation import REPEATABLE, Operation, Performer

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from aioglacier.gateway.contract.operation import Arguments
    from aioglacier.gateway.contract.protocols import Answer, Output, RawRequest

T = TypeVar("T")


def size_of(answer: bytes, arguments: Arguments) -> int:
    """Return the size of an answer and of the argument ``more``."""
    return len(answer) + int(arguments.get("more", 0))


class Table(Performer):
    """A table of one operation, which answers with its arguments."""

    def __init__(self) -> None:
        self.performed: list[tuple[str, dict[str, Any]]] = []

    async def perform(self, operation: Operation[Any], arguments: Arguments) -> Any:
        """Note the call, and read an answer of three bytes."""
        self.performed.append((operation.name, dict(arguments)))
        return operation.reads(b"abc", arguments)

    def open_output(
        self, operation: Operation[T], arguments: Arguments
    ) -> AbstractAsyncContextManager[Output[T]]:
        """Refuse."""
        raise NotImplementedError

    async def request(self, raw: RawRequest) -> Answer:
        """Refuse."""
        raise NotImplementedError

    @Operation("Count", "GET things/{thing}", size_of)
    async def count(self, thing: str, kind: str = "", *, more: int = 0) -> int:
        """Count."""
        raise NotImplementedError


async def test_a_method_hands_its_arguments_over_by_name() -> None:
    """Arguments by position and by keyword arrive by name; absent ones are absent."""
    table = Table()
    assert await table.count("a", "b", more=4) == 7
    assert await table.count(thing="a") == 3
    assert table.performed == [("Count", {"thing": "a", "kind": "b", "more": 4}), ("Count", {"thing": "a"})]


def test_a_method_has_its_row() -> None:
    """The row is an attribute of the method, which keeps its name and docstring."""
    method: Any = Table.count
    row: Operation[int] = method.row
    assert (row.name, row.method, row.path, row.rule) == ("Count", "GET", "things/{thing}", REPEATABLE)
    assert (method.__name__, method.__doc__) == ("count", "Count.")
