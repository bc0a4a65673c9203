"""Tells what in a fence was typed: commands behind the prompts of a terminal session, the output below them, and
fences that hold nothing but output."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from msgspec import Struct

from lilfox_tui.runbook.readers.judge import known_program

# ``$ ``, ``user@host:~$ ``, ``[root@host ~]# ``, ``sh-5.1# `` and ``/ # `` are prompts where a fence begins with one.
# ``# `` is a comment, unless the whole fence can only be a session of root (``_is_of_root``): prose is never run.


SESSIONS = frozenset({"console", "terminal", "shell-session", "shellsession", "sh-session", "bash-session"})
"""Languages that mean a terminal session: what was typed, and what it printed."""
SHELLS = frozenset({"bash", "sh", "shell", "zsh"}) | SESSIONS
"""Languages whose fences hold commands."""
TEXTS = frozenset({"", "text", "txt", "plaintext", "plain", "none"})
"""Languages whose fences hold commands only behind prompts."""
_WHO = r"(?:[\w.-]++@[\w.-][^\s$#]*+|\[[\w.-]++@[^\]$#]*+\]|(?:ba|da|k|z)?sh-[\d.]++)"
_ARROW = r"[\u279c\u276f](?: +[\w.~/-]++ git:\([^()]*+\)(?: [\u2717\u2718])?)?"
_PROMPT = re.compile(rf"(?:\([\w .-]++\) ?)?+(?:{_WHO} ?[$#%]|[~/] [$#]|:?~[\w./-]*+[$#]|\$|{_ARROW})(?: +|$)")
_OTHERS = re.compile(
    r"(?:mysql|sqlite|psql|sql|s?ftp|cqlsh|mongo|redis|ceph|ksql|lftp|influx|[A-Z]\w+ \[[^\]]*+\]|[\w.-]+:\d+|"
    r"\w+@[\w.:/-]*+|\w++=[#>*]?)>(?: |$)|\w++=[#>] |[\w.-]++# |>>> "
)
"""The prompts of other programs: what stands behind them is typed into those, and is no shell command."""
_ROOT = re.compile(r"# +")
_FIRST = re.compile(r"[ \t]+")
_SHOWING = (
    "ag awk bat cat crontab diff echo env fgrep egrep find grep head history less ls more nl printf ps rg sed "
    "ssh-agent strings tail tee type vi vim which"
)
_PRINTS = frozenset(_SHOWING.split())
"""Programs whose output may be commands."""
_HEAD_WORD = r"[A-Z][A-Z0-9_%/.-]*+(?:\([A-Za-z%]++\))?+"
_TABLE_HEAD = re.compile(rf"{_HEAD_WORD}(?:[ \t]++{_HEAD_WORD})++ *+$")
_RULED = re.compile(r"[+|][-=+| ]++")
_STAMP = re.compile(r"\[?\d{4}[-/]\d\d[-/]\d\d|\d\d:\d\d:\d\d")
_TREE = re.compile(r"[\s\u2502]*+[\u251c\u2514]\u2500")
_NAMES = re.compile(r"[^\s$<>=~]*/$|/\*|[\w-]++(?:\.[\w-]++)++/[\w./-]*[\w-]$")
"""A folder, the comment of another language, the name of a package."""
_PRINTED = re.compile(
    r"\+[-=]{2}[-=+]*+$|-{12,}+$|\|[ |]|\[?\d{4}[-/]\d\d[-/]\d\d[ T]|<(?:html|!DOCTYPE|\?xml)\b|HTTP/\d[\d.]* \d|"
    r"[A-Z][A-Za-z-]*+(?: [A-Za-z-]++){0,2}:(?: {2,}|\t)\S|[EFIW]\d{4} \d\d:|time=\"?\d{4}-|\{\"|Error from server|"
    r"https?://\S+$|"
    r"\S[^\s/]*+/\S++ "
    r"(?:created|configured|unchanged|deleted|patched|scaled|labeled|annotated|restarted|edited|exposed)$"
)
"""How a line begins below a command that no command begins with: a rule, a row, a time, a label, markup, JSON."""
_LABEL = re.compile(
    r"[A-Za-z][\w./-]*+:(?: |$)|[A-Z][\w./-]*+(?: [\w./-]++){0,3}:(?: |$)|HTTP/\d|[*●-]|[<>] |[EFIW]\d{4} "
)
_SENTENCES = (
    "a an and are as at be by can first for from has have if in into is it its make more next not of on only or our "
    "should so than that the their then there these this to use using we when where which will with you your"
)
_NO_PROGRAM = re.compile(
    r"[A-Z0-9(\[|;*/.{<>-]|[^\x00-\x7f]|\S*[(\[{]|\S*[:,]$|\S*[:,] |[\w.-]+(?: [\w.\"-]+)* \{$|"
    r"(?:sum|max|min|avg|count|topk|bottomk|group|quantile|stddev) ?(?:by|without)\b|"
    r"[a-z]\w* [*+/<>=!-]=? (?:on|bool|\d)"
)
"""How a line begins that calls no program: output, a query, a block of a configuration."""
_PROSE = frozenset(_SENTENCES.split())
_EVIDENCE = re.compile(r"-|.*[/=|$<>{}_\d]|.*\w[.:@]\w")
_WRAPPERS = frozenset({"sudo", "env", "time", "nohup"})
_ENGLISH = (
    "cat cut date docker expand file find fold free git halt head helm host install join kill last less link locate "
    "look make more mount mysql nice nginx node paste patch pip postgres python read reboot redis script service set "
    "shutdown sort split stat start stop sync tail tee test time top touch type umount vault wait watch "
    "which who write"
)
_WORDS = frozenset(_ENGLISH.split())
"""Programs whose names are words of a comment as well."""


class TypedText(Struct, frozen=True):
    """A fence: ``text`` has the commands, with empty lines where output was, so that lines keep their numbers;
    ``outputs`` are the lines where output begins (from 0), and the output; ``prompts``: whether there were any."""

    text: str
    outputs: tuple[tuple[int, str], ...] = ()
    prompts: bool = False

    def below(self, line: int, until: int) -> str:
        """Return the output that begins after ``line``, and before the line ``until``."""
        return "\n".join(text for at, text in self.outputs if line < at < until)


def typed_text(text: str, language: str, unfinished: Callable[[str], bool]) -> TypedText:
    """Return what of a fence was typed, empty where nothing was. ``unfinished`` tells whether a command goes on in the
    next line."""
    lines = text.split("\n")
    begun = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    first = begun[0] if begun else ""
    if _is_session(lines, first, language):
        return _typed(lines, _PROMPT, unfinished, bare=_bare_commands(lines, unfinished))
    if language not in SHELLS or _OTHERS.match(first.lstrip(" ")):
        return TypedText("", ((0, text),))
    if _is_of_root(lines, language):
        return _typed(lines, _ROOT, unfinished)
    if begun and (_is_excerpt(begun) or _is_output(first.strip(), begun[1:], language)):
        return TypedText("", ((0, text),))
    return _above_table(lines, unfinished)


def is_no_shell(text: str) -> bool:
    """Whether the text of a shell fence begins as no command does, and no line of it is one for certain: what bash
    cannot parse then is output, a query or a configuration that was given the wrong language."""
    lines = [line.strip() for line in text.split("\n") if line.strip() and not line.lstrip().startswith("#")]
    if not lines or _NO_PROGRAM.match(lines[0]) is None:
        return False
    return not any(_reads_as_command(line) for line in lines if _NO_PROGRAM.match(line) is None)


def _above_table(lines: Sequence[str], unfinished: Callable[[str], bool]) -> TypedText:
    """Return commands without what they print: such output begins with the head of a table or with what begins no
    command, and ends where a known command stands below an empty line."""
    found: list[str] = []
    outputs: list[tuple[int, str]] = []
    at = 0
    while at < len(lines):
        if not (found and _begins_output(lines[at].strip()) and _ended(found, unfinished)):
            found.append(lines[at])
            at += 1
            continue
        end = at + 1
        while end < len(lines) and (lines[end - 1].strip() or not _reads_as_command(lines[end])):
            end += 1
        outputs.append((at, "\n".join(lines[at:end]).rstrip("\n")))
        found += [""] * (end - at)
        at = end
    return TypedText("\n".join(found), tuple(outputs))


def _begins_output(line: str) -> bool:
    if _PRINTED.match(line):
        return True
    return ("  " in line or "\t" in line) and _TABLE_HEAD.match(line) is not None


def _ended(lines: Sequence[str], unfinished: Callable[[str], bool]) -> bool:
    text = "\n".join(lines)
    return bool(text.strip()) and not unfinished(text)


def _is_session(lines: Sequence[str], first: str, language: str) -> bool:
    """Whether there are prompts: at the first line that is no comment, and further below only where the language says
    that these are commands and no heredoc holds them. ``root@host# `` is like a comment to nobody."""
    if _PROMPT.match(first.lstrip(" ")) is not None:
        return language in SHELLS or language in TEXTS
    if language not in SHELLS:
        return False
    start = next((at for at, line in enumerate(lines) if _PROMPT.match(line.lstrip(" "))), None)
    return start is not None and "<<" not in "\n".join(lines[:start])


