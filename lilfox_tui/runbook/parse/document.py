"""Parses a Markdown file into runbooks: its front matter, headings and steps; checks that names are unique."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta, Struct, field
from msgspec.structs import replace

from lilfox_tui.config.convert import to_struct
from lilfox_tui.config.yaml_nodes import Findings, MapNode
from lilfox_tui.config.yaml_nodes import parse as parse_yaml
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import Message, _, clauses, tr
from lilfox_tui.logs.filter.model import search
from lilfox_tui.redact import names_a_secret
from lilfox_tui.runbook.bash.asking import asked, guessed, needs_of
from lilfox_tui.runbook.classify import judged_behind_exports
from lilfox_tui.runbook.model import (
    BUNDLED,
    Command,
    Document,
    Fence,
    Problem,
    Runbook,
    RunbookLink,
    Step,
    Variable,
    VariableType,
)
from lilfox_tui.runbook.parse.fences import FenceReader
from lilfox_tui.runbook.parse.markdown import ListItem, MarkdownBlock, linked_files, plain, scan, texts
from lilfox_tui.runbook.parse.procedures import (
    DocumentSection,
    Procedure,
    StepBuilder,
    beside,
    procedures,
    sections_of,
    with_parents,
)

if TYPE_CHECKING:
    from lilfox_tui.config.yaml_nodes import Node


# What stands between the two ``---`` at a file's top: ``lilfox:`` and ``vars:``. Other keys are other programs'.


_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_ENDS = ("---", "...")


class Header(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The ``lilfox:`` section of a file; every field is optional."""

    version: Annotated[int, Meta(ge=1, le=1)] = 1
    id: str = ""
    title: str = ""
    severity: Literal["", "SEV-1", "SEV-2", "SEV-3", "SEV-4"] = ""
    hosts: str = ""
    on_alert: tuple[str, ...] = ()
    language: str = ""
    steps: Literal["", "lists", "fences", "headings"] = ""


