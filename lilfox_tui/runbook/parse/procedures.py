"""Builds the runbooks of a document that has no numbered lists: each shell fence is a step, titled by its heading and
explained by the text before it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.runbook.model import Command, Step
from lilfox_tui.runbook.parse.fences import FenceReader
from lilfox_tui.runbook.parse.markdown import MarkdownBlock, plain, texts

# Which headings of a document are a procedure each, and which are the phases of one.


_PHASE = re.compile(
    r"(?:(?:step|phase|stage|part)\b|\d+[.):]|第)|(?:the )?(?:(?:meaning|impact|diagnos[ei]s|diagnostics?|mitigations?|"
    r"remediation|resolution|solutions?|investigation|symptoms?|causes?|prerequisites?|requirements|before you begin|"
    r"over ?view|setup|set up|install(?:ation)?|config(?:uration)?|usage|verif(?:y|ication)|validation|tests?|testing|"
    r"clean ?-?up|tear ?down|troubleshooting|deploy(?:ment)?|getting started|quick ?start|rollback|recovery|summary|"
    r"description|procedure|steps|next steps?|background|debug(?:ging)?|actions?|introduction|how to debug)|"
    r"含义|影响|诊断|处理|缓解|前提|准备|验证|清理|回滚|步骤|概述)[ :：?]*$",
    re.IGNORECASE,
)
_ASIDE = re.compile(
    r"(?:see also|references?|links?|further reading|read more|related.*|resources|additional (?:notes|resources).*|"
    r"table of contents|contents|toc|license|contributing|what'?s next.*|目录|参考.*)$",
    re.IGNORECASE,
)
_CONTENTS = re.compile(r"\[[^\]\[]*+\]\(#[^()]*+\)$|(?:\{%[^%]*+%\}\s*+|\{\{[<%][^{}]*+\}\}\s*+)++$")
"""What is no text of a document: a link of its contents, a tag of a site generator."""
_NOTE = re.compile(r"\[![A-Za-z]+\][^\n]*(?:\n|$)")
"""Begins a note, which code hosts have as a quotation: it belongs to the text."""
_SET = re.compile(r"(?:^|[;&\n])[ \t]*+(?:export |read |local |declare )?[ \t]*+([A-Za-z_]\w*+)=")
_USED = re.compile(r"\$\{?([A-Za-z_]\w*+)")
_SHOWS = re.compile(
    r"output|result|return|should (?:see|look|be)|similar|print|expect|response|display|looks? like|输出|结果|显示",
    re.IGNORECASE,
)
_ANNOUNCES = re.compile(
    r"(?:the |an? )?(?:(?:example|sample|expected|possible|command) )*+"
    r"(?:outputs?|errors?|results?|response)(?: example)?[ :：]*$|输出[ :：]*$",
    re.IGNORECASE,
)
_DATA = frozenset({"", "text", "txt", "plaintext", "plain", "none", "output", "log", "logs", "json", "yaml", "yml"})
_LONGEST = 72


class DocumentSection(Struct):
    """A heading with the blocks below it, up to the next one. ``level`` is 0 before the first heading; ``parent`` is
    the index of the section that it is part of, -1 for none."""

    heading: MarkdownBlock | None
    blocks: list[MarkdownBlock]
    parent: int = -1

    @property
    def level(self) -> int:
        """The level of the heading."""
        return 0 if self.heading is None else self.heading.level

    @property
    def title(self) -> str:
        """The heading as plain text."""
        return "" if self.heading is None else plain(self.heading.text)


class Procedure(Struct):
    """One runbook to be made: its heading's section, if it has one of its own, and all its sections in order."""

    head: DocumentSection | None
    sections: list[DocumentSection]


def sections_of(blocks: Sequence[MarkdownBlock]) -> Iterator[tuple[MarkdownBlock | None, list[MarkdownBlock]]]:
    """Yield each heading with the blocks below it, up to the next one; first the blocks before any heading."""
    heading: MarkdownBlock | None = None
    section: list[MarkdownBlock] = []
    note = False
    for block in blocks:
        if block.kind == "heading" and block.item is None and not block.quoted:
            yield heading, section
            heading, section = block, []
        elif not block.quoted:
            section.append(block)
        elif marker := _NOTE.match(block.text):
            note = True
            section.append(replace(block, text=block.text[marker.end() :]))
        elif note and block.kind in ("paragraph", "fence"):
            section.append(block)
        note = note and block.quoted
    yield heading, section