def _bare_commands(lines: Sequence[str], unfinished: Callable[[str], bool]) -> bool:
    """Whether the lines below the only prompt are commands as well, because somebody wrote it before the first one
    alone: each of them can only be a command, none has the shape of output, and the first one prints no file."""
    begun: list[str] = []
    bare: list[str] = []
    for line in lines:
        text = line.strip()
        if begun and not bare and text.startswith("> "):
            return False
        if begun and unfinished("\n".join(begun)):
            begun.append(line)
        elif text and not text.startswith("#"):
            prompt = _PROMPT.match(text)
            if (prompt is not None) != (not begun) or (prompt is None and not _is_bare(text)):
                return False
            bare += [text] if prompt is None else []
            begun = [text] if prompt is None else [text[prompt.end() :]]
            if prompt is not None and (not _reads_as_command(begun[0]) or _FIRST.split(begun[0], 1)[0] in _PRINTS):
                return False
    return any(not text.startswith("export ") for text in bare)


def _is_bare(text: str) -> bool:
    return " " in text and _reads_as_command(text) and not _begins_output(text) and not _is_output(text, (), "console")


def _typed(
    lines: Sequence[str], prompt: re.Pattern[str], unfinished: Callable[[str], bool], *, bare: bool = False
) -> TypedText:
    """Take the prompts off. What is below a command is its output, unless the command is not finished: then it goes
    on there, behind ``> `` or as it is. ``bare``: lines without a prompt are commands, too."""
    begins = [prompt.match(line.lstrip(" ")) for line in lines]
    if bare:
        plain = [line if at is None else line.lstrip(" ")[at.end() :] for line, at in zip(lines, begins, strict=True)]
        return TypedText("\n".join(plain), (), True)
    found: list[str] = []
    outputs: list[tuple[int, str]] = []
    at = 0
    while at < len(lines):
        if (match := begins[at]) is None:
            end = next((later for later in range(at, len(lines)) if begins[later] is not None), len(lines))
            found += _output(lines[at:end], at, outputs, last=end == len(lines))
            at = end
            continue
        command = [lines[at].lstrip(" ")[match.end() :]]
        at += 1
        prompted = at < len(lines) and lines[at].lstrip(" ").startswith("> ")
        while at < len(lines) and begins[at] is None and unfinished("\n".join(command)):
            line = lines[at].lstrip(" ") if prompted else lines[at]
            command.append(line.removeprefix(">").removeprefix(" ") if prompted else line)
            at += 1
        found += command
    return TypedText("\n".join(found), tuple(outputs), True)


