"""The control endpoints, for tests in other languages."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from aioglacier.server import Fault
from tests.server.conftest import Boto, send

if TYPE_CHECKING:
    import pytest

    from aioglacier.server import LocalGlacier

#: Makes a request one for S3: without the header of the vault service.
S3 = {"x_amz_glacier_version": ""}


async def test_control_endpoints_serve_other_languages(faithful: LocalGlacier, slow_boto: Boto) -> None:
    """Status, clock, inventory and faults work by plain JSON."""
    await slow_boto.upload(b"x")

    async def control(method: str, what: str, content: object = None) -> dict[str, Any]:
        body = b"" if content is None else json.dumps(content).encode()
        answer = await send(faithful, method, f"/_local/{what}", body, x_amz_glacier_version="")
        assert answer.status == 200, answer.body
        document = json.loads(answer.body)
        assert isinstance(document, dict)
        return document

    status = await control("GET", "status")
    assert (status["vaults"], status["archives"], status["uploads"], status["jobs"]) == (1, 1, 0, 0)
    assert (await control("POST", "clock", {"advance_seconds": 3600}))["clock_offset_seconds"] == 3600
    assert faithful.clock.offset_seconds == 3600
    assert (await control("POST", "inventory"))["inventories"] == 1
    assert (await slow_boto("describe_vault"))["NumberOfArchives"] == 1
    await control("POST", "faults", [{"operation": "ListVaults", "code": "ThrottlingException"}])
    assert (await slow_boto.refused("list_vaults"))[1] == "ThrottlingException"
    assert (await control("GET", "status"))["faults"][0]["struck"] == 1
    assert (await control("DELETE", "faults"))["faults"] == []


async def test_a_reset_leaves_an_empty_server(faithful: LocalGlacier, slow_boto: Boto) -> None:
    """Vaults, archives, jobs, uploads, buckets, faults and files are gone, and the clock stays."""
    archive_id = await slow_boto.upload(b"x")
    order = {"Type": "archive-retrieval", "ArchiveId": archive_id}
    await slow_boto("initiate_job", jobParameters=order)
    await slow_boto("initiate_multipart_upload", partSize="1048576")
    assert (await send(faithful, "PUT", "/bucket", b"", **S3)).status == 200
    assert (await send(faithful, "PUT", "/bucket/key", b"y", **S3)).status == 200
    faithful.faults.add(Fault("ListVaults", code="ThrottlingException"))
    await faithful.advance(100)
    answer = await send(faithful, "POST", "/_local/reset")
    status = json.loads(answer.body)
    assert status.pop("clock_offset_seconds") == 100
    del status["clock"]
    assert not any(status.values()), status
    data = faithful.settings.directory / "data"
    assert not [path for path in data.rglob("*") if path.is_file()]
    assert (await slow_boto.refused("describe_vault"))[1] == "ResourceNotFoundException"
    await slow_boto("create_vault")
    await slow_boto.upload(b"z")


async def test_health_and_requests_are_told(faithful: LocalGlacier, caplog: pytest.LogCaptureFixture) -> None:
    """A healthy server says so, and each request is a line of the log, without its query."""
    caplog.set_level(logging.INFO, "aioglacier.server")
    answer = await send(faithful, "GET", "/_local/health?X-Amz-Signature=secret")
    assert (answer.status, json.loads(answer.body)) == (200, {"status": "ok"})
    assert "GET /_local/health: 200" in caplog.text
    assert "secret" not in caplog.text


async def test_control_endpoints_refuse_nonsense(faithful: LocalGlacier) -> None:
    """Invalid requests get 400 or 404, and a fault that kills the process is refused."""
    for path, body in (
        ("clock", b""),
        ("clock", b"{"),
        ("clock", b'{"advance_seconds": -1}'),
        ("clock", b'{"advance_seconds": "x"}'),
        ("clock", b'{"advance_seconds": NaN}'),
        ("clock", b'{"advance_seconds": Infinity}'),
        ("clock", b'{"advance_seconds": 1e300}'),
        ("clock", b'{"advance_seconds": 1' + b"0" * 400 + b"}"),
        ("faults", b"{}"),
        ("faults", b'[{"kind": "kill"}]'),
        ("faults", b'[{"count": {}, "status": "x", "oops": 1}]'),
        ("faults", b'[{"operation": "CreateVaul"}]'),
        ("faults", b'[{"count": "x"}]'),
        ("faults", b'[{"status": 99999}]'),
        ("faults", b'[{"kind": "delay", "seconds": Infinity}]'),
    ):
        answer = await send(faithful, "POST", f"/_local/{path}", body)
        assert answer.error == (400, "BadRequest"), body
    assert (await send(faithful, "GET", "/_local/status")).status == 200
    assert (await send(faithful, "GET", "/_local/secrets")).status == 404
    assert (await send(faithful, "POST", "/_local/inventory", Origin="http://elsewhere")).status == 403
