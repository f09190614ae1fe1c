"""The way of a request to S3: the order of checks, and the form of every answer.

The host is checked where no key protects the server, then the signature, the bucket's owner and the document;
then the operation runs. Each refusal becomes an XML error.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from aiohttp import web

from aioglacier.server.protocol import s3_behaviour as behaviour, xml_format as xml
from aioglacier.server.protocol.refusal import ConnectionDroppedError, RefusalError
from aioglacier.server.protocol.s3_refusals import S3RefusalError, known_status
from aioglacier.server.protocol.s3_signature import UNSIGNED, ChunkSigner, S3Verifier
from aioglacier.server.requests import delivery, intake, s3_intake
from aioglacier.server.requests.faults import RequestFaults, ScriptedRefusalError
from aioglacier.server.requests.hosts import check_host, own_names
from aioglacier.server.requests.s3_call import S3Call
from aioglacier.server.requests.slow_answers import SlowAnswer
from aioglacier.server.s3_routes import S3Operation, find_s3_operation, parse_s3_target

if TYPE_CHECKING:
    from aioglacier.server.requests.call import Answer, Site

#: S3's codes for refusals that both services share.
_CODES: Final = {
    "AccessDeniedException": "AccessDenied",
    "BadRequest": "InvalidRequest",
    "ExpiredTokenException": "ExpiredToken",
    "RequestTimeoutException": "RequestTimeout",
    "SerializationException": "MalformedXML",
    "ServiceUnavailableException": "InternalError",
    "ThrottlingException": "SlowDown",
}


class S3Service:
    """Answers the requests to S3 of one site."""

    def __init__(self, site: Site) -> None:
        self._site = site
        settings = site.settings
        self._verifier = (
            S3Verifier(settings.credentials, region=settings.region) if settings.credentials else None
        )
        self._own_names = own_names(settings)

    async def answer(self, request: web.BaseRequest, path: str, request_id: str) -> web.StreamResponse:
        """Answer one request.

        Raises:
            RefusalError: The request is refused.
            ConnectionDroppedError: The client has gone, or a scripted fault cut the connection.
        """
        if self._verifier is None:
            check_host(request.headers.get("Host", ""), self._site.settings)
            if "Origin" in request.headers:  # S3's requests need no header that a page could not send
                raise S3RefusalError("AccessDenied", "A server without keys does not answer web pages.")
        host = (urlsplit(f"//{request.headers.get('Host', '')}").hostname or "").rstrip(".")
        target = parse_s3_target(path, host, self._own_names)
        signer = self._check_signature(request, path)
        operation = find_s3_operation(request.method, target, request.headers)
        self._check_owner(request)  # before the body is read
        body = b"" if operation.takes_bytes else await self._read_document(request)
        faults = self._site.faults.of_request(operation.name, request)
        call = S3Call(self._site, request, target.query, faults, body, target.bucket, target.key, signer)
        if operation.is_slow:
            return await self._answer_slowly(operation, call, request_id)
        return await self._send(request, request_id, await _run(operation, call), faults)

    async def _answer_slowly(
        self, operation: S3Operation, call: S3Call, request_id: str
    ) -> web.StreamResponse:
        slow = SlowAnswer(call.request, self._headers(request_id), call.faults)
        await slow.wait(partial(_run, operation, call))
        result = slow.result
        if isinstance(result, ConnectionDroppedError) or (
            isinstance(result, RefusalError) and not slow.has_begun
        ):
            raise result
        if isinstance(result, RefusalError):
            return await slow.finish(_error_document(call.request, result, request_id))
        if slow.has_begun:
            return await slow.finish(call.faults.change_document(result.body))
        return await self._send(call.request, request_id, result, call.faults)

    def _check_signature(self, request: web.BaseRequest, path: str) -> ChunkSigner | None:
        if self._verifier is None:
            return None
        # The payload is compared with its header after it has arrived.
        payload_hash = request.headers.get("x-amz-content-sha256", UNSIGNED)
        return self._verifier.verify(*intake.signed_request(self._site, request, path, payload_hash))

    def _check_owner(self, request: web.BaseRequest) -> None:
        for name in ("x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"):
            if request.headers.get(name, self._site.settings.account_id) != self._site.settings.account_id:
                raise S3RefusalError("AccessDenied")

    async def _read_document(self, request: web.BaseRequest) -> bytes:
        body = await intake.read_document(
            request, idle_seconds=self._site.settings.body_idle_seconds, max_size=behaviour.MAX_DOCUMENT_SIZE
        )
        s3_intake.check_document(body, request.headers)
        return body

    async def _send(
        self, request: web.BaseRequest, request_id: str, answer: Answer, faults: RequestFaults
    ) -> web.StreamResponse:
        headers = self._headers(request_id) | dict(answer.headers)
        faults.change_headers(headers)
        if answer.slices is None:
            body = faults.change_document(answer.body)
            return web.Response(status=answer.status, body=body, headers=headers)
        if request.method != "HEAD":  # its answer names the length of a body that does not follow
            return await delivery.send_slices(self._site, request, answer, headers, faults)
        response = web.StreamResponse(status=answer.status, headers=headers)
        response.content_length = sum(one.size for one in answer.slices)
        await response.prepare(request)
        await response.write_eof()
        return response

    def refuse(self, request: web.BaseRequest, refusal: RefusalError, request_id: str) -> web.StreamResponse:
        """Return the answer of a refusal."""
        headers = self._headers(request_id)
        status = refusal.status
        is_status_scripted = False
        if isinstance(refusal, S3RefusalError):
            headers |= dict(refusal.headers)
        elif isinstance(refusal, ScriptedRefusalError):
            headers |= refusal.fault.headers
            is_status_scripted = refusal.fault.status is not None
        if refusal.code in _CODES and not is_status_scripted:
            status, _ = known_status(_CODES[refusal.code]) or (status, "")
        body = _error_document(request, refusal, request_id)
        if request.method == "HEAD" or status == 304:  # HTTP allows no body there
            body = b""
        else:
            headers.setdefault("Content-Type", "application/xml")
        return delivery.refusal_response(request, status, body, headers)

    def _headers(self, request_id: str) -> dict[str, str]:
        headers = {"x-amz-request-id": request_id, "x-amz-id-2": request_id, "Server": "aioglacier"}
        return headers | delivery.date_header(self._site)


async def _run(operation: S3Operation, call: S3Call) -> Answer:
    await call.faults.at_start(call.request)
    answer = await operation.run(call)
    await call.faults.after_commit(call.request)
    return answer


def _error_document(request: web.BaseRequest, refusal: RefusalError, request_id: str) -> bytes:
    if isinstance(refusal, ScriptedRefusalError) and refusal.fault.body is not None:
        return refusal.fault.body.encode()
    code, details = _CODES.get(refusal.code, refusal.code), {}
    if isinstance(refusal, S3RefusalError):
        code, details = refusal.code, refusal.details
    return xml.write(
        "Error",
        {
            "Code": code,
            "Message": refusal.message,
            **details,
            "Resource": request.raw_path.partition("?")[0],
            "RequestId": request_id,
            "HostId": request_id,
        },
        has_namespace=False,
    )
