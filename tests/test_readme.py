"""The README's examples run, and their types are right."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.forking import forks

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """Return the README's Python example as a script."""
    source, _ = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    script = tmp_path / "example.py"
    script.write_text(source)
    return script


def test_the_example_of_library_use_runs_again_and_again(example: Path) -> None:
    """The README's Python example archives a stream, gets it back and prints the archive, each time."""
    for _ in range(2):
        code, out, err = forks().run(["-c", example.read_text()], cwd=example.parent, env=os.environ)
        assert (code, err) == (0, b"")
        archive_id, size, tree_hash = out.decode().split()
        expected = b"".join(b"frame %d" % number * 20_000 for number in range(100))
        assert (example.parent / "november.raw").read_bytes() == expected
        assert int(size) == len(expected)
        assert len(tree_hash) == 64
        assert len(archive_id) == 138


def test_type_checkers_see_the_example_of_library_use(example: Path) -> None:
    """The README's Python example is a file here, which mypy checks with the package in strict mode."""
    assert (ROOT / "tests/client/readme_example.py").read_text() == example.read_text()
