"""Tags, policies, lock and notifications of a vault."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "glacier:DeleteArchive",
                "Resource": "arn:aws:glacier:us-east-1:012345678901:vaults/any",
            }
        ],
    }
)


def test_what_belongs_to_a_vault(cli: Cli, vault: str) -> None:
    """Tags, the access policy, notifications and the lock are set, shown and removed."""
    assert cli("--json", "vault", "tags", "add", vault, "a=b", "c=d=e").record["tags"] == {
        "a": "b",
        "c": "d=e",
    }
    assert cli("--json", "vault", "tags", "remove", vault, "a").record["tags"] == {"c": "d=e"}
    cli("vault", "policy", "show", vault, code=7)
    cli("vault", "policy", "set", vault, "-", stdin=POLICY.encode())
    assert json.loads(cli("vault", "policy", "show", vault).text) == json.loads(POLICY)
    cli("vault", "policy", "delete", vault)
    topic = "arn:aws:sns:us-east-1:012345678901:topic"
    assert cli("--json", "vault", "notifications", "set", vault, topic).record["sns_topic"] == topic
    assert len(cli("--json", "vault", "notifications", "show", vault).record["events"]) == 2
    cli("vault", "notifications", "delete", vault)
    policy = POLICY.encode()
    lock_id = cli("--json", "vault", "lock", "initiate", vault, "-", stdin=policy).record["lock_id"]
    assert cli("--json", "vault", "lock", "show", vault).record["state"] == "InProgress"
    cli("vault", "lock", "complete", vault, "--", lock_id, code=2)  # for ever, so somebody has to say yes
    cli("vault", "lock", "abort", vault)
    cli("vault", "lock", "show", vault, code=7)
