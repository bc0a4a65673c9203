"""Rules that hold for every file, read from the syntax trees; the layers are import-linter's."""

from __future__ import annotations

import ast
import gc
import re
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tools import shape

pytestmark = pytest.mark.xdist_group("tree")  # one worker reads all files once
ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "lilfox_tui"
LONGEST_FILE = shape.LONGEST_MODULE
DRAW = "lilfox_tui/app/rendering/draw.py"
MAIN = "lilfox_tui/__main__.py"  # --version, a constant, before anything is imported
COUNTING = "lilfox_tui/logs/count_process.py"  # its stdout is a pipe to who asked it to count
BENCH = "tests/bench/"  # measures; not tests
OUTPUT = "lilfox_tui/cli/output.py"
DRAWN = {"Text", "Segment", "Strip", "Content"}

Rule = Callable[[str, ast.AST], bool]


def test_the_tests_of_a_group_are_kept_together(request: pytest.FixtureRequest) -> None:
    """pytest-xdist does it by this name, and where that has no effect all go to all workers, silently: hosts
    and servers that were meant to be started once are started by each."""
    if getattr(request.config.option, "loadgroup", False):
        assert request.node.nodeid.endswith("@tree")


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


@cache
def trees() -> dict[Path, ast.Module]:
    """All files that a rule looks at. They stay: no look for garbage walks their million nodes, neither while they are
    made nor after each test, where it took more time than the test."""
    gc.disable()
    try:
        return {path: ast.parse(path.read_text(encoding="utf-8")) for path in sources("lilfox_tui", "tests", "tools")}
    finally:
        gc.freeze()
        gc.enable()


def where(rule: Rule, *folders: str) -> list[str]:
    """``file:line`` of each node that the rule finds."""
    return [
        f"{name}:{getattr(node, 'lineno', 0)}"
        for path in sources(*folders)
        for name in [path.relative_to(ROOT).as_posix()]
        for node in ast.walk(trees()[path])
        if rule(name, node)
    ]


def called(node: ast.AST) -> str:
    """The last name of what is called, ``print`` or ``write`` of ``sys.stdout.write``; nothing for other nodes."""
    if not isinstance(node, ast.Call):
        return ""
    return getattr(node.func, "id", "") or getattr(node.func, "attr", "")


def markup_is_on(_file: str, node: ast.AST) -> bool:
    return (
        isinstance(node, ast.keyword)
        and node.arg in ("markup", "console_markup")
        and not (isinstance(node.value, ast.Constant) and node.value.value is False)
    )


def parses_markup(_file: str, node: ast.AST) -> bool:
    return called(node) in ("from_markup", "from_ansi", "render_markup") or (
        isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("rich.markup", "textual.markup"))
    )


def knows_the_screen(file: str, node: ast.AST) -> bool:
    if file.startswith("lilfox_tui/app/"):
        return False
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    if isinstance(node, ast.ImportFrom):
        names = [node.module or ""]
    return any(name.partition(".")[0] in ("textual", "rich") for name in names)


def draws(file: str, node: ast.AST) -> bool:
    """Makes what a screen shows; all of it goes through the one place that cleans."""
    if file == DRAW or not isinstance(node, ast.Call):
        return False
    function = node.func
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        return function.value.id in DRAWN  # Text.assemble, Strip.blank, Content.styled
    return isinstance(function, ast.Name) and function.id in DRAWN


def writes_stdout(file: str, node: ast.AST) -> bool:
    if file == OUTPUT:
        return False
    if called(node) == "print":
        return True
    if not isinstance(node, ast.Attribute) or node.attr not in ("write", "writelines", "buffer"):
        return False
    return ast.unparse(node.value) in ("sys.stdout", "sys.__stdout__") and file not in (MAIN, COUNTING)


def sleeps(file: str, node: ast.AST) -> bool:
    return called(node) == "sleep" and not file.startswith(BENCH)


