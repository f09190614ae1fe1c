"""Check arguments and write them into a request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from aioglacier.core.checks import check_description, check_id, check_retrieval_range
from aioglacier.core.errors import InvalidPlanError
from aioglacier.core.planning import check_part_size
from aioglacier.gateway.contract.row_columns import argument, text, written
from aioglacier.gateway.http.signing import PAYLOAD_HASH_HEADER
from aioglacier.gateway.vaults.answers import TREE_HASH_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aioglacier.core.ranges import ByteRange
    from aioglacier.gateway.contract.operation import Arguments, Writer


def members(writers: Mapping[str, Writer]) -> Callable[[Arguments], bytes]:
    """Return the writer of a JSON document, by the writers of its members."""
    return lambda arguments: json.dumps(written(writers, arguments)).encode()


def write_archive_id(archive_id: str) -> str:
    """Check an archive id."""
    return check_id("archive", archive_id)


def write_part_size(part_size: int) -> str:
    """Check a part size and return it as text."""
    check_part_size(part_size)
    return str(part_size)


def write_retrieval_range(byte_range: ByteRange | tuple[int, int]) -> str:
    """Check the range of an archive to retrieve and return it as text."""
    return str(check_retrieval_range(byte_range))


def write_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Check the types of tags."""
    write_tag_keys([*tags, *tags.values()])
    return dict(tags)


def write_tag_keys(keys: Sequence[str]) -> list[str]:
    """Check the types of tag keys."""
    if isinstance(keys, str) or not all(isinstance(key, str) for key in keys):
        raise InvalidPlanError(f"keys and values of tags must be str, not {keys!r}")
    return list(keys)


#: One page of a list.
PAGE: Final[Mapping[str, Writer]] = {"limit": argument("limit"), "marker": text("marker")}

DESCRIPTION: Final = argument("description", check_description)

#: The hashes of a body that is sent as it is.
BODY_HASHES: Final[Mapping[str, Writer]] = {
    PAYLOAD_HASH_HEADER: lambda arguments: arguments["hashes"].payload_hash.hex(),
    TREE_HASH_HEADER: lambda arguments: arguments["hashes"].tree_hash.hex(),
}
