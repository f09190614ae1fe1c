"""The source of the package as the tests of its structure read it: imports, branches, uses of messages."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "aioglacier"

#: Methods that compare a text with another one.
COMPARISONS = {"startswith", "endswith", "find", "index", "removeprefix", "removesuffix"}


@dataclass(frozen=True)
class Import:
    """One import: its module, its line and its kind."""

    importer: str
    target: str
    line: int
    in_function: bool
    for_types: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.target}"


def name_of(path: Path) -> str:
    """Return the dotted name of a module of the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


#: A module in C has its types in a ``.pyi``.
MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py*")) if path.suffix in {".py", ".pyi"}}


def is_types_only(test: ast.expr) -> bool:
    """Return whether an ``if`` is the one for type checkers."""
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def imports_of(module: str, *, source: str | None = None) -> Iterator[Import]:
    """Yield every import of a module; ``from package import module`` imports the module."""
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]

    def walk(node: ast.AST, *, in_function: bool, for_types: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, node.lineno, in_function, for_types)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield Import(module, inner if inner in MODULES else base, node.lineno, in_function, for_types)
        elif isinstance(node, ast.If) and is_types_only(node.test):
            for statement in node.body:
                yield from walk(statement, in_function=in_function, for_types=True)
            for statement in node.orelse:
                yield from walk(statement, in_function=in_function, for_types=for_types)
        else:
            is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for child in ast.iter_child_nodes(node):
                yield from walk(child, in_function=in_function or is_function, for_types=for_types)

    yield from walk(ast.parse(source or path.read_text()), in_function=False, for_types=path.suffix == ".pyi")


@cache
def all_imports() -> dict[str, list[Import]]:
    """Return the imports of each module, computed on first use and not at collection."""
    return {module: list(imports_of(module)) for module in MODULES}


def every_import() -> list[Import]:
    """Return the imports of all modules, for tests of all: a test for each would cost more."""
    return [each for imports in all_imports().values() for each in imports]


def is_inside(import_: Import) -> bool:
    """Return whether an import is one of this package."""
    return import_.target.split(".")[0] == "aioglacier"


def branches(tree: ast.AST) -> int:
    """Return how often the functions of a module decide."""
    kinds = (ast.If, ast.IfExp, ast.Match, ast.While, ast.ExceptHandler)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = {id(node): node for function in functions for node in ast.walk(function)}
    return sum(isinstance(node, kinds) for node in inside.values())


def is_message(node: ast.expr) -> bool:
    """Return whether an expression is the text of an error or of a log record."""
    match node:
        case ast.Name(id=name):
            return name == "message"
        case ast.Attribute(attr=name):
            return name in {"message", "msg", "args"}
        case ast.Call(func=ast.Name(id="str" | "repr"), args=[ast.Name(id="error" | "failure" | "cause")]):
            return True
        case ast.Call(func=ast.Attribute(value=value)) | ast.Subscript(value=value):
            return is_message(value)
    return False


def reads_a_message(node: ast.AST) -> bool:
    """Return whether a node compares a message with words that are written in the source."""
    match node:
        case ast.Compare(left=ast.Constant(value=str()), comparators=[text]):
            return is_message(text)
        case ast.Compare(left=ast.Name(id=name), comparators=[text]):
            return name.isupper() and is_message(text)
        case ast.Compare(left=text, comparators=[ast.Constant(value=str())]):
            return is_message(text)
        case ast.Call(func=ast.Attribute(value=text, attr=name)) if name in COMPARISONS:
            return is_message(text)
        case ast.Call(func=ast.Attribute(value=ast.Name(id="re")), args=[_, text, *_]):
            return is_message(text)
    return False