class _WrittenVariable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One variable of ``vars:``, as written; ``NAME: TYPE`` gives only its type."""

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
    """The front matter. ``written``: whether the file has a section ``lilfox:``; ``title`` is that which other programs
    show; ``end`` is the first line (from 0) after the front matter."""

    header: Header = Header()
    variables: tuple[Variable, ...] = ()
    problems: tuple[Problem, ...] = ()
    written: bool = False
    title: str = ""
    end: int = 0


def read_front_matter(lines: Sequence[str]) -> FrontMatter:
    """Parse the front matter of a file; its lines count from 1."""
    if not lines or lines[0].rstrip() != "---":
        return FrontMatter()
    end = next((at for at, line in enumerate(lines) if at and line.rstrip() in _ENDS), None)
    if end is None:
        if any(line.startswith(("lilfox:", "vars:")) for line in lines[1:40]):
            text = _("the front matter is not closed; end it with a line of ---")
            return FrontMatter(problems=(Problem(1, "error", "front-matter", text),))
        return FrontMatter()
    inner = lines[1:end]
    title = next((line.removeprefix("title:").strip(" \t'\"") for line in inner if line.startswith("title:")), "")
    if not any(line.startswith(("lilfox:", "vars:", "'", '"', "{")) for line in inner):
        return FrontMatter(title=title, end=end + 1)
    return replace(_read("\n" + "\n".join(inner), end + 1), title=title)


def _read(text: str, end: int) -> FrontMatter:
    findings = Findings("")
    root = parse_yaml(text, findings)
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
            findings.add(node.line, ("vars",), _("expected a mapping; write lines of the form name: value"))
    return FrontMatter(
        header=header, variables=variables, problems=tuple(_problems(findings)), written=written, end=end
    )


def _problems(findings: Findings) -> list[Problem]:
    """Convert findings of the form ``FILE:LINE: what`` to problems, without the file name."""
    made = []
    for finding in findings.sorted():
        _file, line, what = finding.split(":", 2)
        made.append(Problem(int(line), "error", "front-matter", what.strip()))
    return made


def _variables(node: MapNode, findings: Findings) -> list[Variable]:
    made = []
    for key, value in node.entries:
        path = ("vars", key.text)
        if not _NAME.fullmatch(key.text):
            findings.add(key.line, path, _("not a valid name; use letters, digits, - and _, starting with a letter"))
            continue
        written = to_struct(_WrittenVariable, value, findings, path)
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
    """Return the text of a value as written: ``default: 10`` needs no quotes."""
    return getattr(node, "text", None)


def _contradiction(written: _WrittenVariable) -> str:
    """Return why the declaration of a variable contradicts itself; empty if it does not."""
    if written.type == "enum" and not written.choices:
        return _("an enum needs choices: [one, two]")
    if written.choices and written.type != "enum":
        return _("choices are only for an enum; write type: enum")
    if written.type == "regex" and not written.pattern:
        return _("a regex needs a pattern")
    if written.deny and written.type not in ("ip", "cidr"):
        return _("deny is only for ip and cidr")
    if written.type == "secret" and written.default is not None:
        return _("a secret cannot have a default: it would be stored in this file")
    if written.min is not None and written.max is not None and written.min > written.max:
        return _("min is larger than max")
    try:
        search(written.pattern)
    except UsageError as error:
        return str(error.message)
    return ""


# Names of fences and of variables within a runbook, and what undoes what: each name once, no circles.


class _Named(Struct):
    name: str
    line: int
    undoes: str | None


def problems_of_names(runbook: Runbook) -> list[Problem]:
    """Return problems with names: duplicates, rollbacks that are missing or circular, captured secrets."""
    fences = _fences(runbook)
    problems: list[Problem] = []
    first: dict[str, _Named] = {}
    for fence in fences:
        if not fence.name:
            continue
        if fence.name in first:
            what = _(
                "the fence on line {line} already has the name “{name}”",
                name=fence.name,
                line=first[fence.name].line,
            )
            problems.append(Problem(fence.line, "error", "name-twice", what))
        first.setdefault(fence.name, fence)
    for fence in fences:
        if fence.undoes is not None and fence.undoes not in first:
            what = _("rollback-of: no fence of this runbook has the name “{name}”", name=fence.undoes)
            problems.append(Problem(fence.line, "error", "rollback-unknown", what))
    return problems + _circles(first) + _captured_secrets(runbook)


def _captured_secrets(runbook: Runbook) -> list[Problem]:
    """Return captured secrets: a command's output is stored and shown before anybody knows that it contains a
    secret."""
    secret = {variable.name for variable in runbook.variables if variable.type == "secret"}
    found: dict[int, Problem] = {}
    for command in (command for step in runbook.steps for command in step.commands):
        for name in command.attributes.capture:
            if name in secret or names_a_secret(name):
                what = _(
                    "capture: “{name}” is a secret, and a command's output is saved; read it in the command that "
                    "needs it",
                    name=name,
                )
                found.setdefault(command.fence, Problem(command.line - 1, "error", "attribute-value", what))
    return list(found.values())


def _fences(runbook: Runbook) -> list[_Named]:
    """Return the fences that have a name or undo another, each once."""
    found: dict[int, _Named] = {}
    for step in runbook.steps:
        for command in step.commands:
            attributes = command.attributes
            if (attributes.name or attributes.rollback_of) and command.fence not in found:
                found[command.fence] = _Named(attributes.name or "", command.line - 1, attributes.rollback_of)
    return list(found.values())


def _circles(named: dict[str, _Named]) -> list[Problem]:
    problems: list[Problem] = []
    seen: set[str] = set()
    for start in named:
        way: list[str] = []
        name: str | None = start
        while name is not None and name in named and name not in seen:
            seen.add(name)
            way.append(name)
            name = named[name].undoes
        if name in way:
            circle = [*way[way.index(name) :], name]
            what = _("circular rollbacks: {names}", names=" → ".join(circle))
            problems.append(Problem(named[name].line, "error", "rollback-circle", what))
    return problems


# A Markdown file into runbooks: a heading that owns an ordered list is one, the items of the list are its steps. Where
# no list has commands, the fences are the steps (``procedures.py``).


_MANY = 3
LARGEST = 64 * 1024 * 1024
_CHINESE = re.compile("[\u4e00-\u9fff]")
_FIRST_WORD = re.compile(r"[^\s{]*")
_NO_WORD = re.compile(r"[^\w.]+")


class UnreadableRunbook(UsageError):
    """A file that is not a document; ``why`` does not contain its name."""

    def __init__(self, path: Path, why: Message, hint: Message | str = "") -> None:
        super().__init__(tr("{path}: {reason}", path=path, reason=why), hint)
        self.why = why


def read(path: Path) -> Document:
    """Read the document in ``path``. Raises UnreadableRunbook; problems in the text are in ``problems``."""
    return parse(data_of(path), str(path.absolute()))


def data_of(path: Path) -> bytes:
    """Return the content of a file; refuses anything but a regular file of limited size. Raises UnreadableRunbook."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise UnreadableRunbook(path, tr("not a regular file"), tr("specify a Markdown file"))
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise UnreadableRunbook(path, tr("cannot be read: {reason}", reason=error.strerror or "")) from None
    if len(data) > LARGEST:
        raise UnreadableRunbook(path, tr("larger than 64 MiB: too large for a runbook"), tr("split it"))
    return data


