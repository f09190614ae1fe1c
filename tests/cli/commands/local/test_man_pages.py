"""Pages for ``man``."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from aioglacier.cli.program.main import COMMANDS

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


def test_every_command_has_a_page(bare: Cli) -> None:
    """Each has its name, its usage and its options, and groff has nothing to complain about."""
    pages = {record["page"] for record in bare("--json", "man-pages", "man1").records}
    assert {f"man1/aioglacier-{name}.1" for name in COMMANDS} | {"man1/aioglacier.1"} <= pages
    page = (bare.folder / "man1" / "aioglacier-sync.1").read_text()
    assert page.startswith('.TH "AIOGLACIER-SYNC" 1\n.SH NAME\naioglacier\\-sync \\- Take a folder')
    assert "\\-\\-one\\-file\\-system" in page
    assert all(
        line.startswith((".TH", ".SH", ".PP", ".TP")) for line in page.splitlines() if line.startswith(".")
    )
    if groff := shutil.which("groff"):
        done = subprocess.run(
            [groff, "-man", "-Tutf8", "-ww"], input=page.encode(), capture_output=True, check=True
        )
        assert not done.stderr
