"""The names of jobs and objects in messages of any kind."""

from __future__ import annotations

import json

import pytest

from aioglacier.gateway.notice_queue import find_names

RESTORED = json.dumps(
    {
        "Records": [
            {
                "eventName": "ObjectRestore:Completed",
                "s3": {"bucket": {"name": "museum"}, "object": {"key": "a+b/%C3%A9%2B"}},
            }
        ]
    }
)


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ('{"JobId": "abc"}', ("abc",)),
        ('{"Type": "Notification", "Message": "{\\"JobId\\": \\"abc\\"}"}', ("abc",)),
        (RESTORED, ("s3://museum/a b/é+",)),
        (json.dumps({"Type": "Notification", "Message": RESTORED}), ("s3://museum/a b/é+",)),
        (RESTORED.replace("Completed", "Post"), ()),
        (RESTORED.replace("bucket", "pail"), ()),
        ('{"Records": [7]}', ()),
        ('{"Records": 7}', ()),
        ('{"Service": "Amazon S3", "Event": "s3:TestEvent"}', ()),
        ('{"Type": "Notification", "Message": "text"}', ()),
        ('{"Type": "Notification"}', ()),
        ('{"JobId": 7}', ()),
        ("[]", ()),
        ("text", ()),
        ("[" * 100_000, ()),
    ],
)
def test_find_names_in_any_message(body: str, names: tuple[str, ...]) -> None:
    """Jobs and restored objects are found with and without SNS's envelope, and in no other message."""
    assert find_names(body) == names