def read_or_told(path: Path) -> Document:
    """Read as :func:`read` does; an unreadable file becomes a problem."""
    try:
        return read(path)
    except UnreadableRunbook as error:
        text = clauses(filter(None, (str(error.why), str(error.hint))))
        return Document(path=str(path), sha256="", runbooks=(), problems=(Problem(1, "error", "unreadable", text),))


def parse(data: bytes, path: str) -> Document:
    """Parse ``data`` into a document; its problems are in ``problems``, none is raised. ``path`` is where it and its
    runbooks come from."""
    problems: list[Problem] = []
    lines = _lines(data, problems)
    front = read_front_matter(lines)
    problems += front.problems
    blocks = scan(lines[front.end :], front.end + 1)
    fences = FenceReader(ours=path.startswith(BUNDLED))
    sha256 = hashlib.sha256(data).hexdigest()
    builder = _RunbookBuilder(path, sha256, front, fences)
    builder.build(with_parents(sections_of(blocks)))
    runbooks = tuple(builder.named())
    runs = any(command.kind != "none" for runbook in runbooks for step in runbook.steps for command in step.commands)
    problems += fences.problems if runs else (replace(problem, blocks="file") for problem in fences.problems)
    problems += builder.problems
    for runbook in runbooks:
        problems += problems_of_names(runbook)
    if not runbooks:
        what = _(
            "no runbook: no heading in this file directly contains a numbered list of steps, and no fence holds "
            "commands; write at least a heading (# Title), and below it a fence (```bash)"
        )
        problems.append(Problem(1, "error" if front.written else "warning", "no-steps", what))
    everything = tuple(
        Fence(
            text=_linted(block, fences),
            language=_FIRST_WORD.match(block.info)[0].lower(),  # type: ignore[index]
            line=block.line,
        )
        for block in blocks
        if block.kind == "fence"
    )
    return Document(
        path=path,
        sha256=sha256,
        runbooks=runbooks,
        problems=tuple(sorted(problems)),
        fences=everything,
        declared=tuple(variable.name for variable in front.variables),
    )


def _linted(block: MarkdownBlock, fences: FenceReader) -> str:
    """Return what lint looks at in a fence: without prompts and output where those were understood."""
    typed = fences.typed(block)
    return typed.text if typed.outputs and typed.text.strip() else block.text


