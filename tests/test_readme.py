"""The README does what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_the_example_of_library_use_runs(tmp_path: Path) -> None:
    """The README's Python example archives a stream, gets it back and prints the archive."""
    example, _ = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    script = tmp_path / "example.py"
    script.write_text(example)
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    archive_id, size, tree_hash = done.stdout.split()
    expected = b"".join(b"frame %d" % number * 20_000 for number in range(100))
    assert (tmp_path / "november.raw").read_bytes() == expected
    assert int(size) == len(expected)
    assert len(tree_hash) == 64
    assert len(archive_id) == 138
