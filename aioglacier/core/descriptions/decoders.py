"""The list of decoders, in the order they are asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aioglacier.core.descriptions import cloudberry, fastglacier, json_path, mt_aws_glacier
from aioglacier.core.descriptions.decoded import DecodedName
from aioglacier.core.text import without_lone_surrogates

if TYPE_CHECKING:
    from collections.abc import Callable

#: Each takes a description without white space around it and returns what it says, or ``None`` if it is not
#: in this decoder's format. None may raise, whatever it is given. CloudBerry's JSON is asked before any JSON.
DECODERS: Final[tuple[Callable[[str], DecodedName | None], ...]] = (
    mt_aws_glacier.decode,
    fastglacier.decode,
    cloudberry.decode,
    json_path.decode,
)


def decode(description: str) -> DecodedName:
    """The name in a description: decoded where a known tool wrote it, otherwise the description itself.

    Never raises. Nothing but the description vouches for the answer, so show it, and never rely on it.
    """
    stripped = description.strip()
    for decoder in DECODERS:
        found = decoder(stripped)
        if found is not None and found.name:
            return DecodedName(without_lone_surrogates(found.name), found.modified, found.tool)
    return DecodedName(without_lone_surrogates(description), None, "plain")
