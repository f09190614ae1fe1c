"""The options of a local Glacier."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from aioglacier.server.protocol import behaviour, s3_behaviour
from aioglacier.server.state.server_settings import Settings, spread_delays

SETTINGS = Settings(Path("glacier"))


def test_one_delay_is_that_of_every_tier() -> None:
    """A number stands for all tiers, a mapping changes some."""
    assert set(spread_delays(0).values()) == {0}
    changed = spread_delays({"Bulk": 5})
    assert changed == {**behaviour.JOB_DELAY_SECONDS, "Bulk": 5}


@pytest.mark.parametrize("delay", [-1, float("nan"), {"Slow": 1}, {"Bulk": -1}])
def test_a_wrong_delay_is_refused(delay: float | dict[str, float]) -> None:
    """Negative delays, no numbers and unknown tiers are errors."""
    with pytest.raises(ValueError, match="job_delay"):
        spread_delays(delay)


def test_a_restore_takes_s3s_time_unless_jobs_were_changed() -> None:
    """One option makes jobs and restores of a tier faster."""
    assert SETTINGS.restore_seconds("GLACIER", "Bulk") == s3_behaviour.RESTORE_SECONDS["GLACIER"]["Bulk"]
    quick = replace(SETTINGS, job_delay=spread_delays({"Bulk": 1}))
    assert quick.restore_seconds("GLACIER", "Bulk") == 1
    assert quick.restore_seconds("GLACIER", "Standard") > 1


def test_derived_values_follow_the_options() -> None:
    """The ARN, the lag in milliseconds and the listeners come from one place."""
    assert SETTINGS.vault_arn("photos") == "arn:aws:glacier:us-east-1:012345678901:vaults/photos"
    assert replace(SETTINGS, inventory_lag=0.5).inventory_lag_ms == 500
    assert not SETTINGS.has_listeners
    assert replace(SETTINGS, notify_url="http://here").has_listeners
    assert replace(SETTINGS, sns_endpoint_url="http://here").has_listeners
