"""Parses a fence of a runbook: the attributes in its info string, and the commands in its body."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import re2
from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.config import convert
from lilfox_tui.config.yaml_nodes import ScalarNode, quoted, rather
from lilfox_tui.core.i18n import _, listed
from lilfox_tui.runbook.bash.asking import spelled
from lilfox_tui.runbook.bash.launcher import is_bash
from lilfox_tui.runbook.bash.lexer import BashLexer, goes_on
from lilfox_tui.runbook.bash.parser import read_all, read_command
from lilfox_tui.runbook.bash.placeholders import masked, placeholders_of
from lilfox_tui.runbook.bash.syntax import Unclear
from lilfox_tui.runbook.classify import checked, decides_what_runs, kind, verdict_of_text
from lilfox_tui.runbook.model import Attributes, Command, Kind, Placeholder, Problem
from lilfox_tui.runbook.parse.markdown import MarkdownBlock
from lilfox_tui.runbook.parse.sessions import SHELLS, TypedText, is_no_shell, typed_text
from lilfox_tui.runbook.readers.spec import Verdict

# The info string of a fence: its language, and attributes as JSON (runme's, and ours; runme passes over those).
#
# bash {"name": "ban", "host": "web*", "confirm": "typed", "timeout": "30s"}


_INFO = re.compile(r"\s*([^\s{]*)\s*(.*)", re.DOTALL)
_OLD_PAIR = re.compile(r"""(?<![\w-])([A-Za-z][\w-]*+)=("[^"]*"|'[^']*'|[^\s}"']+)\s*""")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_SWITCHES = {"true": True, "false": False, True: True, False: False}
_NONE = Attributes()


class _WrongAttribute(Exception):
    """A value that its key does not accept; the text says what it accepts."""


class _Twice(Exception):
    """A duplicate key."""


def read_info(info: str, line: int) -> tuple[str, Attributes | None, list[Problem]]:
    """Return language (lower case), attributes and problems of the info string in ``line``.

    Attributes are None where what stands there cannot be taken as it is meant: the fence is then not to be run.
    """
    found = _INFO.fullmatch(info)
    if found is None:
        return "", _NONE, []
    language, rest = found[1].lower(), found[2]
    if not rest.startswith("{") or rest[1:].lstrip()[:1].isdigit():  # {1,3}: lines that some sites highlight
        return language, _NONE, []
    problems: list[Problem] = []
    try:
        pairs = _pairs(rest)
    except (ValueError, RecursionError, _Twice) as error:
        reason = getattr(error, "msg", None) or str(error)
        text = _(
            "the attributes are not a JSON object ({reason}); write them as {example}", reason=reason, example=_EXAMPLE
        )
        return language, None, [Problem(line, "error", "attributes", text)]
    values: dict[str, Any] = {}
    good = True
    for key, value in pairs.items():
        known = _KEYS.get(key)
        if known is None:
            text = _("unknown attribute {key}; {rather}", key=quoted(key), rather=rather(key, _KEYS))
            problems.append(Problem(line, "warning", "attribute-unknown", text))
            continue
        field, reader = known
        try:
            values[field] = reader(value)
        except _WrongAttribute as error:
            good = False
            text = _("attribute {key}: {what}", key=key, what=error)
            problems.append(Problem(line, "error", "attribute-value", text))
    return language, Attributes(**values) if good else None, problems


_EXAMPLE = '{"name": "ban", "timeout": "30s"}'


def _pairs(text: str) -> dict[str, Any]:
    """Parse attribute pairs. Raises ValueError if they are neither JSON nor runme's older ``{ name=ban }``."""
    inner = text.strip()[1:-1].strip() if text.rstrip().endswith("}") else ""
    if inner and not inner.startswith('"'):
        found = _OLD_PAIR.findall(inner)
        if found and _OLD_PAIR.sub("", inner) == "":
            return _once([(key, value.strip("\"'")) for key, value in found])
    made = json.loads(text, object_pairs_hook=_once)
    if not isinstance(made, dict):
        raise ValueError(type(made).__name__)
    return made


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _value in pairs]
        raise _Twice(_("{key} appears twice", key=next(key for key in keys if keys.count(key) > 1)))
    return made


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or any(ord(char) < 32 for char in value):
        raise _WrongAttribute(_("write one line of text"))
    return value


def _switch(value: Any) -> bool:
    try:
        return _SWITCHES[value]
    except (KeyError, TypeError):
        raise _WrongAttribute(_("write true or false")) from None