def has_no_literal(_file: str, node: ast.AST) -> bool:
    """A text that cannot be collected for translation."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id not in ("_", "tr"):
        return False
    first = node.args[0] if node.args else None
    return not (isinstance(first, ast.Constant) and isinstance(first.value, str))


def translates_in_an_f_string(_file: str, node: ast.AST) -> bool:
    """Before Python 3.12 an f-string is one token: what is called in it is not collected."""
    return isinstance(node, ast.JoinedStr) and any(called(inner) in ("_", "tr", "ngettext") for inner in ast.walk(node))


def starts_a_shell(_file: str, node: ast.AST) -> bool:
    if called(node) in ("create_subprocess_shell", "system", "popen", "getoutput", "getstatusoutput"):
        return True
    return (
        isinstance(node, ast.keyword)
        and node.arg == "shell"
        and not (isinstance(node.value, ast.Constant) and node.value.value is False)
    )


@pytest.mark.fault("S5")
@pytest.mark.parametrize(
    ("rule", "folders"),
    [
        (markup_is_on, ("lilfox_tui",)),
        (parses_markup, ("lilfox_tui",)),
        (knows_the_screen, ("lilfox_tui",)),
        (draws, ("lilfox_tui/app",)),
        (writes_stdout, ("lilfox_tui",)),
        (starts_a_shell, ("lilfox_tui",)),
        (sleeps, ("tests",)),
    ],
)
def test_no_file_breaks(rule: Rule, folders: tuple[str, ...]) -> None:
    assert where(rule, *folders) == []


def test_every_text_can_be_collected_for_translation() -> None:
    broken = [
        place for place in where(has_no_literal, "lilfox_tui") if not place.startswith("lilfox_tui/core/i18n.py:")
    ]
    assert broken == []
    assert where(translates_in_an_f_string, "lilfox_tui") == []


@pytest.mark.fault("S5")
@pytest.mark.parametrize(
    ("rule", "code"),
    [
        (markup_is_on, "Static(x, markup=True)"),
        (markup_is_on, "Static(x, markup=flag)"),
        (parses_markup, "Text.from_markup(x)"),
        (knows_the_screen, "from rich.text import Text"),
        (knows_the_screen, "import textual.app"),
        (draws, "Text(x)"),
        (draws, "Strip.blank(3)"),
        (writes_stdout, "print(x)"),
        (writes_stdout, "sys.stdout.write(x)"),
        (starts_a_shell, "subprocess.run(x, shell=True)"),
        (starts_a_shell, "os.system(x)"),
        (sleeps, "await asyncio.sleep(1)"),
        (has_no_literal, "tr(f'{x}')"),
        (has_no_literal, "_(x)"),
        (translates_in_an_f_string, "f'{_(\"x\")}'"),
    ],
)
def test_each_rule_finds_what_it_is_for(rule: Rule, code: str) -> None:
    assert any(rule("lilfox_tui/other.py", node) for node in ast.walk(ast.parse(code)))


def test_files_stay_readable() -> None:
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in sources("lilfox_tui", "tests", "tools")
    }
    assert len(lengths) > 50
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_a_file_that_a_text_names_is_there() -> None:
    """Beside the file that names it, or by its path in a folder above; of the documentation, anywhere."""
    there = {path.as_posix() for path in sources("lilfox_tui", "tests", "tools")}
    lost, found = [], 0
    for text in [*sources("lilfox_tui"), ROOT / "docs" / "architecture.md"]:
        for name in re.findall(r"`([\w/]+\.py)`", text.read_text(encoding="utf-8")):
            found += 1
            beside = any(f"{folder}/{name}" in there for folder in text.parents)
            if not beside and (text.suffix == ".py" or not any(path.endswith(f"/{name}") for path in there)):
                lost.append(f"{text.relative_to(ROOT)}: {name}")
    assert found > 140
    assert lost == []


def test_the_documented_layers_are_those_that_are_held() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if "lilfox_tui.__main__" in contract.get("layers", ())]
    drawn = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("\n## ")[0]
    held = {name.strip().removeprefix("lilfox_tui.") for layer in layers for name in layer.split("|")}
    assert held - set(re.findall(r"\w+", drawn)) == set()


def functions(*folders: str) -> Iterator[tuple[str, int]]:
    for path in sources(*folders):
        for node in ast.walk(trees()[path]):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node.end_lineno - node.lineno + 1


def test_functions_stay_readable() -> None:
    assert [f"{name}: {length}" for name, length in functions("lilfox_tui", "tools") if length > 50] == []


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_names_no_index_and_pins_everything(name: str) -> None:
    lines = (ROOT / name).read_text().splitlines()
    assert not [line for line in lines if "://" in line or line.startswith("-") or " @ " in line]
    assert len(pins(name)) > 20
    assert all("==" in line for line in pins(name))
    assert sum("--hash=sha256:" in line for line in lines) >= len(pins(name))


def pins(name: str) -> list[str]:
    """Such as ``h11==0.16.0``, of each package."""
    lines = (ROOT / name).read_text().splitlines()
    return [line.removesuffix(" \\") for line in lines if line and not line.startswith((" ", "#"))]


def test_what_runs_is_what_is_tested() -> None:
    """Both locks hold it in the same version, and the one for running nothing that only tests need."""
    assert set(pins("requirements.lock")) < set(pins("requirements-dev.lock"))
    assert not [line for line in pins("requirements.lock") if line.startswith(("pytest", "mypy", "ruff", "hypothesis"))]


def test_the_hooks_are_what_make_lint_does() -> None:
    recipe = (ROOT / "Makefile").read_text().partition("\nlint: ")[2].partition("\n\n")[0].splitlines()[1:]
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    assert re.findall(r"entry: \.venv/bin/(.+)", hooks) == [line.removeprefix("\t$(BIN)/") for line in recipe]
