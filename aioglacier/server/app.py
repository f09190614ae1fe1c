"""The way from a connection to a service and back.

A request is for the vault service, for S3 or for the control endpoints. Each service answers in its own form;
each failure of the server becomes an error of status 500 in that form, and a line in the log.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from aiohttp import web

from aioglacier.server import control_api as control
from aioglacier.server.protocol import behaviour
from aioglacier.server.protocol.refusal import ConnectionDroppedError, RefusalError, refuse
from aioglacier.server.protocol.services import is_for_s3
from aioglacier.server.protocol.wire_format import REQUEST_ID_LENGTH, new_id
from aioglacier.server.requests.hosts import check_host
from aioglacier.server.s3_service import S3Service
from aioglacier.server.vault_service import VaultService

if TYPE_CHECKING:
    from aioglacier.server.requests.call import Site

_logger: Final = logging.getLogger("aioglacier.server")


class Application:
    """Answers the requests of one site."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._vaults = VaultService(site)
        self._s3 = S3Service(site)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request and log it; only cancellation leaves this method as an exception."""
        response = await self._answer(request)
        # Without the query, which may hold a signature.
        _logger.info("%s %s: %d", request.method, request.raw_path.partition("?")[0][:200], response.status)
        return response

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        request_id = new_id(REQUEST_ID_LENGTH)
        path = _target_path(request)
        service = self._s3 if is_for_s3(path, request.headers) else self._vaults
        try:
            if path.startswith(control.PREFIX):
                service = self._vaults  # the control endpoints answer in JSON, too
                check_host(request.headers.get("Host", ""), self._site.settings)
                return await control.answer(self._site, request, path)
            return await service.answer(request, path, request_id)
        except RefusalError as refusal:
            return service.refuse(request, refusal, request_id)
        except (ConnectionDroppedError, ConnectionError):
            return _dropped(request)
        except Exception:
            _logger.exception("request %s failed: %s %s", request_id, request.method, request.raw_path[:200])
            failure = RefusalError(500, "ServiceUnavailableException", "The server failed; its log says why.")
            return service.refuse(request, failure, request_id)

    def refuse_malformed(self, request: web.BaseRequest, reason: str) -> web.StreamResponse:
        """Answer a request that is not well-formed HTTP, and end its connection."""
        refusal = refuse(behaviour.NOT_HTTP, reason=reason)
        response = self._vaults.refuse(request, refusal, new_id(REQUEST_ID_LENGTH))
        response.force_close()
        return response


def _target_path(request: web.BaseRequest) -> str:
    """Return the request target in origin form; some clients behind proxies send a whole URL."""
    raw = request.raw_path
    if raw.startswith(("http://", "https://")):
        _, _, rest = raw.partition("://")
        _, slash, path = rest.partition("/")
        return slash + path
    return raw


def _dropped(request: web.BaseRequest) -> web.StreamResponse:
    """End a connection whose client has gone."""
    if request.transport is not None:
        request.transport.abort()
    response = web.Response(status=400)
    response.force_close()
    return response
