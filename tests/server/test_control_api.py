"""The control endpoints, for tests in other languages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.server.conftest import Boto, send

if TYPE_CHECKING:
    from aioglacier.server import LocalGlacier


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
