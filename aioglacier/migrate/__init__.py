"""Whole vaults, or some of their archives, moved to S3's classes and proven on both sides.

``Migration`` moves archives; ``check_report`` compares the manifest of a move with bucket and catalog;
``ProvenDeletion`` deletes in the vault what is proven to be in the bucket. A name is loaded when it is first
used.
"""

from __future__ import annotations

from aioglacier.public_names import load_at_first_use

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Final

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

if not TYPE_CHECKING:  # else every misspelt name would have a type
    __getattr__, __dir__ = load_at_first_use(__name__, _HOMES)
