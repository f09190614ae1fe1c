"""Run one benchmark, report or check the results, or list the question that each benchmark asks."""

import ast
import compileall
import runpy
import sys
from pathlib import Path

FOLDER = Path(__file__).parent

#: What is done with results.
DEEDS = {
    "publish": "Measure anew all that README and docs publish.",
    "report": "Turn the committed results into tables and plots.",
    "check": "Print what must hold, what was measured, and whether it does.",
}


def questions() -> dict[str, str]:
    """The first line of every benchmark, by its name."""
    found = {}
    for path in sorted(FOLDER.glob("*.py")):
        line = (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]
        if line.endswith("?"):
            found[path.stem] = line
    return found


def main() -> None:
    """Run the benchmark that was named."""
    known = questions() | DEEDS
    if len(sys.argv) < 2 or sys.argv[1] not in known:
        print("usage: python -m benchmarks NAME [--quick] [--output FILE]\n")
        for name, question in known.items():
            print(f"  {name:24} {question}")
        sys.exit(2 if len(sys.argv) > 1 and sys.argv[1] not in {"-h", "--help"} else 0)
    name = sys.argv.pop(1)
    if name not in DEEDS:
        # As an installation has it: with PYTHONDONTWRITEBYTECODE set, each process would compile by itself.
        for folder in (FOLDER, FOLDER.parent / "aioglacier"):
            compileall.compile_dir(folder, quiet=1)
    runpy.run_module(f"benchmarks.{name}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
