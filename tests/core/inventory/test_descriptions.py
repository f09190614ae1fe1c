"""Names in archive descriptions: known formats are decoded, everything else is its own name."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from aioglacier.core.inventory.descriptions import DECODERS, DecodedName, decode
from tests.characters import CHARACTERS, TEXTS

#: FastGlacier's field for what it compressed or encrypted, from its own example.
COMPRESSED = "<ce>1:1:4340ebcf79712dc5e3ef7d50bab98ba5:54687</ce>"

names = st.text(CHARACTERS, min_size=1)
dates = st.datetimes(datetime(1000, 1, 1)).map(  # noqa: DTZ001  # made aware in the same breath
    lambda date: date.replace(microsecond=0, tzinfo=UTC)
)


def compact(date: datetime) -> str:
    """The date as these tools write it, ``20120821T170824Z``."""
    return date.isoformat().replace("-", "").replace(":", "").replace("+0000", "Z")


def base64url(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@pytest.mark.slow
@given(names, dates)
def test_mt_aws_glacier_is_decoded(name: str, modified: datetime) -> None:
    """Both versions give name and date; the first has its UTF-8 encoded twice."""
    data = json.dumps({"filename": name, "mtime": compact(modified)}, ensure_ascii=False).encode()
    expected = DecodedName(name, modified, "mt-aws-glacier")
    assert decode(f"mt2 {base64url(data)}") == expected
    assert decode(f"mt1 {base64url(data.decode('latin-1').encode())}") == expected
    assert decode(f" mt2  {base64.urlsafe_b64encode(data).decode()} ") == expected


@given(names, dates, st.sampled_from("234"), st.sampled_from(["", COMPRESSED]))
def test_fastglacier_is_decoded(name: str, modified: datetime, version: str, extra: str) -> None:
    """Versions 2 to 4 give name and date, with the field for compressed files or without."""
    path = base64.b64encode(name.encode()).decode()
    description = f"<m><v>{version}</v><p>{path}</p><lm>{compact(modified)}</lm>{extra}</m>"
    assert decode(description) == DecodedName(name, modified, "FastGlacier")


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        # FastGlacier's own example.
        (
            f"<m><v>4</v><p>Z2xhY2llci1kZy5wZGY=</p><lm>20120821T170824Z</lm>{COMPRESSED}</m>",
            DecodedName("glacier-dg.pdf", datetime(2012, 8, 21, 17, 8, 24, tzinfo=UTC), "FastGlacier"),
        ),
        # What sync writes, plain and encrypted.
        (
            '{"aioglacier": "bundle", "folder": "tree", "id": "93d4c051"}',
            DecodedName("tree-bundle-93d4c051.tar", None, "aioglacier"),
        ),
        (
            '{"aioglacier": "bundle", "id": "93d4c051"}',
            DecodedName("bundle-93d4c051.tar.age", None, "aioglacier"),
        ),
        ('{"aioglacier": "file", "id": "93d4c051"}', DecodedName("file-93d4c051.age", None, "aioglacier")),
        # White space, and quotes left over from CSV.
        (
            '"<ArchiveMetadata>     <Path>   YS9iL2MudHh0   </Path></ArchiveMetadata>"',
            DecodedName("a/b/c.txt", None, "FastGlacier"),
        ),
        (
            "   <m><v>4</v><p>YS90ZXN0X3B5dGjDtm4udHh0 </p><lm>20190121T085242Z  </lm>     </m>",
            DecodedName("a/test_pythön.txt", datetime(2019, 1, 21, 8, 52, 42, tzinfo=UTC), "FastGlacier"),
        ),
        # QNAP, new and old.
        (
            "<m><v>4</v><p>L3NhbXBsZS8xMjM0LnBkZg==</p><lm>20190501T100059Z</lm></m>",
            DecodedName("/sample/1234.pdf", datetime(2019, 5, 1, 10, 0, 59, tzinfo=UTC), "FastGlacier"),
        ),
        ('{"path": "/sample/1234.pdf", "type": "file"}', DecodedName("/sample/1234.pdf", None, "JSON")),
        # CloudBerry writes UTF-7.
        (
            '{"Path":"c:\\\\photos\\\\c01+AF8-s0010.dpx","UTCDateModified":"20100310T110623Z","Flags":1}',
            DecodedName(
                "c:\\photos\\c01_s0010.dpx", datetime(2010, 3, 10, 11, 6, 23, tzinfo=UTC), "CloudBerry"
            ),
        ),
        (
            '{"path":"a+APY-b","UTCDateModified":"20100310T110623Z"}',
            DecodedName("aöb", datetime(2010, 3, 10, 11, 6, 23, tzinfo=UTC), "CloudBerry"),
        ),
        ('{"Path":"1 +- 1+B"}', DecodedName("1 +- 1+B", None, "CloudBerry")),
        ('{"Path":"a","UTCDateModified":5}', DecodedName("a", None, "CloudBerry")),
        # A date that is none does not cost the name.
        ("<m><v>4</v><p>YQ==</p><lm>20191301T100059Z</lm></m>", DecodedName("a", None, "FastGlacier")),
        ("<m><v>4</v><p>YQ==</p></m>", DecodedName("a", None, "FastGlacier")),
        ("mt2 " + base64url(b'{"filename":"a"}'), DecodedName("a", None, "mt-aws-glacier")),
        # Wrong UTF-8 is replaced, half a surrogate pair too.
        ("<m><v>4</v><p>Yf8=</p></m>", DecodedName("a\ufffd", None, "FastGlacier")),
        ('{"path":"a\\ud83d"}', DecodedName("a\ufffd", None, "JSON")),
    ],
)
def test_recorded_and_odd_descriptions_are_decoded(description: str, expected: DecodedName) -> None:
    """Descriptions of real vaults, and texts that resemble them."""
    assert decode(description) == expected


@pytest.mark.parametrize(
    "description",
    [
        "",
        " ",
        "holiday.tar",
        " spaces kept ",
        "mt2",
        "mt2 ",
        "mt2 !!!",
        "mt2 a",
        "mt2 " + base64url(b"[]"),
        "mt2 " + base64url(b'{"filename":5}'),
        "mt2 " + base64url(b'{"filename":""}'),
        "mt2 " + base64url(b"\xff"),
        "mt1 " + base64url('{"filename":"\u0142"}'.encode()),
        "mt3 " + base64url(b'{"filename":"a"}'),
        "<m></m>",
        "<m><p></p></m>",
        "<m><p>a</p></m>",
        "<p>YQ==</p>",
        "see <m><p>YQ==</p></m>",
        '{"path": 5}',
        '{"path": ""}',
        '{"path": "a"',
        '{"name": "a"}',
        '["path"]',
        "{",
        '{"a":' * 5000,
        '{"path":' + "9" * 5000 + "}",
    ],
)
def test_what_is_in_no_known_format_is_its_own_name(description: str) -> None:
    """Similar texts are not decoded, and returned completely."""
    assert decode(description) == DecodedName(description, None, "plain")


@given(TEXTS)
def test_no_description_makes_decoding_raise(description: str) -> None:
    """Any text has a name, and the name can be stored and sent."""
    decoded = decode(description)
    assert decoded.name.encode() or not description
    assert decoded.tool


@given(
    st.sampled_from(["mt1 ", "mt2 ", "{", '{"Path":', '{"path":"', "<m><p>", "<ArchiveMetadata><Path>"]),
    st.one_of(TEXTS, st.binary().map(base64url)),
    st.sampled_from(["", "}", '"}', "</p></m>", "</Path></ArchiveMetadata>", "</p><lm>1</lm></m>"]),
)
def test_nothing_like_a_known_format_makes_decoding_raise(head: str, body: str, tail: str) -> None:
    """Beginnings of the known formats with anything in them are decoded, or are plain."""
    assert decode(head + body + tail).name.encode()
    for decoder in DECODERS:
        decoder(head + body + tail)


@given(
    st.recursive(
        st.none() | st.integers() | TEXTS,
        lambda inner: st.dictionaries(
            st.sampled_from(["Path", "path", "UTCDateModified", "filename", "mtime"]), inner
        ),
    )
)
def test_no_json_makes_decoding_raise(value: object) -> None:
    """Known keys may hold anything."""
    text = json.dumps(value)
    assert decode(text).name
    assert decode(f"mt2 {base64url(text.encode())}").name