def _lines(data: bytes, problems: list[Problem]) -> list[str]:
    """Return the lines without their ends; invalid UTF-8, and NUL, becomes U+FFFD."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        what = _("not UTF-8 text; save it as UTF-8")
        problems.append(Problem(before.count(b"\n") + 1, "error", "encoding", what))
        text = data.decode("utf-8-sig", "replace")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        problems.append(Problem(line, "error", "encoding", _("contains a NUL character; this is not text")))
        text = text.replace("\0", "\ufffd")
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return lines


class _RunbookBuilder:
    """Makes the runbooks of one file."""

    def __init__(self, path: str, sha256: str, front: FrontMatter, fences: FenceReader) -> None:
        self.path, self.sha256, self.front, self.fences = path, sha256, front, fences
        self.runbooks: list[Runbook] = []
        self.problems: list[Problem] = []

    def build(self, sections: list[DocumentSection]) -> None:
        """Add all runbooks: those of numbered lists, or those of fences."""
        header = self.front.header
        lists = [
            at
            for at, section in enumerate(sections)
            if any(map(_begins_step, section.blocks)) and (section.heading is not None or header.title)
        ]
        if header.steps == "lists" or (not header.steps and lists and self._list_steps(sections, lists)):
            for at in lists:
                self.add(sections[at].heading, sections[at].blocks)
            others = [] if header.steps or self.front.written else beside(sections, lists, self.fences)
        else:
            others = procedures(sections, self.fences, header.steps)
        for each in others:
            self._add_procedure(each)
        self.runbooks.sort(key=lambda runbook: runbook.line)

    def _list_steps(self, sections: list[DocumentSection], lists: list[int]) -> bool:
        """Whether the numbered lists are the document's steps: written for LilFox, or with commands in an item, or no
        commands anywhere. A single list among many more commands is a part of the text around it."""
        if self.front.written:
            return True
        every = sum(self._with_commands(section.blocks) for section in sections)
        inside = [
            sum(self._with_commands(blocks) for item, blocks in _steps(sections[at].blocks) if item) for at in lists
        ]
        if sum(map(bool, inside)) == 1 and every - sum(inside) >= _MANY:
            return 2 * sum(inside) >= every
        return any(inside) or not every

    def _with_commands(self, blocks: Sequence[MarkdownBlock]) -> int:
        """Return the number of fences with commands."""
        return sum(block.kind == "fence" and self.fences.holds_commands(block) for block in blocks)

    def _add_procedure(self, procedure: Procedure) -> None:
        """Add the runbook of a procedure whose fences are its steps, if a command is in it."""
        builder = StepBuilder(procedure, self.fences)
        builder.build()
        if not builder.has_commands:
            return
        head = procedure.head
        title = head.title if head is not None and (head.level == 1 or not self._is_whole(procedure)) else ""
        title = title or self.front.title or (head.title if head is not None else "") or self._stem
        blocks = [block for section in procedure.sections for block in section.blocks]
        line = head.heading.line if head is not None and head.heading is not None else 1
        self._append(title, line, builder.steps, builder.about, blocks)

    @staticmethod
    def _is_whole(procedure: Procedure) -> bool:
        return procedure.sections[0].level == 0

    @property
    def _stem(self) -> str:
        return self.path.rsplit("/", 1)[-1].rsplit(":", 1)[-1].removesuffix(".md")

    def add(self, heading: MarkdownBlock | None, section: list[MarkdownBlock]) -> None:
        """Add the runbook of a section with a numbered list."""
        steps: list[Step] = []
        about: list[str] = []
        number = 0
        for item, blocks in _steps(section):
            if item is None:
                self._outside(blocks)
                about += [text for block in blocks if block.kind == "paragraph" for text in texts(block.text)]
                continue
            step, number = self._step(item, blocks, number)
            steps.append(step)
        title = plain(heading.text) if heading is not None else ""
        self._append(title, heading.line if heading is not None else 1, steps, about, section)

    def _append(
        self, title: str, line: int, steps: list[Step], about: list[str], blocks: Sequence[MarkdownBlock]
    ) -> None:
        header = self.front.header
        steps = list(judged_behind_exports(asked(steps), ours=self.path.startswith(BUNDLED)))
        self.runbooks.append(
            Runbook(
                id="",
                title=title or header.title,
                path=self.path,
                line=line,
                sha256=self.sha256,
                steps=tuple(steps),
                severity=header.severity,
                hosts=header.hosts,
                on_alert=header.on_alert,
                variables=_document_variables(steps, self.front.variables),
                about=tuple(about),
                language=header.language or ("zh" if _CHINESE.search(title + header.title) else ""),
                links=tuple(self._links(blocks)),
            )
        )

    def _links(self, blocks: Sequence[MarkdownBlock]) -> Iterator[RunbookLink]:
        """Yield the links to other Markdown files, each file once."""
        seen: set[str] = set()
        for block in blocks:
            for text, target in linked_files(block.text) if block.kind == "paragraph" else ():
                path = os.path.normpath(os.path.join(os.path.dirname(self.path), target))  # noqa: PTH118, PTH120
                if path not in seen and path != self.path and not self.path.startswith(BUNDLED):
                    seen.add(path)
                    yield RunbookLink(text, path, block.line)

    def named(self) -> Iterator[Runbook]:
        """Yield all runbooks with their ids. Title and id of the front matter apply to a file's only runbook."""
        header, alone = self.front.header, len(self.runbooks) == 1
        used: set[str] = set()
        for runbook in self.runbooks:
            title = header.title if alone and header.title else runbook.title
            base = f"{header.id or slug(self._stem)}-{slug(title)}".strip("-")
            name = base = header.id if alone and header.id else base
            count = 1
            while name in used:
                count += 1
                name = f"{base}-{count}"
            used.add(name)
            yield replace(runbook, id=name, title=title)

    def _outside(self, blocks: Sequence[MarkdownBlock]) -> None:
        for block in blocks:
            if block.kind == "fence":
                what = _("this fence is before the first step and is not run; move it into a step")
                self.problems.append(Problem(block.line, "warning", "fence-outside", what))

    def _step(self, item: ListItem, blocks: Sequence[MarkdownBlock], number: int) -> tuple[Step, int]:
        """Build a step from its blocks; ``number`` counts the runbook's fences."""
        title: str | None = None
        prose: list[str] = []
        checklist: list[str] = []
        commands: list[Command] = []
        for block in blocks:
            if block.kind == "fence":
                commands += self.fences.commands(block, number)
                number += 1
            elif block.kind != "item":
                if title is None and block.item is item:
                    title = plain(block.text)
                elif block.item in (item, None):
                    prose += texts(block.text)
                else:
                    checklist += texts(block.text)
        if not title:
            title = commands[0].text.split("\n", 1)[0] if commands else ""
        return (
            Step(
                title=title,
                prose=tuple(prose),
                checklist=tuple(checklist),
                commands=tuple(commands),
                line=item.line,
            ),
            number,
        )