def _one_of(*words: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in words:
            raise _WrongAttribute(_("write one of: {words}", words=listed(words)))
        return str(value)

    return read


def _seconds(value: Any) -> float:
    try:
        return float(convert.to_seconds(ScalarNode(str(value), True, 0)))
    except convert.WrongScalar as error:
        raise _WrongAttribute(str(error)) from None


def _expect(value: Any) -> int | str:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255:
        return value
    if isinstance(value, str) and value.isdecimal() and int(value) <= 255:
        return int(value)
    if (pattern := _pattern(value)) is not None:
        return pattern
    raise _WrongAttribute(_("write an exit status such as 0, or a regular expression such as “/ready/”"))


def _unchanged(value: Any) -> str:
    if (pattern := _pattern(value)) is not None:
        return pattern
    raise _WrongAttribute(_("write a regular expression such as “/ready/”"))


def _pattern(value: Any) -> str | None:
    """The regular expression between two slashes; None if it is none."""
    if isinstance(value, str) and len(value) > 2 and value[0] == value[-1] == "/":
        _compiled(value[1:-1])
        return value[1:-1]
    return None


def _capture(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not value:
        raise _WrongAttribute(_("write an object that maps variables to regular expressions"))
    for name, pattern in value.items():
        if not _NAME.fullmatch(name) or not isinstance(pattern, str):
            raise _WrongAttribute(_("write an object that maps variables to regular expressions"))
        if not _compiled(pattern).groups:
            raise _WrongAttribute(
                _("{pattern} has no capture group; put the part to capture in parentheses", pattern=pattern)
            )
    return dict(value)


def _compiled(pattern: str) -> re2.Pattern:
    """Compile as ``run/output.py`` matches: with RE2, which has no lookahead and no backreferences."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except UnicodeEncodeError:
        reason = _("it contains an unpaired surrogate")
        raise _WrongAttribute(
            _("{pattern} is not a regular expression: {reason}", pattern=pattern, reason=reason)
        ) from None
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else error
        raise _WrongAttribute(
            _("{pattern} is not a regular expression: {reason}", pattern=pattern, reason=reason)
        ) from None


_KEYS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "name": ("name", _text),
    "cwd": ("cwd", _text),
    "interactive": ("interactive", _switch),
    "background": ("background", _switch),
    "interpreter": ("interpreter", _text),
    "tag": ("tag", _text),
    "excludeFromRunAll": ("exclude_from_run_all", _switch),
    "host": ("host", _text),
    "sudo": ("sudo", _switch),
    "confirm": ("confirm", _one_of("none", "once", "typed")),
    "timeout": ("timeout_s", _seconds),
    "expect": ("expect", _expect),
    "check": ("check", _switch),
    "rollback-of": ("rollback_of", _text),
    "capture": ("capture", _capture),
    "risk": ("risk", _one_of("read", "change", "destroy")),
    "follow": ("follow", _switch),
    "unchanged": ("unchanged", _unchanged),
}
"""Each attribute: the field that it becomes, and what reads its value."""


# A fence of shell text into its commands: the lines that bash would read before it does anything.
#
# ``bash -n`` is asked only where the parser cannot tell, and a bounded number of times.


_BASH = ("bash", "--noprofile", "--norc", "-n")
_TIMEOUT_S = 5.0
ASKED_AT_MOST = 200
"""How often ``bash -n`` is asked for one file: some 2 ms each."""


class CommandText(Struct, gc=False):
    """One command of a fence. ``line`` counts from 0 in the fence; ``comment`` contains the comment lines before it."""

    text: str
    line: int
    comment: str = ""
    syntax_error: str = ""
    """What bash says of it where it cannot be read as shell text."""
    whole: bool = False
    """Whether it is the rest of its fence because bash could not be asked where its first command ends."""


class SyntaxProbe:
    """Runs ``bash -n``, up to a limited number of times."""

    def __init__(self, limit: int = ASKED_AT_MOST) -> None:
        self.left = limit

    def says(self, text: str) -> str | None:
        """Return what bash reports for ``text``, "" for nothing; None if bash cannot be run."""
        if self.left <= 0:
            return None
        self.left -= 1

        try:
            done = subprocess.run(
                _BASH,
                input=text.encode("utf-8", "surrogatepass"),
                capture_output=True,
                timeout=_TIMEOUT_S,
                env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"},
                check=False,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stderr.decode(errors="replace").strip()


def split(text: str, asking: SyntaxProbe) -> list[CommandText]:
    """Return the commands of ``text``, in order, without comments and empty lines between them."""
    parts: list[CommandText] = []
    text = spelled(text)
    lines, read = text.split("\n"), masked(text)
    at, comment, offset = 0, 0, 0
    while at < len(lines):
        line = read[offset : offset + len(lines[at])]
        if not line.strip(" \t") or _is_comment(line):
            offset += len(line) + 1
            at += 1
            comment = comment if line.strip(" \t") else at
            continue
        part, count = _next(lines, at, read, offset, asking)
        part.line = at
        part.comment = "\n".join(lines[comment:at])
        parts.append(part)
        offset += sum(len(each) + 1 for each in lines[at : at + count])
        at += count
        comment = at
    return parts


def _is_comment(line: str) -> bool:
    first = BashLexer(line).token() if "#" in line else None
    return first is not None and first.kind == "comment"


def _next(lines: list[str], at: int, read: str, offset: int, asking: SyntaxProbe) -> tuple[CommandText, int]:
    """Return the command that begins in line ``at``, and how many lines it has; ``read`` is the whole text, masked, in
    which it begins at ``offset``."""
    line = read[offset : offset + len(lines[at])]
    if not line.endswith("\\"):
        try:
            read_all(line)
            return CommandText(lines[at], 0), 1
        except Unclear:
            pass
    try:
        _statements, end = read_command(read, offset)
    except (Unclear, RecursionError):
        return _asked(lines, at, read[offset:].split("\n"), asking)
    count = read.count("\n", offset, end) + (not read.endswith("\n", offset, end))
    return CommandText("\n".join(lines[at : at + count]), 0), count


def _asked(lines: list[str], at: int, read: list[str], asking: SyntaxProbe) -> tuple[CommandText, int]:
    """Return the command as bash sees it: lines are added until bash accepts them, or reports an error that no further
    line can fix."""
    count = len(read)
    for size in range(1, count + 1):
        text = "\n".join(read[:size])
        said = asking.says(text + "\n")
        if said is None:
            return CommandText("\n".join(lines[at:]), 0, whole=True), count
        if said == "":
            if size == count or not goes_on(text):
                return CommandText("\n".join(lines[at : at + size]), 0), size
        elif not _unfinished(said):
            return CommandText("\n".join(lines[at:]), 0, syntax_error=_reason(said)), count
    return CommandText("\n".join(lines[at:]), 0, syntax_error=_reason(said or "")), count


def _unfinished(said: str) -> bool:
    return "unexpected end of file" in said or "unexpected EOF" in said or "here-document" in said


def _reason(said: str) -> str:
    """Return the first line of bash's message, without its name and line number."""
    first = said.split("\n", 1)[0]
    return re.sub(r"^.*?: line \d+: ", "", first)


# A fence of a runbook into its commands, each with what it is known to do.


_FIRST_WORD = re.compile(r"[^\s{]*")
_LEANED_ON = re.compile(r"host|rollback-of|check|confirm|risk|unchanged")
"""Attributes that keep other fences safe: where one of them cannot be read, nothing of the file runs."""


class FenceReader:
    """Reads the fences of one file, a bundled one if ``ours``; collects their problems in ``problems``."""

    def __init__(self, *, ours: bool = False) -> None:
        self.problems: list[Problem] = []
        self._ours = ours
        self._asking = SyntaxProbe()
        self._typed: dict[int, TypedText] = {}
        self._refused: dict[int, str] = {}
        """Line of a fence of which nothing is run → why; empty where nothing of the file is run."""

    def typed(self, block: MarkdownBlock) -> TypedText:
        """Return what of a fence was typed, and what is output."""
        if (found := self._typed.get(block.line)) is None:
            language = _FIRST_WORD.match(block.info)[0].lower()  # type: ignore[index]
            found = typed_text(block.text, language, self._unfinished)
            if found.text and not found.prompts and "{" not in block.info and is_no_shell(found.text):
                broken = any(part.syntax_error for part in split(found.text, self._asking))
                found = TypedText("", ((0, block.text),)) if broken else found
            self._typed[block.line] = found
        return found

    def holds_commands(self, block: MarkdownBlock) -> bool:
        """Whether a fence holds commands, as far as its first look says."""
        if "interpreter" in block.info and read_info(block.info, block.line)[1] not in (None, _NONE):
            return bool(block.text.strip())
        return any(line.strip() and not line.lstrip().startswith("#") for line in self.typed(block).text.split("\n"))

    def refuses(self, block: MarkdownBlock) -> bool:
        """Whether nothing of a fence that was read is run because of an error."""
        return block.line in self._refused

    def _unfinished(self, text: str) -> bool:
        """Whether a command goes on in the next line."""
        if text.endswith("\\"):
            return True
        read = masked(text)
        try:
            read_all(read)
        except (Unclear, RecursionError):
            return _unfinished(self._asking.says(read + "\n") or "")
        return False

    def commands(self, block: MarkdownBlock, number: int, *, output: bool = False) -> list[Command]:
        """Return the commands of a fence, which has this ``number`` in its runbook. ``output``: the text before it says
        that it is output, so that without prompts nothing of it is run."""
        text, language, attributes = block.text, block.info.lower(), _NONE
        known: Attributes | None = _NONE
        if " " in block.info or "{" in block.info:
            language, known, problems = read_info(block.info, block.line)
            attributes = known or _NONE
            self._tell(problems, block)
        if not block.closed:
            what = _("this fence is not closed; close it with a line of the same fence characters")
            self._tell([Problem(block.line, "error", "fence-open", what)], block)
            known = None
        if not text.strip():
            return []
        shell = language in SHELLS
        if (shell and text.lstrip().startswith("#!")) or (attributes.interpreter and known is not None):
            return [self._whole(block, language, attributes, number, runs=known is not None)]
        typed = self.typed(block)
        if not typed.text.strip() or (output and not typed.prompts):
            return [self._whole(block, language, attributes, number, runs=False)]
        parts = split(typed.text, self._asking)
        return list(self._commands(parts, block, language, known, number))

    def _commands(
        self, parts: list[CommandText], block: MarkdownBlock, language: str, attributes: Attributes | None, number: int
    ) -> Iterator[Command]:
        """Yield the commands. After one that may change what later ones do, the later ones are not judged; where bash
        cannot parse one of them, none of the fence runs."""
        lost = False
        typed = self.typed(block)
        if broken := next((part for part in parts if part.syntax_error), None):
            attributes = None
            what = _("bash cannot parse this: {reason}", reason=broken.syntax_error)
            self._tell([Problem(block.line + 1 + broken.line, "error", "syntax", what)], block)
        for at, part in enumerate(parts):
            text = checked(part.text, filled=False)
            found = verdict_of_text(text, filled=False) if not lost and attributes is not None else "unknown"
            blind = lost
            lost = lost or (found in ("change", "unknown") and decides_what_runs(part.text))
            until = parts[at + 1].line if at + 1 < len(parts) else block.text.count("\n") + 1
            below = typed.below(part.line, until) if typed.outputs else ""
            yield self._command(part, block, language, attributes, number, found, blind=blind, below=below)

    def _command(
        self,
        part: CommandText,
        block: MarkdownBlock,
        language: str,
        attributes: Attributes | None,
        number: int,
        known: Verdict,
        *,
        blind: bool,
        below: str,
    ) -> Command:
        line = block.line + 1 + part.line
        does: Kind = "none"
        if attributes is not None:
            does = kind(known, attributes, ours=self._ours)
            self._told(known, attributes, line)
        if part.whole:
            what = _("cannot find where the first command ends: the rest of this fence is treated as one command")
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
            output=below,
            refused="" if attributes is not None else self._refused.get(block.line, ""),
        )

    def _tell(self, problems: Sequence[Problem], block: MarkdownBlock) -> None:
        """Add problems of a fence; the first error is why it is not run."""
        for problem in problems:
            found = _of_fence(problem, block)
            self.problems.append(found)
            if problem.severity == "error":
                self._refused.setdefault(block.line, found.text if found.blocks == "fence" else "")

    def _whole(
        self, block: MarkdownBlock, language: str, attributes: Attributes, number: int, *, runs: bool
    ) -> Command:
        """Return the command of a fence that is run as one script, or (without ``runs``) only shown."""
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
            refused="" if runs else self._refused.get(block.line, ""),
        )

    def _told(self, known: Verdict, attributes: Attributes, line: int) -> None:
        """Report a fence that understates the risk of a command."""
        if attributes.risk != "read" or self._ours:
            return
        if known == "change":
            what = _("risk is “read”, but this command makes changes; it must be confirmed like any change")
            self.problems.append(Problem(line, "error", "risk-too-low", what))
        elif known == "unknown":
            what = _(
                "risk is “read”, but this command is not known to be read-only; it must be confirmed like any change"
            )
            self.problems.append(Problem(line, "warning", "risk-not-known", what))


def _placeholders(text: str) -> tuple[Placeholder, ...]:
    return placeholders_of(text) if "<" in text else ()


def _of_fence(problem: Problem, block: MarkdownBlock) -> Problem:
    """Return the problem as one that blocks its fence alone, unless other fences rely on what cannot be read: a
    rollback, a check or a confirmation that is missing, a host that others expect to be ready, fences that an open one
    swallowed."""
    swallows = problem.code == "fence-open" and re.search("^ {0,3}(?:```|~~~)", block.text, re.MULTILINE)
    if problem.severity != "error" or swallows or _LEANED_ON.search(block.info):
        return problem
    return replace(problem, blocks="fence")
