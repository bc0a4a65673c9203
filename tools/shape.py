"""The measures of the house: files, folders, classes with their bases, names, imports in functions.

``python -m tools.shape [FOLDER]`` prints them for the package, or for any folder of Python; ``check`` fails where the
package is past one of :data:`LIMITS`.
"""

from __future__ import annotations

import ast
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).parent.parent / "lilfox_tui"
PLUGIN_NAMES = {"Options"}
"""What every plug-in may call so: the model of its own options."""
PLUGINS = (
    "alerts/notifiers", "audit/checks", "backends/kinds", "backup/sources", "backup/stores", "logs/formats",
    "logs/sources", "metrics/collectors",
)  # fmt: skip
"""Folders with one file an integration: a reader opens the one that he is after, so they are no measure of the walk."""
LONGEST_MODULE = 600


class Shape(NamedTuple):
    """What a reader has to hold in his head."""

    files: int
    plugins: int
    """Files of integrations, which are not in ``files``."""
    lines: int
    median: int
    longest: tuple[int, str]
    fullest: tuple[int, str]
    largest: tuple[int, str]
    deepest: tuple[int, str]
    doubles: Mapping[str, list[str]]
    lazy: int
    """Import statements in functions; ``tests/test_lazy_imports.py`` has the reason of each."""


LIMITS = {
    "files": 500,
    "longest": LONGEST_MODULE,
    "fullest": 25,
    "largest": 45,
    "deepest": 3,
    "doubles": 0,
    "lazy": 160,
}


class _Class(NamedTuple):
    bases: list[str]
    methods: int
    where: str


def measure(root: Path) -> Shape:
    """The shape of the Python files below ``root``. An ``__init__.py`` counts neither as a file nor for the median."""
    paths = [path for path in sorted(root.rglob("*.py")) if "__pycache__" not in path.parts]
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    modules = [path for path in paths if path.name != "__init__.py"]
    entries = Counter(path.parent for path in modules)
    plugins = [path for path in modules if _is_plugin(root, path)]
    for folder in {path.parent for path in plugins}:
        del entries[folder]
    for folder in {path.parent for path in paths} - {path.parent for path in plugins}:
        entries[folder] += sum((each / "__init__.py").exists() for each in folder.iterdir() if each.is_dir())
    classes, by_name = _classes(root, paths)
    largest = max(((_methods(name, classes), name) for name in classes), default=(0, ""))
    deepest = max(((_depth(name, classes), name) for name in classes), default=(0, ""))
    return Shape(
        files=len(modules) - len(plugins),
        plugins=len(plugins),
        lines=sum(lines.values()),
        median=round(statistics.median(lines[path] for path in modules)) if modules else 0,
        longest=max((count, _named(root, path)) for path, count in lines.items()),
        fullest=max((count, _named(root, folder)) for folder, count in entries.items()),
        largest=largest,
        deepest=deepest,
        doubles={name: places for name, places in sorted(by_name.items()) if len(places) > 1},
        lazy=sum(len(list(_in_functions(path))) for path in paths),
    )


def _is_plugin(root: Path, path: Path) -> bool:
    return path.relative_to(root).as_posix().startswith(tuple(f"{folder}/" for folder in PLUGINS))


def lazy_imports(path: Path) -> Iterator[str]:
    """The modules that the functions of a file import. Where a package of ours gives several modules
    (``from lilfox_tui.jobs import listing``) it is those."""
    for node in _in_functions(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif node.module is not None and (PACKAGE.parent / node.module.replace(".", "/") / "__init__.py").exists():
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif node.module is not None:
            yield node.module


def _in_functions(path: Path) -> Iterator[ast.Import | ast.ImportFrom]:
    """Each import statement in a function, once however deep it stands."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    found = {id(node): node for function in functions for node in ast.walk(function)}
    yield from (node for node in found.values() if isinstance(node, ast.Import | ast.ImportFrom))


def _named(root: Path, path: Path) -> str:
    return path.relative_to(root.parent).as_posix()


def _classes(root: Path, paths: list[Path]) -> tuple[dict[str, _Class], dict[str, list[str]]]:
    """Classes by ``module.Name`` with the full names of their bases in the project, and where each name is used."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}
    by_name: dict[str, list[str]] = defaultdict(list)
    found: dict[str, _Class] = {}
    for path, tree in trees.items():
        module = ".".join(path.relative_to(root.parent).with_suffix("").parts)
        imported = {
            alias.asname or alias.name: f"{node.module}.{alias.name}"
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module
            for alias in node.names
        }
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                names = [ast.unparse(base).partition("[")[0] for base in node.bases]
                bases = [imported.get(name, f"{module}.{name}") for name in names]
                methods = sum(isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) for each in node.body)
                found[f"{module}.{node.name}"] = _Class(bases, methods, _named(root, path))
                if node.name not in PLUGIN_NAMES:
                    by_name[node.name].append(_named(root, path))
    return found, by_name


def _methods(name: str, classes: Mapping[str, _Class]) -> int:
    """Its own and those of its bases; one that is overridden counts twice, as it is read twice."""
    return sum(classes[each].methods for each in _with_bases(name, classes))


def _with_bases(name: str, classes: Mapping[str, _Class]) -> set[str]:
    if name not in classes:
        return set()
    return {name}.union(*(_with_bases(base, classes) for base in classes[name].bases))


def _depth(name: str, classes: Mapping[str, _Class]) -> int:
    if name not in classes:
        return 0
    return 1 + max((_depth(base, classes) for base in classes[name].bases), default=0)


def troubles(shape: Shape) -> list[str]:
    """Where it is past :data:`LIMITS`."""
    measured = {
        "files": (shape.files, ""),
        "longest": shape.longest,
        "fullest": shape.fullest,
        "largest": shape.largest,
        "deepest": shape.deepest,
        "doubles": (len(shape.doubles), ", ".join(shape.doubles)),
        "lazy": (shape.lazy, ""),
    }
    return [
        f"{name}: {count}, at most {LIMITS[name]}  {where}".rstrip()
        for name, (count, where) in measured.items()
        if count > LIMITS[name]
    ]


def main(argv: list[str]) -> int:
    """Returns the exit status: 0 good, 1 past a limit."""
    shape = measure(Path(argv[0]) if argv and argv != ["check"] else PACKAGE)
    if argv == ["check"]:
        found = troubles(shape)
        for each in found:
            print(each, file=sys.stderr)
        return int(bool(found))
    print(f"files                                {shape.files:>7,}")
    print(f"  and files of integrations          {shape.plugins:>7,}")
    print(f"lines                                {shape.lines:>7,}")
    print(f"lines of the median module           {shape.median:>7,}")
    for title, (count, where) in (
        ("lines of the longest module", shape.longest),
        ("entries of the fullest folder", shape.fullest),
        ("methods of the largest class", shape.largest),
        ("classes of the deepest ladder", shape.deepest),
    ):
        print(f"{title:<36} {count:>7,}  {where}")
    print(f"class names in two or more modules   {len(shape.doubles):>7,}  {', '.join(shape.doubles)}")
    print(f"imports in functions                 {shape.lazy:>7,}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
