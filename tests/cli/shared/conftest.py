"""The session of a command, without a process of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click
import pytest

from aioglacier.cli.program.global_options import Settings
from aioglacier.cli.program.session import Session
from aioglacier.cli.program.stopping import Stopper
from aioglacier.cli.render.console import Output

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def make_session(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Session]:
    """Make the session of a command with these global options, without AWS's variables."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_GLACIER"):
        monkeypatch.delenv(name, raising=False)

    def make(**options: Any) -> Session:
        program = click.Context(click.Group("aioglacier"), info_name="aioglacier")
        context = click.Context(click.Command("list"), parent=program, info_name="list")
        settings = replace(Settings(), **options)
        return Session(context, settings, Output(is_json=settings.json), Stopper())

    return make


@pytest.fixture
def session(make_session: Callable[..., Session]) -> Session:
    """The session of a command for vaults in Ireland."""
    return make_session(region="eu-west-1")
