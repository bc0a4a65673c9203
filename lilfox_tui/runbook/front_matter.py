"""What stands between the two ``---`` at a file's top: ``lilfox:`` and ``vars:``. Other keys are other programs'."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta, Struct, field

from lilfox_tui.errors import UsageError
from lilfox_tui.i18n import _
from lilfox_tui.runbook.model import Problem, Variable, VariableType

if TYPE_CHECKING:
    from lilfox_tui.config.problems import Findings
    from lilfox_tui.config.yaml_nodes import MapNode, Node

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_ENDS = ("---", "...")


class Header(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``lilfox:`` of a file; nothing of it has to be written."""

    version: Annotated[int, Meta(ge=1, le=1)] = 1
    id: str = ""
    title: str = ""
    severity: Literal["", "SEV-1", "SEV-2", "SEV-3", "SEV-4"] = ""
    hosts: str = ""
    on_alert: tuple[str, ...] = ()
    language: str = ""


class _Written(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One of ``vars:``, as it is written; of ``NAME: TYPE`` its type."""

    SHORT = "type"

    type: VariableType = "text"
    title: str = ""
    default: Any = None
    choices: tuple[Any, ...] = ()
    pattern: str = ""
    min: int | None = None
    max: int | None = None
    from_: str = field(name="from", default="")
    deny: tuple[Literal["self", "private"], ...] = ()


class FrontMatter(Struct, frozen=True, kw_only=True):
    """``written`` tells whether the file has a ``lilfox:``; ``end`` is the first line (from 0) behind it."""

    header: Header = Header()
    variables: tuple[Variable, ...] = ()
    problems: tuple[Problem, ...] = ()
    written: bool = False
    end: int = 0


def read_front_matter(lines: Sequence[str]) -> FrontMatter:
    """That of a file; its lines as they count from 1."""
    if not lines or lines[0].rstrip() != "---":
        return FrontMatter()
    end = next((at for at, line in enumerate(lines) if at and line.rstrip() in _ENDS), None)
    if end is None:
        if any(line.startswith(("lilfox:", "vars:")) for line in lines[1:40]):
            text = _("the front matter has no end; close it with a line of ---")
            return FrontMatter(problems=(Problem(1, "error", "front-matter", text),))
        return FrontMatter()
    inner = lines[1:end]
    if not any(line.startswith(("lilfox:", "vars:", "'", '"', "{")) for line in inner):
        return FrontMatter(end=end + 1)
    return _read("\n" + "\n".join(inner), end + 1)


def _read(text: str, end: int) -> FrontMatter:
    from lilfox_tui.config.convert import to_struct
    from lilfox_tui.config.problems import Findings
    from lilfox_tui.config.yaml_nodes import MapNode, parse

    findings = Findings("")
    root = parse(text, findings)
    header, written = Header(), False
    variables: tuple[Variable, ...] = ()
    if isinstance(root, MapNode):
        parts = {key.text: node for key, node in root.entries}
        written = "lilfox" in parts
        header = to_struct(Header, parts.get("lilfox"), findings, ("lilfox",))
        node = parts.get("vars")
        if isinstance(node, MapNode):
            variables = tuple(_variables(node, findings))
        elif node is not None:
            findings.add(node.line, ("vars",), _("a mapping is wanted here; write lines of the form name: value"))
    return FrontMatter(
        header=header, variables=variables, problems=tuple(_problems(findings)), written=written, end=end
    )


def _problems(findings: Findings) -> list[Problem]:
    """A finding is ``FILE:LINE: what``; the file has no name here."""
    made = []
    for finding in findings.sorted():
        _file, line, what = finding.split(":", 2)
        made.append(Problem(int(line), "error", "front-matter", what.strip()))
    return made


def _variables(node: MapNode, findings: Findings) -> list[Variable]:
    from lilfox_tui.config.convert import to_struct

    made = []
    for key, value in node.entries:
        path = ("vars", key.text)
        if not _NAME.fullmatch(key.text):
            findings.add(key.line, path, _("not a name; use letters, digits, - and _, first a letter"))
            continue
        written = to_struct(_Written, value, findings, path)
        if wrong := _contradiction(written):
            findings.add(key.line, path, wrong)
        made.append(
            Variable(
                name=key.text,
                type=written.type,
                title=written.title,
                default=_word(written.default),
                choices=tuple(_word(each) or "" for each in written.choices),
                pattern=written.pattern,
                minimum=written.min,
                maximum=written.max,
                from_=written.from_,
                deny=written.deny,
            )
        )
    return made


def _word(node: Node | None) -> str | None:
    """The text of a value as it is written: ``default: 10`` needs no quotes."""
    return getattr(node, "text", None)


def _contradiction(written: _Written) -> str:
    """What of a variable does not fit its type."""
    if written.type == "enum" and not written.choices:
        return _("an enum needs choices: [one, two]")
    if written.choices and written.type != "enum":
        return _("choices belong to an enum; write type: enum")
    if written.type == "regex" and not written.pattern:
        return _("a regex needs its pattern")
    if written.deny and written.type not in ("ip", "cidr"):
        return _("deny belongs to ip and cidr")
    if written.type == "secret" and written.default is not None:
        return _("a secret has no default: it would stand in this file")
    if written.min is not None and written.max is not None and written.min > written.max:
        return _("min is larger than max")
    from lilfox_tui.logs.filter.regex import search

    try:
        search(written.pattern)
    except UsageError as error:
        return str(error.message)
    return ""
