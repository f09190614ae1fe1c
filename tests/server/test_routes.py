"""The operations by method and path."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aioglacier.server.protocol.operation_names import OPERATION_NAMES, S3_OPERATION_NAMES
from aioglacier.server.routes import OPERATIONS
from aioglacier.server.s3_routes import S3_OPERATIONS
from tests.server.conftest import deny_delete, send

if TYPE_CHECKING:
    from aioglacier.server import LocalGlacier

TOPIC = "arn:aws:sns:us-east-1:012345678901:done"


def test_every_operation_of_the_service_has_a_route() -> None:
    """The names that faults accept are those of the routes."""
    assert sorted(operation.name for operation in OPERATIONS.values()) == list(OPERATION_NAMES)
    assert sorted({operation.name for operation in S3_OPERATIONS.values()}) == list(S3_OPERATION_NAMES)


async def test_every_setting_needs_its_vault(faithful: LocalGlacier) -> None:
    """Each setting answers 404 for a vault that does not exist."""
    policy = json.dumps({"Policy": deny_delete()}).encode()
    notifications = json.dumps({"SNSTopic": TOPIC, "Events": ["ArchiveRetrievalCompleted"]}).encode()
    requests: list[tuple[str, str, bytes]] = [
        (method, path, body)
        for path, body in (("notification-configuration", notifications), ("access-policy", policy))
        for method in ("PUT", "GET", "DELETE")
    ]
    requests += [
        ("POST", "lock-policy", policy),
        ("GET", "lock-policy", b""),
        ("DELETE", "lock-policy", b""),
        ("POST", "lock-policy/id", b""),
        ("POST", "tags?operation=add", b'{"Tags":{"a":"b"}}'),
        ("POST", "tags?operation=remove", b'{"TagKeys":["a"]}'),
        ("GET", "tags", b""),
    ]
    for method, path, body in requests:
        answer = await send(faithful, method, f"/-/vaults/nothere/{path}", body)
        assert answer.error == (404, "ResourceNotFoundException"), (method, path)
