"""The writer and the reader of XML documents."""

from __future__ import annotations

import pytest

from aioglacier.server.protocol.xml_format import MalformedXmlError, read, write


def test_a_document_is_read_as_it_was_written() -> None:
    """Texts, lists, nesting and truth values come back; ``None`` leaves an element out."""
    content = {"A": "<&>\"'", "B": ["1", "2"], "C": {"D": True, "E": None}, "F": "ü\r\n"}
    body = write("Root", content)
    root = read(body, "Root")
    assert root.value("A") == "<&>\"'"
    assert [one.text for one in root.all("B")] == ["1", "2"]
    assert root.value("C", "D") == "true"
    assert root.find("C", "E") is None
    assert root.value("F") == "ü\r\n"


def test_control_characters_become_references() -> None:
    """S3 writes them so, although XML 1.0 has no such reference."""
    assert b"<Key>a&#x1;b</Key>" in write("Root", {"Key": "a\x01b"})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"text",
        b"<Root>",
        b"<Root></Other>",
        b"<Other/>",
        b'<!DOCTYPE Root [<!ENTITY a "aaaa">]><Root>&a;</Root>',
        b"<!DOCTYPE Root><Root/>",
        b'<!DOCTYPE Root SYSTEM "file:///etc/passwd"><Root/>',
        b"<Root>" * 40 + b"</Root>" * 40,
        b"<Root/><Root/>",
        b"<Root>\xff</Root>",
    ],
)
def test_what_is_not_the_document_is_refused(body: bytes) -> None:
    """No entity is expanded, nothing is nested deeply, and the root has the name that is expected."""
    with pytest.raises(MalformedXmlError):
        read(body, "Root")
