"""Both hashing cores, the native one and hashlib's, give the same hashes; the right one is chosen."""

from __future__ import annotations

import array
import gc
import importlib
import mmap
import os
import shutil
import subprocess
import sys
import threading
import time
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from aioglacier.core import treehash
from aioglacier.core.treehash import combine_leaves, hash_core

native: Any
try:
    native = importlib.import_module("aioglacier.core.native")
except ImportError:
    native = None

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

ROOT = Path(__file__).parents[2]
MIB = 1024 * 1024
DATA = bytes(range(251)) * (3 * MIB // 251 + 2)

needs_native = pytest.mark.skipif(
    native is None or not native.INSTRUCTIONS, reason="no compiler here, or no SHA instructions in this CPU"
)
both = pytest.mark.parametrize(
    "new_pair",
    [
        pytest.param(native and native.HashPair, id="native", marks=needs_native),
        pytest.param(treehash._HashlibPair, id="hashlib"),
    ],
)
NewPair = Any  # a class of pairs


def expected(data: Buffer) -> tuple[bytes, bytes]:
    """Payload hash and leaves by hashlib, in the plainest way."""
    view = memoryview(data).cast("B")
    leaves = b"".join(sha256(view[at : at + MIB]).digest() for at in range(0, len(view), MIB))
    return sha256(view).digest(), leaves


def run_python(program: str, *arguments: str, command: tuple[str, ...] = (), **environment: str) -> str:
    """Return the output of a program in a Python that sees only the standard library."""
    done = subprocess.run(
        [*command, sys.executable, "-I", "-S", "-c", program, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


#: Prints the core's name and the hashes of some bytes; the folder of the package is its argument.
PROGRAM = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from aioglacier.core.treehash import hash_core, hash_part; "
    "print(hash_core(), hash_part(b'abc' * 500000).tree_hash.hex(), sep='\\n')"
)


@both
def test_each_core_gives_the_published_hashes(
    new_pair: NewPair, vectors: dict[str, Any], pattern: bytes
) -> None:
    """Payload hash, leaves and the tree hash over them, for every published archive."""
    for vector in vectors["vectors"]:
        pair = new_pair()
        pair.update(memoryview(pattern)[: vector["size"]])
        payload_hash, leaves = pair.digests()
        assert payload_hash.hex() == vector["sha256_linear"], vector["name"]
        assert combine_leaves(leaves).hex() == vector["sha256_tree_hash"], vector["name"]


@pytest.mark.slow
@both
@pytest.mark.parametrize("near", [0, 64, 128, MIB, 2 * MIB])
def test_each_core_agrees_with_hashlib_around_blocks_and_leaves(new_pair: NewPair, near: int) -> None:
    """Every length within 66 bytes of a block's or a leaf's end, in one piece and cut at the end's place."""
    for size in range(max(near - 66, 0), near + 67):
        data = memoryview(DATA)[1 : 1 + size]
        whole, cut = new_pair(), new_pair()
        whole.update(data)
        cut.update(data[:near])
        cut.update(data[near:])
        assert whole.digests() == cut.digests() == expected(data), size


@both
@given(
    start=st.integers(0, 130),
    size=st.one_of(st.integers(0, 700), st.integers(0, 3 * MIB)),
    cuts=st.lists(st.one_of(st.integers(0, 700), st.integers(0, 3 * MIB)), max_size=12),
)
def test_each_core_agrees_with_hashlib_however_the_bytes_are_cut(
    new_pair: NewPair, start: int, size: int, cuts: list[int]
) -> None:
    """Any start in memory, any length, any pieces; asking in between changes nothing."""
    data = memoryview(DATA)[start : start + size]
    pair = new_pair()
    at = 0
    for cut in [*sorted(min(cut, len(data)) for cut in cuts), len(data)]:
        pair.update(data[at:cut])
        at = cut
        assert pair.digests()[0] == sha256(data[:at]).digest()
    assert pair.digests() == pair.digests() == expected(data)


@needs_native
@given(
    sizes=st.lists(
        st.one_of(
            st.integers(0, 130), st.sampled_from([55, 56, 63, 64, 119, 120, MIB]), st.integers(0, 70_000)
        ),
        max_size=60,
    ),
    start=st.integers(0, 100),
)
def test_contents_hashed_together_have_the_hashes_of_hashlib(sizes: list[int], start: int) -> None:
    """Any number of contents of any lengths, in any order, at any place in memory."""
    contents = [memoryview(DATA)[start + at : start + at + size] for at, size in enumerate(sizes)]
    assert native.sha256_each(contents) == [sha256(content).digest() for content in contents]


@pytest.mark.parametrize("each", [pytest.param("native", marks=needs_native), "hashlib"])
def test_tree_hashes_are_those_of_each_content(each: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty contents, those of one leaf and of several, with and without the native core."""
    if each == "hashlib":
        monkeypatch.setattr(treehash, "_SHA256_EACH", None)
    contents = [DATA[:size] for size in (0, 1, MIB, MIB + 1, 0, 3 * MIB)]
    assert treehash.tree_hashes(contents) == [treehash.TreeHash(content).digest() for content in contents]
    assert treehash.tree_hashes([]) == []


@needs_native
def test_bytes_are_copied_to_the_start_of_other_memory() -> None:
    """More than there is room for are refused."""
    room = bytearray(b"12345")
    native.copy(memoryview(room)[1:4], b"ab")
    assert room == b"1ab45"
    for to in (memoryview(room)[:1], b"12"):
        with pytest.raises((ValueError, TypeError)):
            native.copy(to, b"ab")
    assert room == b"1ab45"


@needs_native
@pytest.mark.parametrize("mistake", [[1], ["text"], [b"a", None], None, 5])
def test_a_mistake_in_contents_raises(mistake: Any) -> None:
    """Anything but a list of buffers is a TypeError."""
    with pytest.raises(TypeError):
        native.sha256_each(mistake)


@pytest.mark.slow
@pytest.mark.long
@needs_native
def test_the_length_of_more_than_4_gib_is_counted_in_64_bits() -> None:
    """The number of bits, which the last block holds, has more than 32 of its own."""
    piece = bytes(64 * MIB)
    pair = native.HashPair()
    for _ in range(65):
        pair.update(piece)
    pair.update(b"end")
    payload_hash, leaves = pair.digests()
    # sha256sum of these bytes, which takes as long again
    assert payload_hash.hex() == "ebd6d00bcc787cc41feac87135aa280ce1532fba977eb49202a6327e571a8f55"
    assert leaves == sha256(bytes(MIB)).digest() * (65 * 64) + sha256(b"end").digest()


@both
@pytest.mark.parametrize(
    "wrap",
    [
        bytes,
        bytearray,
        memoryview,
        lambda data: memoryview(data).cast("I"),
        lambda data: array.array("I", data),
    ],
)
def test_each_core_takes_any_buffer_and_lets_it_go(
    new_pair: NewPair, wrap: Callable[[bytes], Buffer]
) -> None:
    """Bytes are counted as bytes, whatever the items; afterwards nothing holds the memory."""
    data = wrap(DATA[: 2 * MIB])
    pair = new_pair()
    pair.update(data)
    assert pair.digests() == expected(DATA[: 2 * MIB])
    if isinstance(data, bytearray | array.array):
        data.pop()  # a BufferError, were it still exported


@both
def test_each_core_takes_mapped_memory(new_pair: NewPair) -> None:
    """Shared memory, as part buffers are, can be unmapped after its bytes were hashed."""
    with mmap.mmap(-1, 2 * MIB) as memory:
        memory[:] = DATA[: 2 * MIB]
        pair = new_pair()
        with memoryview(memory) as view:
            pair.update(view[7:])
        assert pair.digests() == expected(DATA[7 : 2 * MIB])


@both
@pytest.mark.parametrize("data", ["text", 5, None, memoryview(DATA)[::2]])
def test_each_core_refuses_what_is_no_row_of_bytes(new_pair: NewPair, data: Any) -> None:
    """Text, numbers and every other byte of a buffer are errors, and leave the hashes as they were."""
    pair = new_pair()
    pair.update(b"abc")
    with pytest.raises((TypeError, BufferError)):
        pair.update(data)
    assert pair.digests() == expected(b"abc")


@needs_native
def test_hashing_lets_other_threads_run_but_not_in_the_same_pair() -> None:
    """While one thread hashes, another one runs, and is refused by the pair that is in use."""
    pair = native.HashPair()
    stop = threading.Event()
    piece = bytes(32 * MIB)

    def hash_on() -> None:
        while not stop.is_set():
            pair.update(piece)

    thread = threading.Thread(target=hash_on)
    thread.start()
    refusals: list[RuntimeError] = []
    until = time.monotonic() + 20
    while not refusals and time.monotonic() < until:
        try:
            pair.update(b"")
            pair.digests()
        except RuntimeError as error:
            refusals.append(error)
    stop.set()
    thread.join(20)
    assert "another thread" in str(refusals[0])
    assert not thread.is_alive()
    count = len(pair.digests()[1]) // 32
    assert pair.digests()[1] == sha256(bytes(MIB)).digest() * count


@needs_native
def test_pairs_that_are_gone_leave_nothing_behind() -> None:
    """Neither references to the type nor exported buffers add up."""
    data = bytearray(5000)
    gc.collect()
    before = sys.getrefcount(native.HashPair)
    for _ in range(1000):
        pair = native.HashPair()
        pair.update(data)
        pair.digests()
    gc.collect()
    assert sys.getrefcount(native.HashPair) < before + 100
    with pytest.raises(TypeError, match="no arguments"):
        native.HashPair(data)


@needs_native
def test_the_native_core_is_taken_where_it_can_be() -> None:
    """A Python without further settings hashes natively, and says by what."""
    assert run_python(PROGRAM, str(ROOT), AIOGLACIER_NATIVE="1").startswith(
        f"native, {native.INSTRUCTIONS}\n"
    )


def test_the_switch_turns_the_native_core_off() -> None:
    """With AIOGLACIER_NATIVE=0 hashlib gives the same hash."""
    answer = run_python(PROGRAM, str(ROOT), AIOGLACIER_NATIVE="0")
    assert answer.splitlines() == ["hashlib", sha256_tree(b"abc" * 500000)]


def test_a_package_without_the_compiled_core_hashes_with_hashlib(tmp_path: Path) -> None:
    """A copy of the package as a system without a compiler has it works, and gives the same hash."""
    no_library = shutil.ignore_patterns("native*.so", "native*.pyd", "native.c", "__pycache__")
    shutil.copytree(ROOT / "aioglacier" / "core", tmp_path / "aioglacier" / "core", ignore=no_library)
    shutil.copy(ROOT / "aioglacier" / "__init__.py", tmp_path / "aioglacier")
    answer = run_python(PROGRAM, str(tmp_path), AIOGLACIER_NATIVE="1")
    assert answer.splitlines() == ["hashlib", sha256_tree(b"abc" * 500000)]


@needs_native
@pytest.mark.skipif(not shutil.which("qemu-x86_64"), reason="needs qemu-user to be an older CPU")
@pytest.mark.skipif(sys.platform != "linux", reason="qemu-user is for Linux")
def test_a_cpu_without_the_instructions_hashes_with_hashlib() -> None:
    """On a CPU of 2008 the compiled core loads, finds no instructions and leaves the work to hashlib."""
    answer = run_python(PROGRAM, str(ROOT), command=("qemu-x86_64", "-cpu", "Nehalem"), AIOGLACIER_NATIVE="1")
    assert answer.splitlines() == ["hashlib", sha256_tree(b"abc" * 500000)]


def sha256_tree(data: bytes) -> str:
    """The tree hash of at most two leaves."""
    left, right = sha256(data[:MIB]), sha256(data[MIB:])
    return sha256(left.digest() + right.digest()).hexdigest()


def test_the_name_of_the_core_is_public() -> None:
    """``aioglacier.hash_core()`` says what hashes in this process."""
    import aioglacier  # noqa: PLC0415

    assert aioglacier.hash_core() == hash_core()
    assert hash_core() == "hashlib" or hash_core().startswith("native, ")