def _begins_step(block: MarkdownBlock) -> bool:
    return block.kind == "item" and block.item is not None and block.item.ordered and block.item.parent is None


def _steps(section: Sequence[MarkdownBlock]) -> Iterator[tuple[ListItem | None, list[MarkdownBlock]]]:
    """Yield the blocks of each step; first those before all steps, with None. Blocks after an item but not inside it
    belong to it too: fences are often not indented."""
    item: ListItem | None = None
    blocks: list[MarkdownBlock] = []
    for block in section:
        if _begins_step(block):
            yield item, blocks
            item, blocks = block.item, []
        else:
            blocks.append(block)
    yield item, blocks


def _document_variables(steps: Sequence[Step], declared: Sequence[Variable]) -> tuple[Variable, ...]:
    """Return the declared variables, then those that commands or their hosts use undeclared."""
    found = {variable.name: variable for variable in declared}
    needs = needs_of(steps)
    for step in steps:
        for command in step.commands:
            host = command.attributes.host or ""
            if host.startswith("<") and host.endswith(">"):
                found.setdefault(host[1:-1], Variable(name=host[1:-1], type="host"))
            for placeholder in command.placeholders:
                found.setdefault(placeholder.name, guessed(placeholder.name, needs[placeholder.name]))
    return tuple(found.values())


def slug(text: str) -> str:
    """Return a title as the part of an id: words in lower case, joined by ``-``."""
    return _NO_WORD.sub("-", text.lower()).strip("-.")