def _output(lines: Sequence[str], at: int, outputs: list[tuple[int, str]], *, last: bool) -> list[str]:
    """Add what stands between two commands to ``outputs``; return it with only the comments of the later one."""
    count = len(lines)
    while count and not last and (not lines[count - 1].strip() or lines[count - 1].lstrip().startswith("#")):
        count -= 1
    said = "\n".join(lines[:count]).strip("\n")
    if said.strip():
        begins = next(number for number, line in enumerate(lines) if line.strip())
        outputs.append((at + begins, said))
    return ["" for _line in lines[:count]] + [line.lstrip(" ") for line in lines[count:]]


def _is_of_root(lines: Sequence[str], language: str) -> bool:
    """Whether ``# `` is the prompt of root and begins no comment: each such line is a command of a known program and
    reads like no sentence, and what else there is is output for certain."""
    others: list[str] = []
    goes_on = False
    for line in lines:
        if line.startswith("#"):
            if not line.startswith("# ") or not _reads_as_command(line[2:]):
                return False
        elif line.strip() and not goes_on:
            others.append(line.strip())
        goes_on = line.endswith("\\")
    if not any(line.startswith("#") for line in lines) or not lines[0].startswith("#"):
        return False
    if any(_reads_as_command(each) for each in others):
        return False
    return not others or language in SESSIONS or any(_TABLE_HEAD.match(each) for each in others)


def _reads_as_command(text: str) -> bool:
    """Whether a line can only be a command: its program is known, and no word of it is a sentence's."""
    words = text.removesuffix("\\").split()
    while words and (words[0] in _WRAPPERS or (words[0].partition("=")[0].isidentifier() and "=" in words[0])):
        words = words[1:]
    if not words or not text.isascii() or known_program(words[0]) == "unknown":
        return False
    later = words[1:]
    if any(word.lower() in _PROSE for word in later) or words[-1][-1] in ".:,;!?":
        return False
    return words[0] not in _WORDS or any(_EVIDENCE.match(word) for word in later)


def _is_excerpt(begun: Sequence[str]) -> bool:
    """Whether lines are a tree of folders, or begin in the middle of something: ``...``, and no command behind it."""
    dots = begun[0].strip() in ("...", "\u2026", "[...]")
    if any(_TREE.match(line) for line in begun[1:]):
        return True
    return dots and (len(begun) == 1 or not _reads_as_command(begun[1].strip()))


def _is_output(first: str, later: Sequence[str], language: str) -> bool:
    """Whether a fence without prompts begins with what no command begins with: the head of a table, a rule, a time, a
    label, an option, JSON."""
    if _TABLE_HEAD.match(first) or _RULED.match(first) or _STAMP.match(first) or _LABEL.match(first):
        return True
    if _PRINTED.match(first) or _NAMES.match(first):
        return True
    if first[0] in "{[" and (len(first) == 1 or first[1:].lstrip()[:1] in ('"', "{", "[")):
        return not later or later[0].lstrip()[:1] in ('"', "{", "[", "}", "]")
    return language in SESSIONS and not (first[0].isalnum() or first[0] in "_./~$(<\"'[!:")