def with_parents(found: Iterable[tuple[MarkdownBlock | None, list[MarkdownBlock]]]) -> list[DocumentSection]:
    """Return the sections of a document, each with the section that it is part of."""
    sections: list[DocumentSection] = []
    above: list[int] = []
    for heading, blocks in found:
        section = DocumentSection(heading, blocks)
        while above and sections[above[-1]].level >= section.level:
            above.pop()
        section.parent = above[-1] if above and heading is not None else -1
        if heading is not None:
            above.append(len(sections))
        sections.append(section)
    return sections


def below(sections: Sequence[DocumentSection], head: int) -> list[DocumentSection]:
    """Return a section and those that are part of it."""
    end = head + 1
    while end < len(sections) and sections[end].level > sections[head].level:
        end += 1
    return list(sections[head:end])


def procedures(sections: Sequence[DocumentSection], reader: FenceReader, steps: str) -> list[Procedure]:
    """Return the procedures of a document. ``steps`` is ``fences`` for one, ``headings`` for one each heading; empty:
    one each heading, unless the headings are phases of one."""
    whole = _whole(sections)
    if steps == "fences":
        return [whole]
    heads = _dividing(sections, reader)
    if len(heads) < 2:
        return [whole]
    parts = [Procedure(sections[at], below(sections, at)) for at in heads]
    if steps == "headings" or not _belong_together(sections, parts, reader):
        return parts
    return [whole]


def beside(sections: Sequence[DocumentSection], lists: Sequence[int], reader: FenceReader) -> list[Procedure]:
    """Return the sections without numbered lists that are beside one with a list of commands: same level, part of the
    same section; also those beside a phase (``Mitigation``) in which such a list is. ``lists`` are the sections with a
    list."""
    places: set[tuple[int, int]] = set()
    for at in lists:
        above = at if any(_fences(sections[at], reader)) else -1
        while above >= 0:
            places.add((sections[above].parent, sections[above].level))
            above = sections[above].parent
            above = above if above >= 0 and _PHASE.match(sections[above].title) else -1
    found: list[Procedure] = []
    for at, section in enumerate(sections):
        if section.heading is None or (section.parent, section.level) not in places:
            continue
        inner = below(sections, at)
        if any(any(_fences(each, reader)) for each in inner) and not any(
            at <= other < at + len(inner) for other in lists
        ):
            found.append(Procedure(section, inner))
    return found


def _whole(sections: Sequence[DocumentSection]) -> Procedure:
    """Return the document as one procedure; its head is the only heading of the highest level, if there is one."""
    top = min((each.level for each in sections if each.heading is not None), default=0)
    heads = [each for each in sections if each.level == top and each.heading is not None]
    return Procedure(heads[0] if len(heads) == 1 else None, list(sections))


def _dividing(sections: Sequence[DocumentSection], reader: FenceReader) -> list[int]:
    """Return the sections of the highest level at which several have commands."""
    for level in (1, 2):
        heads = [
            at
            for at, section in enumerate(sections)
            if section.level == level and any(any(_fences(each, reader)) for each in below(sections, at))
        ]
        if len(heads) > 1:
            return heads
    return []


def _belong_together(sections: Sequence[DocumentSection], parts: Sequence[Procedure], reader: FenceReader) -> bool:
    """Whether procedures are phases of one: by their headings, because commands stand before all of them, or because
    one uses a variable that only another one sets."""
    if any(_PHASE.match(each.head.title) for each in parts if each.head is not None):
        return True
    inside = [section for part in parts for section in part.sections]
    if any(any(_fences(each, reader)) for each in sections if not any(each is other for other in inside)):
        return True
    texts_of = [
        "\n".join(reader.typed(block).text for section in part.sections for block in _fences(section, reader))
        for part in parts
    ]
    sets = [set(_SET.findall(text)) for text in texts_of]
    everything = set().union(*sets)
    return any((set(_USED.findall(text)) - own) & everything for text, own in zip(texts_of, sets, strict=True))


def _fences(section: DocumentSection, reader: FenceReader) -> Iterator[MarkdownBlock]:
    return (block for block in section.blocks if block.kind == "fence" and reader.holds_commands(block))


# The steps of a procedure: in each section the fences with what stands before them.


