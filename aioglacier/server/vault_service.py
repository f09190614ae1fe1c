"""The way of a request to the vault service: the order of checks, and the form of every answer.

A request is taken apart; then its host, signature, API version and account are checked, and then the
operation runs. Each refusal becomes a JSON error.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from aiohttp import web

from aioglacier.server.protocol import behaviour, wire_format as wire
from aioglacier.server.protocol.refusal import RefusalError, missing, refuse
from aioglacier.server.protocol.sigv4 import Verifier
from aioglacier.server.requests import delivery, intake
from aioglacier.server.requests.call import Answer, VaultCall
from aioglacier.server.requests.faults import FaultKind, RequestFaults, ScriptedRefusalError
from aioglacier.server.requests.hosts import check_host
from aioglacier.server.routes import Operation, Target, check_account, find_operation, parse_target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.server.requests.call import Site

API_VERSION: Final = "2012-06-01"


class VaultService:
    """Answers the requests to the vault service of one site."""

    def __init__(self, site: Site) -> None:
        self._site = site
        settings = site.settings
        self._verifier = (
            Verifier(settings.credentials, region=settings.region) if settings.credentials else None
        )

    async def answer(self, request: web.BaseRequest, path: str, request_id: str) -> web.StreamResponse:
        """Answer one request.

        Raises:
            RefusalError: The request is refused.
            ConnectionDroppedError: The client has gone, or a scripted fault cut the connection.
        """
        if self._verifier is None:
            check_host(request.headers.get("Host", ""), self._site.settings)
        target = parse_target(path)
        operation = _find(request, target)
        body = b""
        if operation is None or not operation.takes_bytes:
            body = await intake.read_document(request, idle_seconds=self._site.settings.body_idle_seconds)
        self._check_signature(request, path, body, operation)
        _check_version(request)  # behind the signature, as at the service
        check_account(target, self._site.settings.account_id, path)
        if operation is None:
            raise refuse(behaviour.UNKNOWN_OPERATION)
        faults = self._site.faults.of_request(operation.name, request)
        await faults.at_start(request)
        call = VaultCall(self._site, request, target.query, faults, body, target.vault, target.item)
        answer = await operation.run(call)
        await faults.after_commit(request)  # also for operations that only read
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
            self._verifier.verify(*intake.signed_request(self._site, request, path, payload_hash))
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

    def refuse(self, request: web.BaseRequest, refusal: RefusalError, request_id: str) -> web.StreamResponse:
        """Return the answer of a refusal."""
        body = wire.encode({"code": refusal.code, "message": refusal.message, "type": refusal.type})
        headers = self._headers(request_id, {"Content-Type": "application/json"})
        if isinstance(refusal, ScriptedRefusalError):
            headers |= refusal.fault.headers
            if refusal.fault.body is not None:
                body = refusal.fault.body.encode()
        return delivery.refusal_response(request, refusal.status, body, headers)

    def _headers(self, request_id: str, more: Mapping[str, str]) -> dict[str, str]:
        return {
            "x-amzn-RequestId": request_id,
            **more,
            "Server": "aioglacier",
            **delivery.date_header(self._site),
        }


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
