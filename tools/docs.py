"""The pages of docs/ that are generated from the code: keys, command line, configuration, checks, and faults.

``python -m tools.docs`` writes them. ``check`` fails if one is stale, or if hand-written Markdown is wider than 100
columns. What is generated stands between two marks such as ``<!-- keys -->`` and ``<!-- /keys -->``.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from rich.cells import cell_len

from lilfox_tui.app.actions import VERBS, Action, actions_of, key_text
from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.navigation import TABS
from lilfox_tui.audit.catalogue import groups
from lilfox_tui.cli.main import COMMANDS, build_parser
from lilfox_tui.config.schema import schema
from lilfox_tui.core import i18n
from tests.bench.scale import report
from tools import faults

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
COLUMNS = 100
_MAY_BE_WIDER = {"table_open", "fence", "code_block"}
_TARGET = re.compile(r"\]\([^)\s]*\)")


def main(argv: list[str]) -> int:
    """Returns the exit status: 0 good, 1 stale, without the two marks or too wide, 2 wrong usage."""
    if argv not in ([], ["check"]):
        print("usage: python -m tools.docs [check]", file=sys.stderr)
        return 2
    i18n.set_language("en")
    # argparse takes its words from the locale.
    os.environ |= {"LANGUAGE": "en", "LC_ALL": "C.UTF-8", "COLUMNS": str(COLUMNS)}
    codes = [faults.main(argv), *(_page(name, make, check=bool(argv)) for name, make in PAGES.items())]
    codes += [_picture(path, text, check=bool(argv)) for path, text in report.pictures().items()]
    return max(codes + [_width(path) for path in written_pages() if argv])


def _page(name: str, make: Callable[[], str], *, check: bool) -> int:
    path, start, end = DOCS / f"{name}.md", f"<!-- {name} -->\n", f"<!-- /{name} -->"
    text = path.read_text(encoding="utf-8")
    before, found, rest = text.partition(start)
    _old, closed, after = rest.partition(end)
    if not (found and closed):
        print(f"docs/{name}.md: no {start.strip()} and {end} in it", file=sys.stderr)
        return 1
    made = f"{before}{start}{make()}{end}{after}"
    if check and made != text:
        print(f"docs/{name}.md is stale; run: make docs", file=sys.stderr)
        return 1
    if not check:
        path.write_text(made, encoding="utf-8")
    return 0


def _picture(path: Path, made: str, *, check: bool) -> int:
    if not check:
        path.write_text(made, encoding="utf-8")
    elif not path.exists() or path.read_text(encoding="utf-8") != made:
        print(f"{path.relative_to(ROOT)} is stale; run: make docs", file=sys.stderr)
        return 1
    return 0


# ---- width -----------------------------------------------------------------------------------------------------------


def written_pages() -> list[Path]:
    """The Markdown of the project and of docs/."""
    return sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])


def _width(path: Path) -> int:
    numbers = wide_lines(path.read_text(encoding="utf-8"))
    for number in numbers:
        print(f"{path.relative_to(ROOT)}:{number}: wider than {COLUMNS} columns; wrap it", file=sys.stderr)
    return int(bool(numbers))


def wide_lines(text: str) -> list[int]:
    """The numbers of lines wider than 100 columns. Tables, code and the targets of links may be wider."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    free = {line for token in tokens if token.type in _MAY_BE_WIDER and token.map for line in range(*token.map)}
    lines = enumerate(text.split("\n"))
    return [at + 1 for at, line in lines if at not in free and cell_len(_TARGET.sub("]", line)) > COLUMNS]


# ---- keys ------------------------------------------------------------------------------------------------------------


def key_tables() -> str:
    """Every action of the app and of its panes as Markdown tables, and the verb of each letter."""
    owners: list[tuple[str, type]] = [("Everywhere", LilFoxApp), *((tab.title.text, tab.load()) for tab in TABS)]
    tables = [f"## {title}\n\n{_keys(actions_of(owner))}" for title, owner in owners]
    letters = sorted(VERBS.items(), key=lambda each: (each[0].lower(), each[0].isupper()))
    rows = [f"| `{letter}` | {verb} |" for letter, (verb, _ids) in letters]
    return "\n".join([*tables, "## One verb a letter\n", "| letter | verb |", "|---|---|", *rows])


def _keys(actions: Iterable[Action]) -> str:
    return "\n".join(("| key | action | what it does |", "|---|---|---|", *map(_key, actions), ""))