class StepBuilder:
    """Makes the steps of one procedure. ``about`` has what stands before the first one; ``has_commands``: whether a
    step is more than text."""

    def __init__(self, procedure: Procedure, reader: FenceReader) -> None:
        self.steps: list[Step] = []
        self.about: list[str] = []
        self.has_commands = False
        self._procedure, self._reader = procedure, reader
        self._number = 0
        self._above: list[DocumentSection] = []
        self._prose: list[str] = []
        self._checklist: list[str] = []
        self._shown: list[Command] = []
        """Commands that are only shown, until the step comes to which they belong."""
        self._said: dict[int, str] = {}
        """Index of a step → what is said right before its fence."""

    def build(self) -> None:
        """Make all steps."""
        for section in self._procedure.sections:
            self._section(section)

    def _section(self, section: DocumentSection) -> None:
        head = section is self._procedure.head
        while self._above and self._above[-1].level >= section.level:
            self._above.pop()
        if not head and section.heading is not None:
            self._above.append(section)
        begun, said = len(self.steps), ""
        title = section.title
        after_fence = False
        for block in section.blocks:
            if block.kind == "fence":
                after_fence = self._fence(block, title, said, adjoins=after_fence and not said, begun=begun)
                said = ""
            elif block.kind == "paragraph":
                found = [] if _CONTENTS.match(block.text) else list(texts(block.text))
                said = found[-1] if found else said
                into = self._prose if block.item is None else self._checklist
                into += found
        self._close(section, begun)
        self._tell_apart(title, begun)

    def _fence(self, block: MarkdownBlock, title: str, said: str, *, adjoins: bool, begun: int) -> bool:
        """Add a fence; return whether output may follow it."""
        announced = _ANNOUNCES.match(said) is not None
        commands = self._reader.commands(block, self._number, output=announced)
        self._number += 1
        if any(command.kind != "none" for command in commands) or (commands and self._reader.refuses(block)):
            self.has_commands = True
            self._add(block.line, title, said, commands)
            return True
        if not commands:
            return False
        last = self.steps[-1] if len(self.steps) > begun else None
        is_data = announced or commands[0].language in _DATA or not self._reader.typed(block).text
        if last is not None and not self._shown and is_data and (adjoins or (said and _SHOWS.search(said))):
            self._give_output(last, block.text, said, announced=announced)
            return False
        self._shown += commands
        return False

    def _give_output(self, step: Step, text: str, said: str, *, announced: bool) -> None:
        """Add output to the last command of a step, with what is said of it."""
        command = step.commands[-1]
        prose = step.prose
        if said and self._prose[-1:] == [said]:
            prose = prose if announced else (*prose, said)
            self._prose.pop()
        told = f"{command.output}\n{text}" if command.output else text
        self.steps[-1] = replace(step, prose=prose, commands=(*step.commands[:-1], replace(command, output=told)))

    def _add(self, line: int, title: str, said: str, commands: Sequence[Command]) -> None:
        self._said[len(self.steps)] = said
        if not self.steps and not self._above:
            self.about += self._prose[:-1] if said else self._prose
            self._prose = self._prose[-1:] if said else []
        self.steps.append(
            Step(
                title=title or said or commands[0].text.split("\n", 1)[0],
                prose=tuple(self._prose),
                checklist=tuple(self._checklist),
                commands=(*self._shown, *commands),
                line=line,
                group=" › ".join(each.title for each in self._above),
            )
        )
        self._prose, self._checklist, self._shown = [], [], []

    def _close(self, section: DocumentSection, begun: int) -> None:
        """End a section: what stands below its last fence belongs to that step; a section without one is a step that is
        done by hand, once a step with commands was there."""
        prose, checklist, shown = self._prose, self._checklist, self._shown
        if not (prose or checklist or shown):
            return
        if len(self.steps) > begun:
            last = self.steps[-1]
            self.steps[-1] = replace(
                last,
                prose=(*last.prose, *prose),
                checklist=(*last.checklist, *checklist),
                commands=(*last.commands, *shown),
            )
        elif shown or (self.steps and section.title and not _ASIDE.match(section.title)):
            line = section.heading.line if section.heading is not None else section.blocks[0].line
            self.steps.append(
                Step(
                    title=section.title or (prose or checklist or [shown[0].text.split("\n", 1)[0]])[0],
                    prose=tuple(prose),
                    checklist=tuple(checklist),
                    commands=tuple(shown),
                    line=line,
                    group=" › ".join(each.title for each in self._above),
                )
            )
        else:
            named = section.title if section is not self._procedure.head else ""
            self.about += [f"{named}: {prose[0]}", *prose[1:]] if named and prose else prose
            self.about += checklist
        self._prose, self._checklist, self._shown = [], [], []

    def _tell_apart(self, title: str, begun: int) -> None:
        """Give the steps below one heading different titles: what is said right before each, else a number."""
        mine = self.steps[begun:]
        if len(mine) < 2 or not title:
            return
        for number, step in enumerate(mine):
            said = self._said.get(begun + number, "")
            self.steps[begun + number] = replace(step, title=f"{title}: {_shortened(said) if said else number + 1}")


def _shortened(text: str) -> str:
    """Return the last sentence of a text, on not too many cells."""
    text = text.rstrip(" :：")
    last = re.split(r"(?<=[.!?。！？]) +", text)[-1]
    return last if len(last) <= _LONGEST else last[: _LONGEST - 1].rstrip() + "…"
