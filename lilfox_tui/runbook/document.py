"""A Markdown file into runbooks: a heading that owns an ordered list is one, the items of the list are its steps."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from lilfox_tui.errors import UsageError
from lilfox_tui.i18n import Message, _, clauses, tr
from lilfox_tui.runbook.fences import FenceReader
from lilfox_tui.runbook.front_matter import FrontMatter, read_front_matter
from lilfox_tui.runbook.inline import plain
from lilfox_tui.runbook.markdown import Block, Item, scan
from lilfox_tui.runbook.model import BUNDLED, Command, Document, Fence, Problem, Runbook, Step, Variable
from lilfox_tui.runbook.names import problems_of_names

LARGEST = 64 * 1024 * 1024
_CHINESE = re.compile("[\u4e00-\u9fff]")
_FIRST_WORD = re.compile(r"[^\s{]*")
_NO_WORD = re.compile(r"[^\w.]+")


class Unreadable(UsageError):
    """A file that is no document; ``why`` does not name it."""

    def __init__(self, path: Path, why: Message, hint: Message | str = "") -> None:
        super().__init__(tr("{path}: {reason}", path=path, reason=why), hint)
        self.why = why


def read(path: Path) -> Document:
    """The document in ``path``. Raises Unreadable; what is wrong in it is in ``problems``."""
    return parse(data_of(path), str(path.absolute()))


def data_of(path: Path) -> bytes:
    """What is in a file, however large it is and whatever else has its name. Raises Unreadable."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Unreadable(path, tr("not a file"), tr("name a Markdown file"))
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise Unreadable(path, tr("cannot be read: {reason}", reason=error.strerror or "")) from None
    if len(data) > LARGEST:
        raise Unreadable(path, tr("larger than 64 MiB; that is no runbook"), tr("divide it"))
    return data


def read_or_told(path: Path) -> Document:
    """As :func:`read`; of a file that cannot be read that is the problem."""
    try:
        return read(path)
    except Unreadable as error:
        text = clauses(filter(None, (str(error.why), str(error.hint))))
        return Document(path=str(path), sha256="", runbooks=(), problems=(Problem(1, "error", "unreadable", text),))


