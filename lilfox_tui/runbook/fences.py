"""A fence of a runbook into its commands, each with what it is known to do."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lilfox_tui.i18n import _
from lilfox_tui.runbook.attributes import read_info
from lilfox_tui.runbook.markdown import Block
from lilfox_tui.runbook.model import Attributes, Command, Kind, Placeholder, Problem
from lilfox_tui.runbook.placeholders import placeholders_of
from lilfox_tui.runbook.plain_variables import checked
from lilfox_tui.runbook.readers.spec import Verdict
from lilfox_tui.runbook.recognising import decides_what_runs, kind, verdict_of_text
from lilfox_tui.runbook.shell import is_bash
from lilfox_tui.runbook.splitting import Asking, Part, split

SHELLS = frozenset({"bash", "sh", "shell", "console"})
"""Languages whose fences hold commands."""
_PROMPT = re.compile(r"(?:[\w.-]++@[\w.-][^\s$#]*+[$#]|\$) ")
_NONE = Attributes()


class FenceReader:
    """Reads the fences of one file, which LilFox brings where it is ``ours``; what is wrong with them goes to
    ``problems``."""

    def __init__(self, *, ours: bool = False) -> None:
        self.problems: list[Problem] = []
        self._ours = ours
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
            return [self._whole(block, language, attributes, number, runs=known is not None)]
        if not shell:
            return [self._whole(block, language, attributes, number, runs=False)]
        parts = split(_without_prompts(text) if language == "console" else text, self._asking)
        return list(self._commands(parts, block, language, known, number))

    def _commands(
        self, parts: list[Part], block: Block, language: str, attributes: Attributes | None, number: int
    ) -> Iterator[Command]:
        """Behind a command that may have made others of those that follow, nothing is known of them."""
        lost = False
        for part in parts:
            text = checked(part.text, filled=False)
            found = verdict_of_text(text, filled=False) if not lost and attributes is not None else "unknown"
            blind = lost
            lost = lost or (found in ("change", "unknown") and decides_what_runs(part.text))
            yield self._command(part, block, language, attributes, number, found, blind=blind)

    def _command(
        self,
        part: Part,
        block: Block,
        language: str,
        attributes: Attributes | None,
        number: int,
        known: Verdict,
        *,
        blind: bool,
    ) -> Command:
        line = block.line + 1 + part.line
        does: Kind = "none"
        if part.syntax_error:
            what = _("bash cannot read this: {reason}", reason=part.syntax_error)
            self.problems.append(Problem(line, "error", "syntax", what))
        elif attributes is not None:
            does = kind(known, attributes, ours=self._ours)
            self._told(known, attributes, line)
        if part.whole:
            what = _("where the first command ends was not found out: the rest of this fence is taken as one")
            self.problems.append(Problem(line, "warning", "not-split", what))
        return Command(
            text=part.text,
            kind=does,
            language=language,
            placeholders=_placeholders(part.text),
            line=line,
            fence=number,
            attributes=attributes or _NONE,
            comment=part.comment,
            blind=blind,
        )

    def _whole(self, block: Block, language: str, attributes: Attributes, number: int, *, runs: bool) -> Command:
        """A fence that is run as one script, or only shown."""
        judged = runs and is_bash(block.text, attributes.interpreter)
        known: Verdict = verdict_of_text(block.text, filled=False) if judged else "unknown"
        if runs:
            self._told(known, attributes, block.line + 1)
        return Command(
            text=block.text,
            kind=kind(known, attributes, ours=self._ours) if runs else "none",
            language=language,
            placeholders=_placeholders(block.text) if runs else (),
            line=block.line + 1,
            fence=number,
            attributes=attributes,
            script=runs,
        )

    def _told(self, known: Verdict, attributes: Attributes, line: int) -> None:
        """What its fence calls less than it may be."""
        if attributes.risk != "read" or self._ours:
            return
        if known == "change":
            what = _("risk is “read”, but this is known to change something; it is asked for as a change")
            self.problems.append(Problem(line, "error", "risk-too-low", what))
        elif known == "unknown":
            what = _("risk is “read”, but nobody knows that this only reads; it is asked for as a change")
            self.problems.append(Problem(line, "warning", "risk-not-known", what))


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
