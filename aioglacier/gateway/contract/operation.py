"""One operation of a service as data: its request, its result, and when it may be sent again.

A service's table is a class whose methods have typed signatures and no bodies. Each is decorated with its row
and hands the row and the arguments, by name, to ``perform``. A gateway is a table and one ``perform``: one
gateway sends the request, another tries again around it, a third counts calls in a test.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass, field
from enum import Enum, auto
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, ParamSpec, TypeVar

from aioglacier.core.errors import GlacierError, ResourceNotFoundError, ServiceError
from aioglacier.gateway.contract.dialect import Meaning

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from contextlib import AbstractAsyncContextManager

    from aioglacier.core.spending import Charge
    from aioglacier.gateway.contract.protocols import Answer, Output, RawRequest

    #: The arguments of one call, by name. An optional one that was not given may be absent.
    Arguments = Mapping[str, Any]

    #: Returns one value of a request as it is written, or ``None`` to leave it out. Raises InvalidPlanError.
    #: For a header it may return several, by the rest of their names.
    Writer = Callable[[Arguments], Any]

P = ParamSpec("P")
T = TypeVar("T")


class Repeat(Enum):
    """The failures after which an operation may be sent again."""

    ALWAYS = auto()
    IF_WITHOUT_EFFECT = auto()
    NEVER = auto()


class Recovery(Enum):
    """The retry layer's answer to a lost answer, beside sending the request again."""

    NONE = auto()
    FIND_UPLOAD = auto()
    FIND_JOB = auto()
    SAY_UNKNOWN = auto()


class Rule(NamedTuple):
    """The conditions under which an operation may be repeated.

    Attributes:
        repeat: The failures after which it may be sent again.
        recovery: The further step where an attempt may have taken effect.
        shown_by: The error of a repetition that shows that an earlier attempt did the work; the call then
            returns ``None``.
        passes: A refusal that may pass although its kind does not in general.
        is_progress: Whether a success shows that trouble is over.
        hint: The advice in the error where the outcome stays unknown.
    """

    repeat: Repeat = Repeat.ALWAYS
    recovery: Recovery = Recovery.NONE
    shown_by: type[ServiceError] | None = None
    passes: type[ServiceError] | None = None
    is_progress: bool = True
    hint: str = ""


#: The rule of an operation that may be sent any number of times.
REPEATABLE: Final = Rule()


@dataclass(frozen=True, eq=False)
class Operation(Generic[T]):
    """One row of a table. As a decorator, it binds itself to a method.

    Attributes:
        name: The operation's name in the API.
        target: The HTTP method and the path below the account, with the names of arguments in braces; it may
            end in a fixed query. ``method`` and ``path`` have the two.
        reads: Makes the result from the answer and the arguments.
        query: Writers of the query's parameters, by name.
        headers: Writers of the request's headers, by name.
        document: Writes the document in the body; ``None`` for an operation without one.
        largest_body: The most bytes of a body that is sent as it is; ``None`` for an operation without one.
        missing: The error if something does not exist and the service does not say what.
        meanings: Errors by the service's code, where a code has another meaning than elsewhere. ``meaning``
            has both.
        pins: For an output, arguments by which a request for its rest meets the same bytes, from its head.
        is_slow: Whether the service may take as long as it needs to join 10,000 parts.
        rule: When it may be sent again.
        charge: What each attempt is charged for; ``None`` for nothing.
    """

    name: str
    target: str
    reads: Callable[[Any, Arguments], T]
    _: KW_ONLY
    query: Mapping[str, Writer] = field(default_factory=dict)
    headers: Mapping[str, Writer] = field(default_factory=dict)
    document: Callable[[Arguments], bytes] | None = None
    largest_body: int | None = None
    missing: type[ResourceNotFoundError] = ResourceNotFoundError
    meanings: Mapping[str, type[GlacierError]] = field(default_factory=dict)
    pins: Callable[[T], Arguments] = lambda _: {}
    is_slow: bool = False
    rule: Rule = REPEATABLE
    charge: Callable[[Arguments], Charge] | None = None
    method: str = field(init=False)
    path: str = field(init=False)
    meaning: Meaning = field(init=False)

    def __post_init__(self) -> None:
        method, _, path = self.target.partition(" ")
        object.__setattr__(self, "method", method)  # once, because every request reads them
        object.__setattr__(self, "path", path)
        object.__setattr__(self, "meaning", Meaning(self.missing, self.meanings))

    def __call__(self, signature: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        """Return the method that ``signature`` describes: it hands this row to its object's ``perform``."""
        code: Any = signature.__code__
        names = code.co_varnames[1 : code.co_argcount]

        @wraps(signature)
        def call(*args: P.args, **named: P.kwargs) -> Coroutine[Any, Any, T]:
            gateway: Any = args[0]
            arguments = dict(zip(names, args[1:], strict=False), **named)
            performed: Coroutine[Any, Any, T] = gateway.perform(self, arguments)
            return performed

        bound: Any = call
        bound.row = self
        return call


class Performer(ABC):
    """The base of a table: it performs rows.

    Attributes:
        region: The region that requests are signed for.
        origin: The scheme, host and port that bytes go to, and nowhere else.
    """

    region: str
    origin: str

    def facts(self, arguments: Arguments) -> Mapping[str, Any]:
        """Return the attributes that each error of a call carries."""
        del arguments
        return {}

    @abstractmethod
    async def perform(self, operation: Operation[Any], arguments: Arguments) -> Any:
        """Do one operation of the table."""

    @abstractmethod
    def open_output(
        self, operation: Operation[T], arguments: Arguments
    ) -> AbstractAsyncContextManager[Output[T]]:
        """Do an operation whose answer's body is read while it comes."""

    @abstractmethod
    async def request(self, raw: RawRequest) -> Answer:
        """Send one signed request that has no row; return an answer of any status except a redirect's."""
