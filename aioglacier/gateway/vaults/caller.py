"""The caller of the vault API's table."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final

from aioglacier.core.checks import check_id, check_vault_name
from aioglacier.gateway.calls.caller import Caller, SentBody
from aioglacier.gateway.contract.options import USER_AGENT
from aioglacier.gateway.vaults.answers import part_range
from aioglacier.gateway.vaults.gateway import Gateway

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.gateway.contract.operation import Arguments, Operation
    from aioglacier.gateway.contract.protocols import Answer, RawRequest

#: Headers of every request.
_HEADERS: Final = {"User-Agent": USER_AGENT, "x-amz-glacier-version": "2012-06-01"}


class VaultCaller(Caller, Gateway):
    """Every operation of the vault API, each sent once."""

    takes_empty_bodies = False

    async def request(self, raw: RawRequest) -> Answer:
        """Send a request that has no row."""
        path = raw.path if raw.path.startswith("/") else f"/{self._options.account_id}/{raw.path}"
        return await self.send_raw(raw, path, _HEADERS)

    def address(self, operation: Operation[Any], arguments: Arguments) -> str:
        """See ``Caller``."""
        ids = tuple(map(arguments.__getitem__, _ids(operation.path)))
        return self.origin + _path(operation.path, self._options.account_id, ids)

    def headers(self, arguments: Arguments, document: memoryview) -> Mapping[str, str]:
        """See ``Caller``."""
        del arguments, document
        return _HEADERS

    def describe_body(self, arguments: Arguments) -> SentBody:
        """See ``Caller``."""
        what = f"the part at byte {arguments['start']}" if "start" in arguments else "the archive"
        return SentBody(what, arguments["hashes"].tree_hash, "tree hash", part_range(arguments))


@cache
def _ids(template: str) -> tuple[str, ...]:
    """Return the names of the arguments in a path."""
    return tuple(re.findall(r"\{(\w+)\}", template))


@lru_cache(maxsize=256)
def _path(template: str, account: str, ids: tuple[str, ...]) -> str:
    """Return a path as it is sent. All parts of an upload have the same."""
    checked = {
        name: check_vault_name(value) if name == "vault" else check_id(name.removesuffix("_id"), value)
        for name, value in zip(_ids(template), ids, strict=True)
    }
    return f"/{account}/{template.format_map(checked)}"
