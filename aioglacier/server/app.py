"""The way from a connection to an operation and back: the order of checks, and the form of every answer.

A request is taken apart; then its host, signature, API version and account are checked, and then the
operation runs. Each refusal becomes a JSON error; each failure of the server becomes a 500 in the same form,
and a line in the log.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final

from aiohttp import web

from aioglacier.server import control_api as control
from aioglacier.server.protocol import behaviour, wire_format as wire
from aioglacier.server.protocol.refusal import ConnectionDroppedError, RefusalError, missing, refuse
from aioglacier.server.protocol.sigv4 import SignedRequest, Verifier
from aioglacier.server.protocol.wire_format import REQUEST_ID_LENGTH, new_id
from aioglacier.server.requests import delivery, intake
from aioglacier.server.requests.call import Answer, VaultCall
from aioglacier.server.requests.faults import FaultKind, RequestFaults, ScriptedRefusalError
from aioglacier.server.requests.hosts import check_host
from aioglacier.server.routes import Operation, Target, check_account, find_operation, parse_target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.server.requests.call import Site

_logger: Final = logging.getLogger("aioglacier.server")

API_VERSION: Final = "2012-06-01"


class Application:
    """Answers the requests of one site."""

    def __init__(self, site: Site) -> None:
        self._site = site
        settings = site.settings
        self._verifier = (
            Verifier(settings.credentials, region=settings.region) if settings.credentials else None
        )
        self._skew = timedelta(seconds=settings.clock_skew_seconds)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; only cancellation leaves this method as an exception."""
        request_id = new_id(REQUEST_ID_LENGTH)
        try:
            return await self._answer(request, request_id)
        except RefusalError as refusal:
            return self._refuse(request, refusal, request_id)
        except (ConnectionDroppedError, ConnectionError):
            return _dropped(request)
        except Exception:
            _logger.exception("request %s failed: %s %s", request_id, request.method, request.raw_path[:200])
            failure = RefusalError(500, "ServiceUnavailableException", "The server failed; its log says why.")
            return self._refuse(request, failure, request_id)

    def refuse_malformed(self, request: web.BaseRequest, reason: str) -> web.StreamResponse:
        """Answer a request that is not well-formed HTTP, and end its connection."""
        refusal = refuse(behaviour.NOT_HTTP, reason=reason)
        response = self._refuse(request, refusal, new_id(REQUEST_ID_LENGTH))
        response.force_close()
        return response

    async def _answer(self, request: web.BaseRequest, request_id: str) -> web.StreamResponse:
        path = _target_path(request)
        is_control = path.startswith(control.PREFIX)
        if is_control or self._verifier is None:
            check_host(request.headers.get("Host", ""), self._site.settings)
        if is_control:
            return await control.answer(self._site, request, path)
        target = parse_target(path)
        operation = _find(request, target)
        body = b""
        if operation is None or not operation.takes_bytes:
            body = await intake.read_document(request, idle_seconds=self._site.settings.body_idle_seconds)
        self._check_signature(request, path, body, operation)
        _check_version(request)
        check_account(target, self._site.settings.account_id, path)
        if operation is None:
            raise refuse(behaviour.UNKNOWN_OPERATION)
        faults = self._site.faults.of_request(operation.name, request)
        await faults.at_start(request)
        call = VaultCall(self._site, request, target.query, faults, body, target.vault, target.item)
        answer = await operation.run(call)
        await faults.after_commit(request)
        return await self._send(request, request_id, answer, faults)

    def _check_signature(
        self, request: web.BaseRequest, path: str, body: bytes, operation: Operation | None
    ) -> None:
        sent = intake.payload_hash_sent(request)
        takes_bytes = operation is not None and operation.takes_bytes
        digest = hashlib.sha256(body).digest()
        if self._verifier is not None:
            # The body of an upload is compared with its header after it has arrived.
            payload_hash = (sent or digest.hex()) if takes_bytes else digest.hex()
            headers: dict[str, list[str]] = {}
            for name, value in request.headers.items():
                headers.setdefault(name.lower(), []).append(value)
            self._verifier.verify(
                SignedRequest(request.method, path, headers, payload_hash), datetime.now(UTC) + self._skew
            )
        if sent is not None and not takes_bytes:
            intake.check_payload(sent, digest)

    async def _send(
        self, request: web.BaseRequest, request_id: str, answer: Answer, faults: RequestFaults
    ) -> web.StreamResponse:
        headers = self._headers(request_id, answer.headers)
        faults.change_headers(headers)
        if answer.slices is not None:
            return await delivery.send_slices(self._site, request, answer, headers, faults)
        headers["Content-Type"] = "application/json"
        body = answer.body
        if body == behaviour.EMPTY_DOCUMENT and faults.find(FaultKind.EMPTY_BODY) is not None:
            body = b""
        return web.Response(status=answer.status, body=body, headers=headers)

    def _refuse(self, request: web.BaseRequest, refusal: RefusalError, request_id: str) -> web.StreamResponse:
        body = wire.encode({"code": refusal.code, "message": refusal.message, "type": refusal.type})
        headers = self._headers(request_id, {"Content-Type": "application/json"})
        if isinstance(refusal, ScriptedRefusalError):
            headers |= refusal.fault.headers
            if refusal.fault.body is not None:
                body = refusal.fault.body.encode()
        response = web.Response(status=refusal.status, body=body, headers=headers)
        if "Expect" in request.headers and not request.content.at_eof():
            # The body will not be sent; the next request on this connection would be read as the body.
            response.force_close()
        return response

    def _headers(self, request_id: str, more: Mapping[str, str]) -> dict[str, str]:
        headers = {"x-amzn-RequestId": request_id, **more, "Server": "aioglacier"}
        if self._skew:
            headers["Date"] = format_datetime(datetime.now(UTC) + self._skew, usegmt=True)
        return headers


def _target_path(request: web.BaseRequest) -> str:
    """Return the request target in origin form; some clients behind proxies send a whole URL."""
    raw = request.raw_path
    if raw.startswith(("http://", "https://")):
        _, _, rest = raw.partition("://")
        _, slash, path = rest.partition("/")
        return slash + path
    return raw


def _find(request: web.BaseRequest, target: Target) -> Operation | None:
    try:
        return find_operation(request.method, target)
    except RefusalError:
        return None  # the signature is checked first


def _check_version(request: web.BaseRequest) -> None:
    version = request.headers.get("x-amz-glacier-version")
    if not version:
        raise missing("API version")
    if version != API_VERSION:
        raise refuse(behaviour.BAD_VERSION, version=version)


def _dropped(request: web.BaseRequest) -> web.StreamResponse:
    """End a connection whose client has gone."""
    if request.transport is not None:
        request.transport.abort()
    response = web.Response(status=400)
    response.force_close()
    return response
