"""Convert S3's XML documents to models, and models to documents.

The standard library's parser, expat, reads them. A document type is refused as soon as it begins, so no
entity is ever declared and none can grow; the wire limits a document's length.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import parse_qs, unquote_plus, urlencode
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser
from xml.sax.saxutils import escape

from aioglacier.core.models import Page, UploadId
from aioglacier.core.s3.objects import (
    BucketDescription,
    ChecksumAlgorithm,
    LifecycleRule,
    LockDefault,
    ObjectAttributes,
    ObjectChecksum,
    ObjectEntry,
    ObjectUpload,
    RestoreState,
    UploadedObjectPart,
)
from aioglacier.gateway.contract.row_columns import read_date

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")

_NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"

#: The class of objects for which a list gives none.
_USUAL_CLASS: Final = "STANDARD"


class _PlainNames(TreeBuilder):
    """Builds a tree of names without namespaces, which servers write differently."""

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        return super().start(tag.rpartition("}")[2], attrs)

    def end(self, tag: str, /) -> Element:
        return super().end(tag.rpartition("}")[2])

    def doctype(self, name: str, *_: object) -> None:
        """Refuse a document type; the parser calls this when one begins."""
        raise ValueError(f"it has a document type, {name}")


def parse(body: bytes) -> Element:
    """Return the root of a document.

    Raises:
        ValueError: It is no XML, is cut short, or has a document type.
    """
    parser = XMLParser(target=_PlainNames())  # noqa: S314  # see above
    try:
        parser.feed(body.lstrip())  # a completion that takes long begins with white space
        root: Element = parser.close()
    except ParseError as error:
        raise ValueError(f"it is not XML: {error}") from None
    return root


def get(element: Element, name: str) -> str | None:
    """Return the text of a child, ``None`` where there is none or it is empty."""
    return element.findtext(name) or None


def need(element: Element, name: str) -> str:
    """Return the text of a child.

    Raises:
        KeyError: There is none.
    """
    value = element.findtext(name)
    if value is None:
        raise KeyError(name)
    return value


def check_root(root: Element, name: str) -> None:
    """Raise unless a document is of a kind: any other one, as a page in XHTML, would be an empty list.

    Raises:
        ValueError: It is another.
    """
    if root.tag != name:
        raise ValueError(f"it is a document {root.tag!r}, not {name!r}")


def read_checksum(algorithm: ChecksumAlgorithm, text: str) -> ObjectChecksum:
    """Read a checksum in base64, behind which a count of parts may stand."""
    value, dash, parts = text.partition("-")
    if not value or (dash and read_count(parts) < 1):  # it would prove nothing
        raise ValueError(f"{text!r} is no checksum")
    return ObjectChecksum(algorithm, base64.b64decode(value, validate=True), int(parts) if dash else None)


def write_checksum(checksum: ObjectChecksum) -> str:
    """Write a checksum as headers and documents have it."""
    value = base64.b64encode(checksum.value).decode()
    return value if checksum.parts is None else f"{value}-{checksum.parts}"


def find_checksum(element: Element) -> ObjectChecksum | None:
    """Return the checksum among the children of an element, the strongest if there are several."""
    for algorithm in reversed(ChecksumAlgorithm):
        text = get(element, f"Checksum{algorithm}")
        if text is not None:
            return read_checksum(algorithm, text)
    return None


def read_etag(text: str) -> str:
    """Return an entity tag without its quotation marks."""
    return text.strip('"')


def md5_of_etag(etag: str) -> ObjectChecksum | None:
    """Return the MD5 that an entity tag is, with the count of parts; ``None`` if it is something else."""
    found = re.fullmatch(r"([0-9a-f]{32})(?:-(\d+))?", etag)
    if found is None:
        return None
    parts = int(found[2]) if found[2] else None
    return ObjectChecksum(ChecksumAlgorithm.MD5, bytes.fromhex(found[1]), parts)


# --- buckets


def read_buckets(root: Element) -> Page[BucketDescription]:
    """Read one page of ListBuckets."""
    buckets = (
        BucketDescription(
            need(each, "Name"), read_date(need(each, "CreationDate")), get(each, "BucketRegion")
        )
        for each in root.findall("Buckets/Bucket")
    )
    return Page(tuple(buckets), get(root, "ContinuationToken"))


def read_lifecycle(root: Element) -> tuple[LifecycleRule, ...]:
    """Read the rules of a bucket."""
    return tuple(map(_read_rule, root.findall("Rule")))


def _read_rule(rule: Element) -> LifecycleRule:
    days = rule.findtext("AbortIncompleteMultipartUpload/DaysAfterInitiation")
    places = "Prefix", "Filter/Prefix", "Filter/And/Prefix"  # the first is of an older form
    return LifecycleRule(
        id=get(rule, "ID") or "",
        is_enabled=_choice(need(rule, "Status"), "Enabled", "Disabled") == "Enabled",
        prefix=next(filter(None, map(rule.findtext, places)), ""),
        abort_uploads_after_days=read_count(days) if days else None,
        deletes=rule.find("Expiration/Days") is not None or rule.find("Expiration/Date") is not None,
        moves_to=tuple(move.findtext("StorageClass", "") for move in rule.findall("Transition")),
    )


def read_versioning(root: Element) -> bool:
    """Return whether a bucket keeps versions from now on."""
    return _choice(get(root, "Status"), "Enabled", "Suspended", None) == "Enabled"


def _choice(value: str | None, *allowed: str | None) -> str | None:
    """Return a word that is one of a few; another one would count as the opposite."""
    if value not in allowed:
        raise ValueError(f"{value!r} is none of {allowed}")
    return value


def read_object_lock(root: Element) -> LockDefault:
    """Read the default retention of a bucket with Object Lock."""
    _choice(get(root, "ObjectLockEnabled"), "Enabled", None)
    default = root.find("Rule/DefaultRetention")
    if default is None:
        return LockDefault()
    unit = "Days" if default.find("Days") is not None else "Years"
    return LockDefault(need(default, "Mode"), f"{read_count(need(default, unit))} {unit.lower()}")


def write_location(region: str) -> str:
    """Write the place of a new bucket; us-east-1 has no name here."""
    if region in {"us-east-1", "aws-global"}:
        return ""
    return _document("CreateBucketConfiguration", _tag("LocationConstraint", region))


# --- objects


def read_objects(root: Element) -> Page[ObjectEntry]:
    """Read one page of ListObjectsV2 whose keys are encoded as in a URL."""
    return _page(root, "Contents", _read_object, get(root, "NextContinuationToken"))


def _read_object(item: Element) -> ObjectEntry:
    return ObjectEntry(
        key=_read_key(item),
        size=read_count(need(item, "Size")),
        etag=read_etag(item.findtext("ETag") or ""),
        modified=read_date(need(item, "LastModified")),
        storage_class=get(item, "StorageClass") or _USUAL_CLASS,
        restore=_read_restore(item.find("RestoreStatus")),
    )


def _read_key(item: Element) -> str:
    # A key may hold characters that XML cannot, so lists are asked for with keys encoded.
    return unquote_plus(need(item, "Key"))


def _read_restore(status: Element | None) -> RestoreState | None:
    if status is None:
        return None
    expires = get(status, "RestoreExpiryDate")
    is_ongoing = get(status, "IsRestoreInProgress") == "true"
    if not is_ongoing and expires is None:
        return None
    return RestoreState(is_ongoing, read_date(expires) if expires else None)


def read_attributes(root: Element) -> tuple[ObjectAttributes, Page[UploadedObjectPart]]:
    """Read the answer to GetObjectAttributes: the object, and one page of its parts."""
    sums, parts = root.find("Checksum"), root.find("ObjectParts")
    counts = (
        parts.findtext(name) for name in ("PartsCount", "TotalPartsCount") if parts is not None
    )  # the API reference and its model differ in the name
    count = next(filter(None, counts), None)
    found = find_checksum(sums) if sums is not None else None
    if found is not None and sums is not None and get(sums, "ChecksumType") == "COMPOSITE" and count:
        found = found._replace(parts=read_count(count))  # the value is without its count here
    attributes = ObjectAttributes(
        size=read_count(need(root, "ObjectSize")),
        etag=read_etag(root.findtext("ETag") or ""),
        storage_class=get(root, "StorageClass") or _USUAL_CLASS,
        checksum=found,
        parts_count=read_count(count) if count else None,
    )
    if parts is None or parts.find("IsTruncated") is None:  # parts without checksums are not listed
        return attributes, Page(() if parts is None else tuple(map(_read_part, parts.findall("Part"))), None)
    return attributes, _page(parts, "Part", _read_part, get(parts, "NextPartNumberMarker"))


def write_restore(days: int | None, tier: str | None) -> str:
    """Write a request to restore an object."""
    inner = "" if days is None else _tag("Days", str(days))
    if tier is not None:
        inner += f"<GlacierJobParameters>{_tag('Tier', tier)}</GlacierJobParameters>"
    return _document("RestoreRequest", inner)


# --- multipart uploads


def read_parts(root: Element) -> tuple[ObjectUpload, Page[UploadedObjectPart]]:
    """Read one page of ListParts: the upload, and its parts."""
    upload = _upload(root, key=need(root, "Key"))
    return upload, _page(root, "Part", _read_part, get(root, "NextPartNumberMarker"))


def _read_part(item: Element) -> UploadedObjectPart:
    checksum = find_checksum(item)
    return UploadedObjectPart(
        number=read_count(need(item, "PartNumber")),
        size=read_count(need(item, "Size")),
        etag=read_etag(item.findtext("ETag") or ""),
        checksum=checksum.value if checksum is not None else None,
    )


def read_uploads(root: Element) -> Page[ObjectUpload]:
    """Read one page of ListMultipartUploads. The marker is two words of the query, see ``read_marker``."""
    marker = urlencode(
        {
            "key-marker": unquote_plus(root.findtext("NextKeyMarker") or ""),
            "upload-id-marker": root.findtext("NextUploadIdMarker") or "",
        }
    )
    return _page(root, "Upload", lambda item: _upload(item, key=_read_key(item)), marker)


def read_marker(marker: str, name: str) -> str | None:
    """Return one word of the marker of a list of uploads."""
    return next(iter(parse_qs(marker).get(name, ())), None)


def _upload(item: Element, *, key: str) -> ObjectUpload:
    started, algorithm = get(item, "Initiated"), get(item, "ChecksumAlgorithm")
    return ObjectUpload(
        key=key,
        id=UploadId(need(item, "UploadId")),
        started=read_date(started) if started else None,
        storage_class=get(item, "StorageClass") or _USUAL_CLASS,
        algorithm=ChecksumAlgorithm(algorithm) if algorithm else None,
    )


def write_completion(parts: Iterable[UploadedObjectPart], checksum: ObjectChecksum | None) -> str:
    """Write the list of parts that an object is made of."""
    name = f"Checksum{checksum.algorithm}" if checksum is not None else ""
    written = []
    for part in sorted(parts, key=lambda part: part.number):
        inner = _tag("PartNumber", str(part.number)) + _tag("ETag", f'"{part.etag}"')
        if name and part.checksum is not None:
            inner += _tag(name, base64.b64encode(part.checksum).decode())
        written.append(f"<Part>{inner}</Part>")
    return _document("CompleteMultipartUpload", "".join(written))


def _page(root: Element, name: str, read_item: Callable[[Element], T], marker: str | None) -> Page[T]:
    """Read the entries of a list, which says itself whether more follow."""
    items = tuple(map(read_item, root.findall(name)))
    if len(set(items)) < len(items):
        raise ValueError(f"it has an entry {name} twice")
    if (is_truncated := need(root, "IsTruncated")) not in {"true", "false"}:
        raise ValueError(f"{is_truncated!r} does not say whether the list goes on")
    if is_truncated == "true" and not marker:
        raise ValueError("the list goes on, and nothing says where")
    return Page(items, marker if is_truncated == "true" else None)


def _document(name: str, inner: str) -> str:
    return f'<{name} xmlns="{_NAMESPACE}">{inner}</{name}>'


def _tag(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>"


def read_count(text: str) -> int:
    """Return a number of bytes or parts that a catalog can keep."""
    value = int(text)
    if not 0 <= value < 2**63:
        raise ValueError(f"{text!r} is no size")
    return value
