"""A fence of a runbook into its commands, each with what it is known to do."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lilfox_tui.i18n import _
from lilfox_tui.runbook.attributes import read_info
from lilfox_tui.runbook.markdown import Block
from lilfox_tui.runbook.model import Attributes, Command, Kind, Placeholder, Problem
from lilfox_tui.runbook.placeholders import placeholders_of
from lilfox_tui.runbook.recognising import kind, verdict
from lilfox_tui.runbook.splitting import Asking, Part, split

SHELLS = frozenset({"bash", "sh", "shell", "console"})
"""Languages whose fences hold commands."""
_PROMPT = re.compile(r"(?:[\w.-]+@[\w.-]+[^\s$#]*[$#]|\$) ")
_NONE = Attributes()


class FenceReader:
    """Reads the fences of one file; what is wrong with them goes to ``problems``."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._asking = Asking()

    def commands(self, block: Block, number: int) -> list[Command]:
        """The commands of a fence, which is the one with this ``number`` in its runbook."""
        text, language, attributes = block.text, block.info.lower(), _NONE
        known: Attributes | None = _NONE
        if " " in block.info or "{" in block.info:
            language, known, problems = read_info(block.info, block.line)
            attributes = known or _NONE
            self.problems += problems
        if not block.closed:
            what = _("this fence has no end; close it with a line of its own marks")
            self.problems.append(Problem(block.line, "error", "fence-open", what))
            known = None
        if not text.strip():
            return []
        shell = language in SHELLS
        if (shell and text.lstrip().startswith("#!")) or (attributes.interpreter and known is not None):
            return [_whole(block, language, attributes, number, "none" if known is None else None)]
        if not shell:
            return [_whole(block, language, attributes, number, "none")]
        parts = split(_without_prompts(text) if language == "console" else text, self._asking)
        return [self._command(part, block, language, known, number) for part in parts]

    def _command(self, part: Part, block: Block, language: str, attributes: Attributes | None, number: int) -> Command:
        line = block.line + 1 + part.line
        does: Kind = "none"
        if part.syntax_error:
            what = _("bash cannot read this: {reason}", reason=part.syntax_error)
            self.problems.append(Problem(line, "error", "syntax", what))
        elif attributes is not None:
            does = kind(verdict(part.read), attributes)
        if part.whole:
            what = _("where the first command ends was not found out: the rest of this fence is taken as one")
            self.problems.append(Problem(line, "warning", "not-split", what))
        if attributes is not None and attributes.risk == "read" and does == "change":
            what = _("risk is “read”, but this is known to change something; it is asked for as a change")
            self.problems.append(Problem(line, "error", "risk-too-low", what))
        return Command(
            text=part.text,
            kind=does,
            language=language,
            placeholders=_placeholders(part.text),
            line=line,
            fence=number,
            attributes=attributes or _NONE,
            comment=part.comment,
        )


def _whole(block: Block, language: str, attributes: Attributes, number: int, known: Kind | None) -> Command:
    """A fence that is run as one script (``known`` is None), or only shown."""
    return Command(
        text=block.text,
        kind=kind("unknown", attributes) if known is None else known,
        language=language,
        placeholders=() if known == "none" else _placeholders(block.text),
        line=block.line + 1,
        fence=number,
        attributes=attributes,
        script=known is None,
    )


def _placeholders(text: str) -> tuple[Placeholder, ...]:
    return placeholders_of(text) if "<" in text else ()


def _without_prompts(text: str) -> str:
    """A session as it was copied from a terminal: what stands behind the prompts; a session without any is all
    commands. Lines stay where they are."""
    lines = text.split("\n")
    if not any(_PROMPT.match(line) for line in lines):
        return text
    return "\n".join(_typed(lines))


def _typed(lines: list[str]) -> Iterator[str]:
    typed = False
    for line in lines:
        found = _PROMPT.match(line)
        if found:
            typed = True
            yield line[found.end() :]
        elif typed and line.startswith("> "):
            yield line[2:]
        else:
            typed = False
            yield ""
