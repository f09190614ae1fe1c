"""``aioglacier completion``: the script that lets a shell complete commands, options and files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click
from click.shell_completion import BashComplete, FishComplete, ZshComplete

from aioglacier.cli.program.command import command as make_command
from aioglacier.cli.program.parameters import Words

if TYPE_CHECKING:
    from aioglacier.cli.program.session import Session


class _Fish(FishComplete):
    """Splits a completion at its first comma only: the description behind it may have others."""

    source_template = FishComplete.source_template.replace('string split ","', 'string split -m 1 ","')


_SHELLS: Final = {"bash": BashComplete, "fish": _Fish, "zsh": ZshComplete}


@make_command("completion")
@click.argument("shell", metavar="SHELL", type=Words(list(_SHELLS)))
def command(session: Session, shell: str) -> int:
    """Print the completion script of a SHELL, to be read when the shell starts.

    For bash, in ~/.bashrc: eval "$(aioglacier completion bash)". For zsh, in ~/.zshrc: eval "$(aioglacier
    completion zsh)". For fish: aioglacier completion fish > ~/.config/fish/completions/aioglacier.fish.
    """
    script = _SHELLS[shell](click.Command(None), {}, "aioglacier", "_AIOGLACIER_COMPLETE").source()
    session.output.record({"shell": shell, "script": script}, lambda record: str(record["script"]).strip())
    return 0
