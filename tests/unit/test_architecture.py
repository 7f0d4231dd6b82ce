"""Who may know whom: every import in the package is read, wherever it stands; an edge that runs upward is named."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import ivdocker

PACKAGE = Path(ivdocker.__file__).parent
CONTRIBUTING = PACKAGE.parent / "CONTRIBUTING.md"


def layers() -> list[set[str]]:
    """The table of rooms in CONTRIBUTING.md, from the top row down: in each row the rooms of one layer."""
    text = CONTRIBUTING.read_text("utf-8")
    table = text.partition("| rooms |")[2].partition("\n\n")[0]
    rows = [line.split("|")[1] for line in table.splitlines()[2:]]
    return [{name.removesuffix("/") for name in re.findall(r"`([\w/]+?)(?:\.py)?`", row)} for row in rows]


RANKS = {name: rank for rank, names in enumerate(reversed(layers())) for name in names}
"""A room may import the rooms of the rows below it."""

ALLOWED_ONLY_IN = {
    "sh": {"process"},
    "psutil": {"process"},
    "time": {"clock"},
    "subprocess": set[str](),
    "numpy": {"requests"},
    "yaml": {"servers"},
    "tfx": {"tfx"},
    "tensorflow_serving": {"tfx"},
    "grpc": {"tfx"},
}
OUTSIDE = {"sh", "psutil"}
EXTRAS = {"numpy", "yaml", "tfx", "tensorflow_serving", "grpc"}
"""Of extras: imported by a function that cannot do without."""
NEED_TFX = {"ivdocker.tfx.client", "ivdocker.tfx.errors", "ivdocker.tfx.runner"}
"""Only use_ivdocker() imports them."""
FORBIDDEN_AT_RUN_TIME = ("docker", "requests", "yaml", "numpy", "google")

FILE_LINES = 400
FUNCTION_LINES = 40
PARAMETERS = 6
FRONT_DOORS = ("validate", "serve")
"""They spell out all of their parameters, however many."""

FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
           for path in FILES}  # fmt: skip


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and module of every import, those inside functions and under TYPE_CHECKING too."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            base = node.module or ""
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield node.lineno, inner if inner in MODULES else base


def room(module: str) -> str:
    """``ivdocker.engine.argv`` is in the room ``engine``; the package itself is in none."""
    return module.partition(".")[2].partition(".")[0]


def place(path: Path, line: int = 1) -> str:
    return f"{path.relative_to(PACKAGE.parent)}:{line}"


def importers() -> list[tuple[str, Path]]:
    return [(name, path) for name, path in MODULES.items() if name != "ivdocker"]


def test_every_room_has_its_rank() -> None:
    found = {room(name) for name, _ in importers()}
    assert found == set(RANKS), "CONTRIBUTING.md's table of rooms and the package differ"


def test_imports_go_down_only() -> None:
    upward = [
        f"{place(path, line)}: {name} imports {target}"
        for name, path in importers()
        for line, target in imports(path)
        if room(target) and room(target) != room(name) and target.startswith("ivdocker.")
        and not RANKS[room(target)] < RANKS[room(name)]
    ]  # fmt: skip
    assert not upward, "\n".join(upward)


def test_no_module_imports_itself_by_a_detour() -> None:
    graph = {name: {target for _, target in imports(path) if target in MODULES} - {name, "ivdocker"}
             for name, path in importers()}  # fmt: skip
    cycle: list[str] = []
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        cycle = error.args[1]
    assert not cycle, " -> ".join(cycle)


def test_some_modules_have_but_one_importer() -> None:
    wrong = [
        f"{place(path, line)}: {name} imports {target}"
        for name, path in MODULES.items()
        for line, target in imports(path)
        if (top := target.partition(".")[0]) in ALLOWED_ONLY_IN and room(name) not in ALLOWED_ONLY_IN[top]
    ]
    assert not wrong, "\n".join(wrong)


def test_nothing_beyond_the_standard_library_sh_and_psutil_is_imported() -> None:
    known = sys.stdlib_module_names | OUTSIDE | EXTRAS | {"ivdocker"}
    wrong = [
        f"{place(path, line)}: {target}"
        for path in FILES
        for line, target in imports(path)
        if target.partition(".")[0] not in known
    ]
    assert not wrong, "\n".join(wrong)


def test_no_code_imports_by_a_name_that_cannot_be_read_here() -> None:
    """``import_module`` stands where the names of our own modules are looked up, and nowhere else."""
    dynamic = {name for name, path in MODULES.items()
               if "import_module" in path.read_text("utf-8") or "__import__" in path.read_text("utf-8")}  # fmt: skip
    assert dynamic <= {"ivdocker", "ivdocker.cli.main", "ivdocker.servers.registry"}


def test_importing_every_module_brings_in_no_other_package() -> None:
    code = (
        "import json, sys\nfrom importlib import import_module\n"
        "before = set(sys.modules)\n"
        "for name in sys.argv[1:]:\n    import_module(name)\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in set(sys.modules) - before})))\n"
    )
    names = [name for name in MODULES if name not in {"ivdocker.__main__", *NEED_TFX}]
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, *names], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    found = set(json.loads(done.stdout))
    assert not found & set(FORBIDDEN_AT_RUN_TIME)
    assert found - sys.stdlib_module_names <= {"ivdocker", *OUTSIDE}


def test_the_package_exports_all_that_it_says_and_nothing_else() -> None:
    assert sorted(ivdocker.__all__) == list(ivdocker.__all__)
    for name in ivdocker.__all__:
        assert getattr(ivdocker, name).__name__ == name
    assert set(dir(ivdocker)) == {*ivdocker.__all__, "__version__"}
    with pytest.raises(AttributeError, match="'ivdocker' has no attribute 'frobnicate'"):
        _ = ivdocker.frobnicate


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text("utf-8"))
    seen = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ivdocker.")
        for alias in node.names
    }
    assert seen == set(ivdocker.__all__)


def test_no_file_is_too_long() -> None:
    lengths = {place(path): len(path.read_text("utf-8").splitlines()) for path in FILES}
    assert {name: lines for name, lines in lengths.items() if lines > FILE_LINES} == {}


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path in FILES:
        for node in ast.walk(parsed(path)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield f"{place(path, node.lineno)} {node.name}", node


def lines_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Without its docstring: what tells of every parameter of a front door is long."""
    doc = node.body[0] if ast.get_docstring(node) else None
    return (
        (node.end_lineno or node.lineno)
        - node.lineno
        + 1
        - (doc.end_lineno - doc.lineno + 1 if doc and doc.end_lineno else 0)
    )


def test_no_function_is_too_long() -> None:
    lengths = {name: lines_of(node) for name, node in functions()}
    assert {name: lines for name, lines in lengths.items() if lines > FUNCTION_LINES} == {}


def test_no_function_has_too_many_parameters() -> None:
    counts = {}
    for name, node in functions():
        if node.name in FRONT_DOORS:
            continue
        every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        counts[name] = len([parameter for parameter in every if parameter.arg not in ("self", "cls")])
    assert {name: count for name, count in counts.items() if count > PARAMETERS} == {}