def parse(data: bytes, path: str) -> Document:
    """The document of ``data``; whatever is wrong with it is in ``problems``, none raises. ``path`` is what it and its
    runbooks say they come from."""
    problems: list[Problem] = []
    lines = _lines(data, problems)
    front = read_front_matter(lines)
    problems += front.problems
    blocks = scan(lines[front.end :], front.end + 1)
    fences = FenceReader(ours=path.startswith(BUNDLED))
    sha256 = hashlib.sha256(data).hexdigest()
    builder = _Builder(path, sha256, front, fences)
    for heading, section in _sections(blocks):
        builder.add(heading, section)
    runbooks = tuple(builder.named())
    problems += fences.problems
    problems += builder.problems
    for runbook in runbooks:
        problems += problems_of_names(runbook)
    if not runbooks:
        what = _("no runbook: no heading here owns a numbered list of steps")
        problems.append(Problem(1, "error" if front.written else "warning", "no-steps", what))
    everything = tuple(
        Fence(
            text=block.text,
            language=_FIRST_WORD.match(block.info)[0].lower(),  # type: ignore[index]
            line=block.line,
            in_runbook=block.line in builder.taken,
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


def _lines(data: bytes, problems: list[Problem]) -> list[str]:
    """The lines without their ends; what is no UTF-8, and NUL, becomes U+FFFD."""
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
        problems.append(Problem(line, "error", "encoding", _("a NUL character; this is no text")))
        text = text.replace("\0", "\ufffd")
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return lines


def _sections(blocks: Sequence[Block]) -> Iterator[tuple[Block | None, list[Block]]]:
    """Each heading with what stands below it, up to the next one; first what stands above all."""
    heading: Block | None = None
    section: list[Block] = []
    for block in blocks:
        if block.kind == "heading" and block.item is None and not block.quoted:
            yield heading, section
            heading, section = block, []
        elif not block.quoted:
            section.append(block)
    yield heading, section


class _Builder:
    """Makes the runbooks of one file; ``taken`` are the lines of the fences that are in them."""

    def __init__(self, path: str, sha256: str, front: FrontMatter, fences: FenceReader) -> None:
        self.path, self.sha256, self.front, self.fences = path, sha256, front, fences
        self.runbooks: list[Runbook] = []
        self.problems: list[Problem] = []
        self.taken: set[int] = set()

    def add(self, heading: Block | None, section: list[Block]) -> None:
        """Adds the runbook of a section, if it is one."""
        header = self.front.header
        if not any(_begins_step(block) for block in section) or (heading is None and not header.title):
            return
        steps: list[Step] = []
        number = 0
        for item, blocks in _steps(section):
            if item is None:
                self._outside(blocks)
                continue
            step, number = self._step(item, blocks, number)
            steps.append(step)
        title = plain(heading.text) if heading is not None else ""
        self.runbooks.append(
            Runbook(
                id="",
                title=title or header.title,
                path=self.path,
                line=heading.line if heading is not None else 1,
                sha256=self.sha256,
                steps=tuple(steps),
                severity=header.severity,
                hosts=header.hosts,
                on_alert=header.on_alert,
                variables=_variables(steps, self.front.variables),
                language=header.language or ("zh" if _CHINESE.search(title + header.title) else ""),
            )
        )

    def named(self) -> Iterator[Runbook]:
        """All runbooks with their ids. Title and id of the front matter are those of a file's only runbook."""
        from msgspec.structs import replace

        header, alone = self.front.header, len(self.runbooks) == 1
        stem = self.path.rsplit("/", 1)[-1].rsplit(":", 1)[-1].removesuffix(".md")
        used: set[str] = set()
        for runbook in self.runbooks:
            title = header.title if alone and header.title else runbook.title
            base = f"{header.id or _slug(stem)}-{_slug(title)}".strip("-")
            name = base = header.id if alone and header.id else base
            count = 1
            while name in used:
                count += 1
                name = f"{base}-{count}"
            used.add(name)
            yield replace(runbook, id=name, title=title)

    def _outside(self, blocks: Sequence[Block]) -> None:
        for block in blocks:
            if block.kind == "fence":
                what = _("this fence stands before the first step and is not run; put it into a step")
                self.problems.append(Problem(block.line, "warning", "fence-outside", what))

    def _step(self, item: Item, blocks: Sequence[Block], number: int) -> tuple[Step, int]:
        """A step of its blocks; ``number`` counts the runbook's fences."""
        title: str | None = None
        prose: list[str] = []
        checklist: list[str] = []
        commands: list[Command] = []
        for block in blocks:
            if block.kind == "fence":
                commands += self.fences.commands(block, number)
                number += 1
                self.taken.add(block.line)
            elif block.kind != "item":
                if title is None and block.item is item:
                    title = plain(block.text)
                elif block.item in (item, None):
                    prose.append(plain(block.text))
                else:
                    checklist.append(plain(block.text))
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


def _begins_step(block: Block) -> bool:
    return block.kind == "item" and block.item is not None and block.item.ordered and block.item.parent is None


def _steps(section: Sequence[Block]) -> Iterator[tuple[Item | None, list[Block]]]:
    """The blocks of each step; first those before all, with None. What stands behind an item without being in it
    belongs to it too: fences are often not indented."""
    item: Item | None = None
    blocks: list[Block] = []
    for block in section:
        if _begins_step(block):
            yield item, blocks
            item, blocks = block.item, []
        else:
            blocks.append(block)
    yield item, blocks


def _variables(steps: Sequence[Step], declared: Sequence[Variable]) -> tuple[Variable, ...]:
    """Those that are declared, then those that commands or their hosts name without."""
    found = {variable.name: variable for variable in declared}
    for step in steps:
        for command in step.commands:
            host = command.attributes.host or ""
            if host.startswith("<") and host.endswith(">"):
                found.setdefault(host[1:-1], Variable(name=host[1:-1], type="host"))
            for placeholder in command.placeholders:
                found.setdefault(placeholder.name, Variable(name=placeholder.name))
    return tuple(found.values())


def _slug(text: str) -> str:
    return _NO_WORD.sub("-", text.lower()).strip("-.")
