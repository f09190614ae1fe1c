"""The structure of the package: allowed imports, read from the source, and what an import loads."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import aioglacier
from aioglacier.core import errors
from tests.package_source import (
    MODULES,
    PACKAGE,
    ROOT,
    Import,
    all_imports,
    branches,
    every_import,
    imports_of,
    is_inside,
    reads_a_message,
)

#: Each room, and the rooms it may import from. ``__main__`` belongs to the command line, the
#: ``__init__`` of the package to the client.
ROOMS: dict[str, set[str]] = {
    "core": set(),
    "tasks": {"core"},
    "files": {"core", "tasks"},
    "gateway": {"files", "tasks", "core"},
    "transfer": {"gateway", "files", "tasks", "core"},
    "cluster": {"transfer", "gateway", "files", "tasks", "core"},
    "catalog": {"files", "tasks", "core"},
    "recorded": {"catalog", "transfer", "gateway", "files", "tasks", "core"},
    "client": {"cluster", "recorded", "catalog", "transfer", "gateway", "files", "tasks", "core"},
    "bulk": {"cluster", "client", "recorded", "catalog", "transfer", "gateway", "files", "tasks", "core"},
    "fs": {"cluster", "client", "recorded", "catalog", "transfer", "gateway", "files", "tasks", "core"},
    "migrate": {
        "cluster",
        "bulk",
        "client",
        "recorded",
        "catalog",
        "transfer",
        "gateway",
        "files",
        "tasks",
        "core",
    },
    "server": {"core"},
    "testing": {"server", "client", "cluster", "transfer", "gateway", "core"},
    "cli": {
        "testing",
        "server",
        "migrate",
        "bulk",
        "client",
        "recorded",
        "catalog",
        "cluster",
        "transfer",
        "gateway",
        "files",
        "tasks",
        "core",
    },
}

#: The order inside each room, from the bottom: a child imports only from children to its left. A module that
#: is not listed stands above all that are.
ORDER: dict[str, tuple[str, ...]] = {
    "gateway": ("contract", "http", "calls", "credentials", "vaults", "s3", "retry"),
    "transfer": ("snapshot", "store", "budget", "hashing", "resources", "spreading", "upload", "download"),
    "catalog": (
        "records",
        "checksums",
        "storage",
        "vaults",
        "absence_rows",
        "archive_rows",
        "inventories",
        "folders",
    ),
    "recorded": (
        "upload_records",
        "recording_store",
        "vault_records",
        "recording_gateway",
        "job_request",
        "place_context",
        "outcome",
        "vault_context",
        "buckets",
        "reserved_jobs",
        "described_uploads",
        "resume",
    ),
    "bulk": (
        "path_failures",
        "filters",
        "pricing",
        "formats",
        "places",
        "settling",
        "upload_in_parts",
        "sync",
        "restore",
        "streams",
    ),
    "server": (
        "protocol",
        "state",
        "requests",
        "operations",
        "upkeep",
        "routes",
        "s3_routes",
        "control_api",
        "vault_service",
        "s3_service",
        "app",
        "connection",
        "local",
    ),
    "cli": ("render", "program", "shared", "commands"),
}

#: Files in one folder, at most.
MAX_FILES = 15

#: Names that modules of several rooms share, because one mirrors the other: the service's nouns, commands
#: with their libraries, and the gateways of two services.
MIRRORED = {
    "account",
    "answers",
    "arguments",
    "archives",
    "caller",
    "inventory",
    "jobs",
    "objects",
    "uploads",
    "vault",
    "vaults",
    "vault_settings",
    "catalog",
    "dialect",
    "documents",
    "download",
    "gateway",
    "recover",
    "restore",
    "streams",
    "sync",
    "upload",
    "verify",
}

#: Arrows that still point up inside a room, to be turned.
KNOWN_ARROWS_UP: set[tuple[str, str]] = set()

#: Arrows that still point up from one room to another, to be turned.
KNOWN_ARROWS_BETWEEN_ROOMS: set[tuple[str, str]] = set()

#: Circles that still have to be opened, each by one of its modules.
KNOWN_CIRCLES: set[str] = set()

#: Names that are still alike.
KNOWN_ALIKE: set[str] = set()

#: The only modules that the server shares with the client; otherwise both could agree on the same mistake.
SHARED_WITH_SERVER = {f"aioglacier.core.{name}" for name in ("crc", "limits", "ranges", "treehash")}

#: The door for ``endpoint_url="local:DIR"``, opened inside a function.
LOCAL_DOOR = "aioglacier.client.local_endpoint"

#: Packages that know AWS or HTTP, and the rooms that may import them.
PLANES = {
    "aiobotocore": {"gateway"},
    "botocore": {"gateway"},
    "boto3": set(),
    "aiohttp": {"gateway", "server"},
}

#: Modules that a hash worker may load; every further module lengthens each worker's start.
WORKER = "aioglacier.transfer.hashing.worker"
WORKER_LOADS = {
    WORKER,
    "aioglacier.transfer.hashing.part_job",
    "aioglacier.core.treehash",
    "aioglacier.core.native",
    "aioglacier.core.crc",  # by the first job that needs it
    "aioglacier.core.tuples",
    "aioglacier.files.reading",
}

#: Modules that decide by words of a message, because the sender states the fact nowhere else.
READERS_OF_MESSAGES = {
    "aioglacier.gateway.vaults.dialect",  # the vault API has one code for several errors
    "aioglacier.bulk.formats.age",  # the library has one error for all that can be wrong
}


#: From this many branches on, a module decides something, and has a test file of its own.
MANY_BRANCHES = 4

#: Modules whose test file has another name, because it tests several of them.
TESTED_ELSEWHERE = {
    "aioglacier.bulk.archives.output_run": "tests/cluster/test_moving.py",
    "aioglacier.bulk.file_hashes": "tests/cluster/test_checking.py",
    "aioglacier.bulk.sync.bundle_run": "tests/cluster/test_bundles.py",
    "aioglacier.transfer.upload.spread_parts": "tests/cluster/test_runners.py",
}

#: Modules that ``import aioglacier`` must not load.
UNLOADED = (
    "distributed",
    "aiobotocore",
    "botocore",
    "click",
    "rich",
    "sqlite3",
    "aioglacier.server",
    "aioglacier.cli",
)


def room_of(module: str) -> str:
    """Return the room of a module of the package."""
    parts = module.split(".")
    if parts[-1] == "__main__":
        return "cli"
    return parts[1] if len(parts) > 1 and parts[1] in ROOMS else "client"


def is_allowed(import_: Import) -> bool:
    """Return whether the importer's room may import from the target's room in this way."""
    here, there = room_of(import_.importer), room_of(import_.target)
    if (import_.importer, import_.target) in KNOWN_ARROWS_BETWEEN_ROOMS:
        return True
    if here == "server" and there == "core":
        return import_.target in SHARED_WITH_SERVER
    if import_.importer == LOCAL_DOOR and there == "server":
        return import_.in_function or import_.for_types
    return there == here or there in ROOMS[here]


@pytest.mark.slow
def test_imports_point_downward() -> None:
    """No module imports from a room above its own, not even for types or inside a function."""
    assert not [str(each) for each in every_import() if is_inside(each) and not is_allowed(each)]


def test_inside_imports_name_modules_that_exist() -> None:
    """Every import of the package names a module that exists, so that these tests judge it."""
    assert not [str(each) for each in every_import() if is_inside(each) and each.target not in MODULES]


def test_the_core_rests_on_the_standard_library() -> None:
    """Outside the package the core imports Python's own modules, and typing_extensions for types only."""
    foreign = [
        str(each)
        for each in every_import()
        if room_of(each.importer) == "core"
        and not is_inside(each)
        and each.target.split(".")[0] not in sys.stdlib_module_names
        and not (each.for_types and each.target == "typing_extensions")
    ]
    assert not foreign


