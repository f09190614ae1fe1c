"""The list of decoders, in the order in which they are tried."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aioglacier.core.descriptions import cloudberry, fastglacier, json_path, mt_aws_glacier
from aioglacier.core.descriptions.decoded import DecodedName
from aioglacier.core.text import without_lone_surrogates

if TYPE_CHECKING:
    from collections.abc import Callable

#: Each takes a description without white space around it and returns its contents, or ``None`` if it is in
#: another format. No decoder may raise. CloudBerry's JSON is tried before other JSON.
DECODERS: Final[tuple[Callable[[str], DecodedName | None], ...]] = (
    mt_aws_glacier.decode,
    fastglacier.decode,
    cloudberry.decode,
    json_path.decode,
)


def decode(description: str) -> DecodedName:
    """Return the name in a description: decoded if a known tool wrote it, otherwise the description itself.

    It never raises. The name is unverified text, so show it, and never rely on it.
    """
    stripped = description.strip()
    for decoder in DECODERS:
        found = decoder(stripped)
        if found is not None and found.name:
            return DecodedName(without_lone_surrogates(found.name), found.modified, found.tool)
    return DecodedName(without_lone_surrogates(description), None, "plain")
