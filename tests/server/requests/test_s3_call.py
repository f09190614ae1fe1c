"""Answers of S3, and the bucket of a request."""

from __future__ import annotations

from aioglacier.server.requests.s3_call import document, http_date


def test_a_document_is_xml_with_the_services_name_space() -> None:
    """Headers of the operation stand beside the type."""
    found = document("Result", {"Key": "a&b"}, headers={"ETag": '"x"'})
    assert found.status == 200
    assert found.headers == {"Content-Type": "application/xml", "ETag": '"x"'}
    assert b"<Key>a&amp;b</Key>" in found.body
    assert b"http://s3.amazonaws.com/doc/2006-03-01/" in found.body


def test_a_date_loses_its_milliseconds() -> None:
    """Headers have whole seconds, in GMT."""
    assert http_date(999) == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert http_date(1_700_000_000_500) == "Tue, 14 Nov 2023 22:13:20 GMT"
