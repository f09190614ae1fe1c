"""``config show``; ``program/test_configuration`` has the order in which values count."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


def test_values_are_shown_with_their_origin_and_without_secrets(bare: Cli) -> None:
    """One line an option: its value, where it comes from; the password of a catalog's URL is left out."""
    environment = {
        "AIOGLACIER_CATALOG": "postgresql://me:secret@host/a-long-name",
        "AIOGLACIER_EXCLUDE": "*.tmp",
    }
    shown = bare("config", "show", environment=environment)
    lines = {line.split()[0]: line for line in shown.text.splitlines()}
    assert lines["OPTION"].split() == ["OPTION", "VALUE", "FROM"]
    assert lines["catalog"].endswith("variable AIOGLACIER_CATALOG")
    assert "secret" not in shown.text
    assert "@host/a-long-name " in lines["catalog"]  # nothing is cut in a pipe
    assert "*.tmp" in lines["exclude"]
    assert lines["region"].endswith("default")
    assert shown.err.startswith("file: ")