def test_one_room_knows_aws() -> None:
    """Only the gateway imports aiobotocore, botocore and aiohttp's client; the server serves with aiohttp."""
    strangers = [
        str(each)
        for each in every_import()
        for room in (room_of(each.importer),)
        if room not in PLANES.get(each.target.split(".")[0], {room})
    ]
    assert not strangers


def child_of(module: str, room: str) -> str:
    """Return the sub-room or loose module of a room that a module belongs to."""
    return module.split(".")[2] if module.count(".") > 1 else room


def arrows_up_inside(room: str) -> set[tuple[str, str]]:
    """Return the imports inside a room that point to a child above the importer's own."""
    order = ORDER[room]
    up = set()
    for module, imports in all_imports().items():
        for each in imports:
            if room_of(module) != room or not is_inside(each) or room_of(each.target) != room:
                continue
            here, there = child_of(module, room), child_of(each.target, room)
            level = {child: at for at, child in enumerate(order)}
            if here != there and level.get(there, len(order)) > level.get(here, len(order)):
                up.add((module, each.target))
    return up


@pytest.mark.parametrize("room", ORDER)
def test_imports_point_downward_inside_a_room(room: str) -> None:
    """Sub-rooms have a fixed order, and no import points up in it, not even one for types."""
    assert arrows_up_inside(room) == {arrow for arrow in KNOWN_ARROWS_UP if room_of(arrow[0]) == room}


