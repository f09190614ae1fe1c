"""The parts of HTTP that AWS's services write differently: names, signatures, errors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from aioglacier.core.errors import AccessDeniedError, InsufficientCapacityError, ResourceNotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.core.errors import GlacierError
    from aioglacier.gateway.contract.protocols import Answer


class ErrorDocument(NamedTuple):
    """The body of an error answer; ``code`` is "" if none can be read."""

    code: str
    message: str


class Refusal(NamedTuple):
    """An error answer that is to be named.

    Attributes:
        kind: The kind by the code.
        default: The kind by the status alone.
        document: Code and message.
        answer: The whole answer.
        region: The region that the request was signed for.
    """

    kind: type[GlacierError]
    default: type[GlacierError]
    document: ErrorDocument
    answer: Answer
    region: str


class Meaning(NamedTuple):
    """The errors of one operation for refusals that mean something else elsewhere.

    Attributes:
        missing: For a thing that does not exist, if the service does not say which.
        by_code: For codes with another meaning than elsewhere.
    """

    missing: type[ResourceNotFoundError] = ResourceNotFoundError
    by_code: Mapping[str, type[GlacierError]] = MappingProxyType({})


NO_MEANING: Final = Meaning()

#: Sentences with the next step that both services need.
SENTENCES: Final[Mapping[type[GlacierError], str]] = {
    AccessDeniedError: "not allowed; the action to allow is {action}: {message}",
    InsufficientCapacityError: "no Expedited capacity now; use the tier Standard or Bulk: {message}",
}


def by_code(codes: Mapping[type[GlacierError], str]) -> Mapping[str, type[GlacierError]]:
    """Return the error for each code, from the codes that mean each error, in one text."""
    return {code: kind for kind, text in codes.items() for code in text.split()}


class Dialect(ABC):
    """One service's way to name, sign and refuse.

    Attributes:
        name: The service's name in messages.
        signing_name: Its name in the scope of a signature.
        signs_path_as_sent: Whether the signature covers the path as it is sent, or encoded once more.
        has_hosts_below: Whether hosts below the endpoint's belong to it.
        request_id_header: The header in which its own answers have the id of the request.
        errors_in_success: Whether the service itself puts errors into a success; elsewhere that is a fault.
        kinds: Errors by code, without the word "Exception", which some services and statuses leave out.
        sentences: Sentences with the next step, which the service's own message lacks.
    """

    name: ClassVar[str]
    signing_name: ClassVar[str]
    signs_path_as_sent: ClassVar[bool]
    has_hosts_below: ClassVar[bool]
    request_id_header: ClassVar[str]
    errors_in_success: ClassVar[bool]
    kinds: ClassVar[Mapping[str, type[GlacierError]]]
    sentences: ClassVar[Mapping[type[GlacierError], str]]

    @abstractmethod
    def holds_error(self, answer: Answer) -> bool:
        """Return whether a success carries an error document."""

    @abstractmethod
    def read_error(self, answer: Answer) -> ErrorDocument:
        """Return code and message of an error document, both empty for anything else."""

    @abstractmethod
    def specify(self, refusal: Refusal) -> type[GlacierError]:
        """Return a more specific kind, where the code alone does not decide."""

    @abstractmethod
    def complete(self, error: GlacierError, document: ErrorDocument, answer: Answer) -> None:
        """Add the facts that only this service's answer has to an error."""

    @abstractmethod
    def action_of(self, operation: str) -> str:
        """Return the action that a policy must allow for an operation."""