def _key(action: Action) -> str:
    keys = " ".join(f"`` {key_text(key)} ``" if key_text(key) == "`" else f"`{key_text(key)}`" for key in action.keys)
    return f"| {keys or '`:`'} | `{action.id}` | {action.help} |"


# ---- command line ----------------------------------------------------------------------------------------------------


def commands() -> str:
    """What ``--help`` prints, of every sub-command and its actions."""
    parser = build_parser([])
    texts = [f"```text\n{parser.format_help()}```\n"]
    for name in COMMANDS:
        texts.append(f"## lilfox {name}\n")
        texts += [f"```text\n{each.format_help()}```\n" for each in _parsers(_children(build_parser([name]))[name])]
    return "\n".join(texts)


def _parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for child in _children(parser).values():
        yield from _parsers(child)


def _children(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


# ---- configuration ---------------------------------------------------------------------------------------------------


def keys_of_config() -> str:
    """Every key of the configuration with its type and default."""
    rows = ["| key | type | default |", "|---|---|---|"]
    rows += [f"| `{key}` | {kind} | {default} |" for key, kind, default in _properties(schema(), "")]
    return "\n".join(rows) + "\n"


def _properties(of: Mapping[str, Any], path: str) -> Iterator[tuple[str, str, str]]:
    for name, each in of.get("properties", {}).items():
        yield from _property(each, f"{path}{name}")


def _property(each: Mapping[str, Any], path: str) -> Iterator[tuple[str, str, str]]:
    default = f"`{json.dumps(each['default'], ensure_ascii=False)}`" if "default" in each else ""
    yield path, _type(each), default.replace("|", "\\|")
    yield from _properties(each, f"{path}.")
    inner = each.get("additionalProperties") or each.get("items")
    if isinstance(inner, dict):
        name = "NAME" if "additionalProperties" in each else "[]"
        for choice in inner.get("oneOf", [inner]):
            kind = choice.get("properties", {}).get("kind", {}).get("const")
            yield from _properties(choice, f"{path}.{name}{'' if kind is None else f' ({kind})'}.")


def _type(each: Mapping[str, Any]) -> str:
    if "const" in each:
        return f"`{json.dumps(each['const'])}`"
    if "enum" in each:
        return " \\| ".join(f"`{json.dumps(value)}`" for value in each["enum"])
    if "anyOf" in each or "oneOf" in each:
        kinds = [_type(one) for one in each.get("anyOf", each.get("oneOf", ()))]
        return " or ".join(dict.fromkeys(filter(None, kinds)))
    kind = each.get("type", "")
    return " or ".join(one for one in kind if one != "null") if isinstance(kind, list) else str(kind)


# ---- checks of the audit ---------------------------------------------------------------------------------------------


def checks() -> str:
    """Every check of the audit, with the tests that make its fault on a real server, find it, and mend it. Ends the
    program where a check has none."""
    rows = ["| check | severity | finds | tags | proved in |", "|---|---|---|---|---|"]
    texts = {path: path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests").rglob("test_audit_*.py"))}
    for group, members in groups().items():
        rows.append(f"| **{group}** | | | | |")
        for check in members:
            proofs = [f"`{path.relative_to(ROOT)}`" for path, text in texts.items() if check.id in _provoked(text)]
            if not proofs:
                raise SystemExit(f"tests: none provokes the check {check.id} on a real server")
            proved = ", ".join(proofs)
            severity = check.severity.name.lower()
            tags = ", ".join(check.tags)
            rows.append(f"| [`{check.id}`]({check.reference}) | {severity} | {check.title} | {tags} | {proved} |")
    return "\n".join(rows) + "\n"


def _provoked(text: str) -> set[str]:
    """The checks that the tests in ``text`` name in their mark ``provokes``, by themselves, as ``NAME`` or as
    ``*NAMES``."""
    marked = " ".join(re.findall(r"mark\.provokes\(([^)]*)\)", text))
    for name in re.findall(r"\*(\w+)", marked):
        marked += " ".join(re.findall(rf"(?m)^{name} = \(([^)]*)\)", text))
    for name in re.findall(r"\b[A-Z]+\b", marked):
        marked += " ".join(re.findall(rf'(?m)^{name} = ("[^"]*")', text))
    return set(re.findall(r'"([^"]+)"', marked))


PAGES: dict[str, Callable[[], str]] = {
    "audit": checks,
    "keys": key_tables,
    "cli": commands,
    "config": keys_of_config,
    "scaling": report.page,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