def circles() -> list[set[str]]:
    """Return every set of modules that import each other, counting types and imports in functions."""
    graph = {
        module: {each.target for each in imports if each.target in MODULES} - {module}
        for module, imports in all_imports().items()
    }

    def reachable(start: str) -> set[str]:
        seen: set[str] = set()
        unread = [start]
        while unread:
            for target in graph[unread.pop()] - seen:
                seen.add(target)
                unread.append(target)
        return seen

    reach = {module: reachable(module) for module in graph}
    found: list[set[str]] = []
    for module in graph:
        if module in reach[module] and not any(module in circle for circle in found):
            found.append({other for other in reach[module] if module in reach[other]})
    return found


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Following imports never leads back, types counted, so each file can be read alone."""
    assert [sorted(circle) for circle in circles() if not circle & KNOWN_CIRCLES] == []
    assert len(circles()) == len(KNOWN_CIRCLES)


@pytest.mark.parametrize(
    "folder", sorted({path.parent for path in MODULES.values()}), ids=lambda path: path.name
)
def test_a_folder_holds_few_files(folder: Path) -> None:
    """A folder has few files."""
    assert len(list(folder.glob("*.py"))) <= MAX_FILES


def test_module_names_differ() -> None:
    """Two modules have the same name only where one mirrors the other."""
    names: dict[str, list[str]] = {}
    for module, path in MODULES.items():
        if path.stem not in {"__init__", "__main__"}:
            names.setdefault(path.stem, []).append(module)
    alike = {name: homes for name, homes in names.items() if len(homes) > 1 and name not in MIRRORED}
    assert {*alike} == KNOWN_ALIKE, alike


def test_a_hash_worker_loads_almost_nothing() -> None:
    """From the worker's module on, only the standard library, the tree hash and the part job are reached."""
    unread = [module for module in (WORKER,) if module in MODULES]
    seen: set[str] = set()
    foreign = []
    while unread:
        module = unread.pop()
        seen.add(module)
        for each in all_imports()[module]:
            if each.for_types:
                continue
            if is_inside(each):
                unread += {each.target} - seen
            elif each.target.split(".")[0] not in sys.stdlib_module_names:
                foreign.append(str(each))
    assert not foreign
    assert seen <= WORKER_LOADS


def test_a_hash_worker_loads_none_of_what_takes_longest() -> None:
    """A worker loads none of the modules that would lengthen its start by a fifth and more."""
    program = (
        f"import sys; sys.path.append({str(ROOT)!r}); import {WORKER}; "
        "print(*{'typing', 're', 'json', 'enum', 'threading', 'contextlib', 'functools'} & set(sys.modules))"
    )
    command = [sys.executable, "-I", "-S", "-c", program]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "\n"


def test_exported_names_are_what_is_there() -> None:
    """``__all__`` is sorted, has what type checkers see and every error, and every name in it exists."""
    exported: list[str] = getattr(aioglacier, "__all__")  # noqa: B009  # made at its first use
    assert exported == sorted(exported) == dir(aioglacier)
    typed = {
        alias.asname
        for block in ast.parse(Path(aioglacier.__file__).read_text()).body
        if isinstance(block, ast.If)
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
        if alias.asname is not None
    }
    assert {*exported} == typed | {name for name in vars(errors) if name.endswith("Error")}
    assert all(hasattr(aioglacier, name) for name in exported)
    assert not hasattr(aioglacier, "NoSuchError")


