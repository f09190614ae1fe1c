"""Run one benchmark, report or check the results, or list the question that each benchmark asks."""

import ast
import compileall
import os
import runpy
import sys
from pathlib import Path

FOLDER = Path(__file__).parent

#: Commands that use results.
COMMANDS = {
    "publish": "measure again all that README and docs publish.",
    "report": "Turn the committed results into tables and plots.",
    "check": "Print each goal, its figure, and whether it holds.",
}


def questions() -> dict[str, str]:
    """Return the first line of every benchmark, by name."""
    found = {}
    for path in sorted(FOLDER.glob("*.py")):
        line = (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]
        if line.endswith("?"):
            found[path.stem] = line
    return found


def main() -> None:
    """Run the named benchmark."""
    known = questions() | COMMANDS
    if len(sys.argv) < 2 or sys.argv[1] not in known:
        print("usage: python -m benchmarks NAME [--quick] [--output FILE]\n")
        for name, question in known.items():
            print(f"  {name:24} {question}")
        sys.exit(2 if len(sys.argv) > 1 and sys.argv[1] not in {"-h", "--help"} else 0)
    name = sys.argv.pop(1)
    if name not in COMMANDS:
        # An installation has compiled files. With this variable, each process would compile again.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        for folder in (FOLDER, FOLDER.parent / "aioglacier"):
            compileall.compile_dir(folder, quiet=1)
    runpy.run_module(f"benchmarks.{name}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
