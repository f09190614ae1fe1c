"""Headers by hand, read by others."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given, settings, strategies as st

from aioglacier.bulk.formats import tar

LONG = b"d" * 99 + b"/" + b"e" * 100
NAMES = [b"a", LONG, b"x" * 255, b"\xff\xfe\n", b"p/" * 120 + b"q" * 50, b"dir" * 40 + b"/", "é/ü".encode()]


def read(archive: bytes) -> list[tarfile.TarInfo]:
    """Return the members that the standard library finds."""
    with tarfile.open(fileobj=io.BytesIO(archive + tar.END)) as opened:
        return opened.getmembers()


@pytest.mark.parametrize("name", NAMES)
def test_a_name_comes_back_byte_for_byte(name: bytes) -> None:
    """Any length and any bytes of a name come back."""
    flag = tar.FLAGS["directory" if name.endswith(b"/") else "file"]
    (member,) = read(tar.member_header(name, type_flag=flag))
    assert member.name.encode(errors="surrogateescape") == name.rstrip(b"/")
    assert member.isdir() == name.endswith(b"/")


@settings(deadline=None)
@given(
    size=st.integers(0, 16 << 20),
    mode=st.integers(0, 0o7777),
    uid=st.integers(0, 2**32 - 1),
    gid=st.integers(0, 2**32 - 1),
    mtime_ns=st.integers(-(2**62), 2**62),
)
def test_numbers_come_back(size: int, mode: int, uid: int, gid: int, mtime_ns: int) -> None:
    """Those that a header has no room for are in a pax header."""
    header = tar.member_header(b"f", size=size, mode=mode, uid=uid, gid=gid, mtime_ns=mtime_ns)
    (member,) = read(header + bytes(size) + tar.padding(size))
    assert (member.size, member.mode, member.uid, member.gid) == (size, mode, uid, gid)
    assert abs(member.mtime - mtime_ns / 1e9) < 1


def test_a_pax_header_carries_attributes_long_targets_and_the_exact_time() -> None:
    """A pax header that is needed anyway also has the sub-second time."""
    target = b"t" * 300
    header = tar.member_header(
        b"l",
        type_flag=tar.FLAGS["symlink"],
        target=target,
        mtime_ns=1_500_000_001,
        attributes={"user.a": b"b"},
    )
    (member,) = read(header)
    assert member.linkname.encode() == target
    assert member.pax_headers["mtime"] == "1.500000001"
    assert member.pax_headers["SCHILY.xattr.user.a"] == "b"


def test_a_short_name_needs_no_pax_header() -> None:
    """One block for a member: sub-second times alone are not worth two more."""
    assert len(tar.member_header(b"a/b", mtime_ns=1_500_000_001)) == tar.BLOCK