def test_a_module_that_decides_has_its_test_file() -> None:
    """The tests mirror the package, so that a rule and its tests are found by one name."""
    without = set()
    for module, path in MODULES.items():
        mirror = ROOT / "tests" / path.relative_to(PACKAGE).with_name(f"test_{path.name}")
        if path.stem.startswith("__") or path.suffix != ".py" or mirror.exists():
            continue
        if branches(ast.parse(path.read_text())) >= MANY_BRANCHES and module not in TESTED_ELSEWHERE:
            without.add(module)
    assert not without
    assert all((ROOT / path).exists() for path in TESTED_ELSEWHERE.values())


@pytest.mark.slow
def test_no_decision_reads_a_message() -> None:
    """Facts are attributes of errors; only what others say in words alone is read from their words."""
    readers = {
        module
        for module, path in MODULES.items()
        if any(reads_a_message(node) for node in ast.walk(ast.parse(path.read_text())))
    }
    assert readers == READERS_OF_MESSAGES


def test_engine_reader_and_folders_ask_for_no_kind_of_place() -> None:
    """A vault and a bucket differ behind protocols: no code above them looks which of the two it has."""
    rooms = ("transfer/upload", "transfer/download", "bulk/sync", "bulk/restore", "bulk/streams")
    paths = [path for room in rooms for path in (PACKAGE / room).glob("*.py")]
    kinds = {
        "Vault",
        "Bucket",
        "VaultPlace",
        "BucketPlace",
        "VaultContext",
        "BucketContext",
        "ArchivedObject",
    }
    found = [
        f"{path}:{node.lineno}"
        for path in (*paths, PACKAGE / "bulk" / "verify.py", PACKAGE / "bulk" / "recover.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance"
        if kinds & {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    ]
    assert found == []


def test_importing_the_package_loads_neither_server_nor_aws() -> None:
    """The import stays quick: it loads no AWS client, command line, server or SQLite."""
    program = "import json, sys, aioglacier; print(json.dumps(sorted(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True)
    loaded = set(json.loads(answer.stdout))
    assert "aioglacier" in loaded
    assert not loaded & set(UNLOADED)


@pytest.mark.parametrize(
    "room", [path for path in sorted(PACKAGE.iterdir()) if (path / "__init__.py").exists()]
)
def test_a_room_says_why_it_exists(room: Path) -> None:
    """Each package states its purpose in its docstring and has a place in the drawing above."""
    assert room.name in ROOMS
    for package in room.rglob("__init__.py"):
        assert ast.get_docstring(ast.parse(package.read_text())), package
    assert ast.get_docstring(ast.parse((room / "__init__.py").read_text()))


@pytest.mark.parametrize(
    ("importer", "source", "is_right"),
    [
        ("aioglacier.core.limits", "from aioglacier.gateway import interface", False),
        ("aioglacier.core.limits", "def f():\n    import aioglacier.server", False),
        ("aioglacier.core.limits", "from ..gateway.interface import Gateway", False),
        ("aioglacier.core.limits", "if TYPE_CHECKING:\n    from aioglacier.transfer import x", False),
        ("aioglacier.core.limits", "from . import treehash", True),
        ("aioglacier.gateway", "from aioglacier.core import errors", True),
        ("aioglacier.gateway", "import aioglacier", False),
        ("aioglacier.server", "from aioglacier.core import errors", False),
        ("aioglacier.server", "from aioglacier.core import limits, treehash", True),
        ("aioglacier.server", "from aioglacier.gateway import interface", False),
        ("aioglacier.transfer", "from aioglacier.gateway import interface", True),
        ("aioglacier", "from aioglacier.server import x", False),
        ("aioglacier.cli", "from aioglacier.server import x", True),
        ("aioglacier.testing", "from aioglacier.cli import x", False),
    ],
)
def test_the_rules_catch_what_they_are_for(importer: str, source: str, is_right: bool) -> None:
    """A forbidden import is found in every spelling, and an allowed one passes."""
    found = list(imports_of(importer, source=source))
    assert found
    assert all(is_allowed(each) for each in found) is is_right
