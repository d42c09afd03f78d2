"""The rules of the house that no linter knows: sizes, names, doors, and what must never be in a tracked file."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SOURCE = ROOT / "src" / "kurir"

MAX_FILE = 450  # lines
MAX_FUNCTION = 60
BANNED = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc"}
# Files and functions that are larger than the rule, with the reason; shorten this list, do not lengthen it.
LARGE: dict[str, str] = {}

# No machine's own paths, no package registry (lock files have hashes and no addresses).
_FORBIDDEN = re.compile(
    rb"(?<![\w.])/(?:work|home/\w+|Users/\w+|root)/[\w.-]+|--(?:extra-)?index-url|(?:pypi|pythonhosted|npmjs)\.org|artifactory|/simple/"
)


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def name(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, int]]:
    """Every function with its length in lines, docstring not counted."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            words = 0
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                words = (first.end_lineno or 0) - first.lineno + 1
            yield prefix + node.name, (node.end_lineno or 0) - node.lineno + 1 - words
            yield from functions(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.ClassDef):
            yield from functions(node, f"{prefix}{node.name}.")
        else:
            yield from functions(node, prefix)


def test_no_file_outgrows_its_room() -> None:
    large = {
        name(f): n
        for f in modules()
        if (n := len(f.read_text("utf-8").splitlines())) > MAX_FILE and name(f) not in LARGE
    }
    assert not large, f"longer than {MAX_FILE} lines: {large}; a file that grows wants to be two"


def test_every_function_fits_a_screen() -> None:
    large = {
        f"{name(f)}:{function}": n
        for f in modules()
        for function, n in functions(ast.parse(f.read_text("utf-8")))
        if n > MAX_FUNCTION and f"{name(f)}:{function}" not in LARGE
    }
    assert not large, f"longer than {MAX_FUNCTION} lines: {large}; name the parts"


def test_the_list_of_exceptions_has_no_dead_entries() -> None:
    for entry in LARGE:
        file, _, function = entry.partition(":")
        text = (SOURCE / file).read_text("utf-8")
        size = dict(functions(ast.parse(text)))[function] if function else len(text.splitlines())
        assert size > (MAX_FUNCTION if function else MAX_FILE), f"{entry} is small enough now"


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert not [name(f) for f in SOURCE.rglob("*") if f.stem.lower().strip("_") in BANNED]


@pytest.mark.parametrize("door", sorted(SOURCE.rglob("__init__.py")), ids=name)
def test_every_package_has_a_door_that_explains_it(door: Path) -> None:
    assert ast.get_docstring(ast.parse(door.read_text("utf-8"))), (
        f"{name(door)} does not say what the package is for"
    )


def test_a_room_exports_what_its_door_names() -> None:
    for door in SOURCE.glob("*/__init__.py"):
        tree = ast.parse(door.read_text("utf-8"))
        if not any(isinstance(n, ast.ImportFrom) for n in tree.body):
            continue
        assert any(
            isinstance(n, ast.Assign) and getattr(n.targets[0], "id", "") == "__all__" for n in tree.body
        ), name(door)


@pytest.mark.parametrize("door", sorted(SOURCE.glob("*/__init__.py")), ids=name)
def test_the_map_in_a_door_shows_what_is_there(door: Path) -> None:
    _, *table = (ast.get_docstring(ast.parse(door.read_text("utf-8"))) or "").split("====  ====")
    shown = set(re.findall(r"`([a-z_]+)`", "".join(table)))
    there = {f.stem for f in door.parent.glob("*.py")} | {
        f.parent.name for f in door.parent.glob("*/__init__.py")
    }
    assert shown <= there


def test_every_module_opens_by_saying_what_it_does() -> None:
    assert not [name(f) for f in modules() if not ast.get_docstring(ast.parse(f.read_text("utf-8")))]


def test_tracked_files_name_no_machine_and_no_registry() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode != 0:  # an unpacked archive instead of a clone: look at everything that is shipped
        files = [
            p
            for part in ("src", "tests", "docs", "scripts", "rfc")
            for p in (ROOT / part).rglob("*")
            if p.is_file()
        ]
    else:
        files = [ROOT / n for n in listed.stdout.decode().split("\0") if n]
    found = {}
    for file in files:
        if (
            file.is_file()
            and file != Path(__file__).resolve()
            and (hits := _FORBIDDEN.findall(file.read_bytes()))
        ):
            found[str(file.relative_to(ROOT))] = sorted({h.decode(errors="replace") for h in hits})
    assert not found
