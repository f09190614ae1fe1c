"""A catalog is recovered by the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.bulk.conftest import make_tree, picture
from tests.cli.conftest import Cli

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_the_program_tells_what_it_costs_and_what_came_of_it(tmp_path: Path) -> None:
    """A lost catalog, an inventory, a plan, and the folder is there again."""
    program = Cli(tmp_path, ("--local", "glacier"))
    tree = make_tree(tmp_path / "tree", files=5)
    program("vault", "create", "photos")
    program("sync", "tree", "photos")
    other = Cli(tmp_path, ("--local", "glacier", "--catalog", "new.db"))
    assert "inventory photos" in other("catalog", "recover", "photos").err
    other("inventory", "photos")
    plan = other("--json", "catalog", "recover", "photos", "--dry-run").record
    assert (plan["bundles"], plan["jobs"]) == (1, 1)
    assert plan["cost"] > 0
    done = other("--json", "catalog", "recover", "photos").record
    assert (done["bundles"], done["jobs_started"], done["folders"]) == (1, 1, [str(tree)])
    other("restore", "photos", "back")
    assert picture(tmp_path / "back") == picture(tree)
