"""The XML documents of S3: a writer of plain data, and a reader that refuses DTDs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from xml.parsers import expat

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"
PROLOG: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
_SPECIAL: Final = re.compile('[&<>"\r\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]')
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}

#: Elements inside each other; no document of S3 needs half of it.
_MAX_DEPTH: Final = 16


def write(root: str, content: Mapping[str, Any] | str, *, has_namespace: bool = True) -> bytes:
    """Return a document. A list repeats its element, ``None`` leaves it out, a mapping nests."""
    opening = f'{root} xmlns="{_NAMESPACE}"' if has_namespace else root
    inner = content if isinstance(content, str) else "".join(_elements(content))
    return f"{PROLOG}<{opening}>{inner}</{root}>".encode("utf-8", "replace")


def _elements(content: Mapping[str, Any]) -> Iterator[str]:
    for name, value in content.items():
        for one in value if isinstance(value, list) else (value,):
            if isinstance(one, dict):
                yield f"<{name}>{''.join(_elements(one))}</{name}>"
            elif one is not None:
                text = str(one).lower() if isinstance(one, bool) else str(one)
                yield f"<{name}>{_SPECIAL.sub(_escape, text)}</{name}>"


def _escape(match: re.Match[str]) -> str:
    # XML 1.0 has no form for control characters; S3 writes them as references all the same.
    return _ENTITIES.get(match[0]) or f"&#x{ord(match[0]):x};"


class MalformedXmlError(ValueError):
    """A document is not XML, has a DTD, or another root than expected."""


@dataclass(slots=True)
class Element:
    """An element, its name without namespace."""

    name: str
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def all(self, name: str) -> list[Element]:
        """Return the children of a name."""
        return [child for child in self.children if child.name == name]

    def find(self, *names: str) -> Element | None:
        """Return the first element on a path of names, if it exists."""
        found: Element | None = self
        for name in names:
            found = next(iter(found.all(name)), None) if found is not None else None
        return found

    def value(self, *names: str) -> str | None:
        """Return the text of the first element on a path of names, if it exists and is not empty."""
        found = self.find(*names)
        return found.text if found is not None and found.text else None


def read(body: bytes, root: str) -> Element:
    """Return the root of a document.

    Raises:
        MalformedXmlError: The body is not XML, has a DTD, is nested too deeply, or has another root.
    """
    top = Element("")
    open_elements = [top]
    parser = expat.ParserCreate("utf-8", namespace_separator=" ")
    parser.buffer_text = True

    def begin(name: str, _attributes: dict[str, str]) -> None:
        if len(open_elements) > _MAX_DEPTH:
            raise MalformedXmlError("too deep")
        element = Element(name.rpartition(" ")[2])
        open_elements[-1].children.append(element)
        open_elements.append(element)

    def end(_name: str) -> None:
        element = open_elements.pop()
        if element.children:
            element.text = ""  # white space between elements

    def add_text(text: str) -> None:
        open_elements[-1].text += text

    def refuse_dtd(*_: object) -> None:
        raise MalformedXmlError("a DTD")  # entities could expand to gigabytes

    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.CharacterDataHandler = add_text
    parser.StartDoctypeDeclHandler = refuse_dtd
    try:
        parser.Parse(body, True)  # the parser's own signature
    except (expat.ExpatError, ValueError) as error:
        raise MalformedXmlError(str(error)) from None
    if top.children[0].name != root:
        raise MalformedXmlError(f"the root is {top.children[0].name}")
    return top.children[0]
