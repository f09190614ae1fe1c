"""Whole vaults, or some of their archives, moved to S3's classes and proven on both sides.

``Migration`` moves archives; ``check_report`` compares the manifest of a move with bucket and catalog;
``ProvenDeletion`` deletes in the vault what is proven to be in the bucket. A name is loaded when it is first
used.
"""

from __future__ import annotations

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any, Final

    from aioglacier.migrate.migration import Migration as Migration, MigrationOptions as MigrationOptions
    from aioglacier.migrate.move_costs import TargetCosts as TargetCosts
    from aioglacier.migrate.proven_deletion import (
        DeletionPlan as DeletionPlan,
        ProvenDeletion as ProvenDeletion,
    )
    from aioglacier.migrate.report import Report as Report, check_report as check_report

#: The public names of each module.
_HOMES: Final = {
    "migration": ("Migration", "MigrationOptions"),
    "move_costs": ("TargetCosts",),
    "proven_deletion": ("DeletionPlan", "ProvenDeletion"),
    "report": ("Report", "check_report"),
}

_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names}

if not TYPE_CHECKING:  # else every misspelt name would have a type

    def __getattr__(name: str) -> Any:
        """Load a public name, or their list, at its first use (PEP 562)."""
        if name in _HOME_OF:
            import importlib  # noqa: PLC0415  # only where a name is used

            value = getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
        elif name == "__all__":
            value = sorted(_HOME_OF)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted(_HOME_OF)
