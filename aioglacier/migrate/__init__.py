"""Moves whole vaults, or some of their archives, to S3's storage classes, with a proof for each archive.

``Migration`` moves archives; ``check_report`` compares the manifest of a move with bucket and catalog;
``ProvenDeletion`` deletes from the vault the archives that are proven to be in the bucket. Each name is
loaded at its first use.
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
