"""A store like those that know none of S3's additional checksums: a proxy before the local Glacier."""

from __future__ import annotations

import io
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_CHECKSUM = re.compile(r"x-amz-(checksum-|sdk-checksum|trailer)", re.IGNORECASE)
_OF_ONE_CONNECTION = {"content-length", "transfer-encoding"}
_REFUSAL = "<Error><Code>InvalidArgument</Code><Message>Unsupported header</Message></Error>"


@asynccontextmanager
async def plain_store(url: str, *, refuses: bool) -> AsyncIterator[str]:
    """Yield the URL of a store that refuses headers of checksums, or else ignores them and gives none."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:

        async def forward(request: web.Request) -> web.Response:
            headers = {name: value for name, value in request.headers.items() if not _CHECKSUM.match(name)}
            received = await request.read()
            is_write = request.method in {"PUT", "POST"}
            if refuses and is_write and len(headers) < len(request.headers):
                return web.Response(status=400, text=_REFUSAL, headers={"x-amz-request-id": "A"})
            data = io.BytesIO(received) if is_write else None
            target = URL(url + request.raw_path, encoded=True)
            async with session.request(request.method, target, headers=headers, data=data) as answer:
                kept = {
                    name: value
                    for name, value in answer.headers.items()
                    if not _CHECKSUM.match(name)
                    and name.lower() not in {"content-length", "transfer-encoding"}
                }
                text = re.sub(rb"<Checksum\w*>[^<]*</Checksum\w*>", b"", await answer.read())
                if request.method == "HEAD":
                    kept["Content-Length"] = answer.headers.get("Content-Length", "0")
                body = None if request.method == "HEAD" else text
                return web.Response(status=answer.status, body=body, headers=kept)

        runner = web.AppRunner(web.Application(client_max_size=1 << 30))
        runner.app.router.add_route("*", "/{path:.*}", forward)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()
