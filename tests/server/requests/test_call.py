"""Answers of the vault service."""

from __future__ import annotations

import json

from aioglacier.server.protocol import behaviour
from aioglacier.server.requests.call import NO_CONTENT, accepted, document


def test_answers_have_the_services_forms() -> None:
    """A document is 200, a new thing 201 or 202 with two bytes of JSON, and the end of one 204."""
    found = document({"Marker": None})
    assert (found.status, json.loads(found.body)) == (200, {"Marker": None})
    made = accepted({"Location": "/1/vaults/a"})
    assert (made.status, made.body) == (201, behaviour.EMPTY_DOCUMENT)
    assert accepted({}, status=202).status == 202
    assert (NO_CONTENT.status, NO_CONTENT.body) == (204, b"")
