"""Parses bash commands, and splits the text of a fence into its commands."""

from __future__ import annotations

import re
import subprocess

from msgspec import Struct

from lilfox_tui.runbook.bash.syntax import (
    CLOSE,
    OPEN,
    PLAIN,
    REDIRECT,
    Assignment,
    Beyond,
    CommandGroup,
    For,
    If,
    Joined,
    Literal,
    Redirect,
    Simple,
    Statement,
    Test,
    Unclear,
    While,
    Word,
    WordReader,
)

# Commands of bash, read as far as it takes to say where one ends and what it calls; nothing is ever run.
#
# What is not understood for certain is :class:`Unclear`: whoever needs to know where it ends asks ``bash -n``
# (``SyntaxProbe``); whoever needs to know what it does takes it for a change (``classify.py``).


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ASSIGNED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\+?)=")
_RESERVED = frozenset(
    {
        "if", "then", "elif", "else", "fi", "for", "while", "until", "do", "done", "case", "esac", "select",
        "function", "time", "coproc", "{", "}", "!", "[[", "in",
    }
)  # fmt: skip
_BINARY = frozenset({"=", "==", "!=", "=~", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef"})
_DEEPEST = 40


def read_command(text: str, start: int = 0) -> tuple[list[Statement], int]:
    """Return the complete command that begins at ``start``, with its here-documents, and its end. Raises Unclear."""
    reader = _CommandReader(text, start)
    return reader.complete(), reader.at


def read_all(text: str) -> list[Statement]:
    """Return every command of ``text``. Raises Unclear."""
    reader = _CommandReader(text)
    found: list[Statement] = []
    reader.newlines()
    while reader.peek():
        found += reader.complete()
        reader.newlines()
    return found


class _CommandReader(WordReader):
    """A recursive-descent parser for one text."""

    def complete(self) -> list[Statement]:
        """Parse a list up to the end of its line, including the newline."""
        found = [self.and_or()]
        while (operator := self.peek()) in (";", "&"):
            self.take()
            if operator == "&":
                found[-1] = Beyond("it runs in the background")
            if self.peek() in ("", "\n"):
                break
            found.append(self.and_or())
        last = self.peek()
        if last == "\n":
            self.take()
        elif last or self.waits:
            raise Unclear
        return found

    def and_or(self) -> Statement:
        found = [self.pipeline()]
        while self.peek() in ("&&", "||"):
            self.take()
            self.newlines()
            found.append(self.pipeline())
        return found[0] if len(found) == 1 else Joined("&&", found)

    def pipeline(self) -> Statement:
        while self.next_bare() in ("!", "time"):
            self.at += len(self.next_bare())
        found = [self.command()]
        while self.peek() in ("|", "|&"):
            self.take()
            self.newlines()
            found.append(self.command())
        return found[0] if len(found) == 1 else Joined("|", found)

    def next_bare(self) -> str:
        """Return the next word if it is a reserved one, without consuming it; else ""."""
        if self.peek() != "word":
            return ""
        found = PLAIN.match(self.text, self.at)
        if found is None or found[0] not in _RESERVED:
            return ""
        after = self.text[found.end() : found.end() + 1]
        return found[0] if after == "" or after in " \t\n;&|()<>" else ""

    def expect(self, *words: str) -> str:
        word = self.next_bare()
        if word not in words:
            raise Unclear
        self.at += len(word)
        return word

    def command(self) -> Statement:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise Unclear
        found: Statement
        if self.peek() == "(":
            if self.text.startswith("((", self.at):
                raise Unclear
            self.take()
            body, _end = self.body()
            self.close()
            found = CommandGroup(body, self.redirects(), subshell=True)
        elif word := self.next_bare():
            self.at += len(word)
            found = self.compound(word)
        else:
            found = self.simple()
        self.depth -= 1
        return found

    def compound(self, word: str) -> Statement:
        if word == "if":
            bodies = [self.body("then")[0]]
            while True:
                body, last = self.body("elif", "else", "fi")
                bodies.append(body)
                if last == "fi":
                    break
                bodies.append(self.body("then" if last == "elif" else "fi")[0])
                if last == "else":
                    break
            return If(bodies, self.redirects())
        if word in ("while", "until"):
            condition, body = self.body("do")[0], self.body("done")[0]
            return While(condition, body, self.redirects())
        if word == "for":
            return self.loop()
        if word == "{":
            body, _end = self.body("}")
            return CommandGroup(body, self.redirects())
        if word == "[[":
            terms = self.condition()
            return Test(terms, self.redirects())
        raise Unclear

    def body(self, *ends: str) -> tuple[list[Statement], str]:
        """Parse a non-empty list up to one of the reserved words, which is consumed; without them, up to ``)``."""
        self.newlines()
        found = [self.and_or()]
        while (operator := self.peek()) in (";", "&", "\n"):
            self.take()
            if operator == "&":
                found[-1] = Beyond("it runs in the background")
            self.newlines()
            if self.peek() == ")" or (ends and self.next_bare() in ends):
                break
            found.append(self.and_or())
        return found, self.expect(*ends) if ends else ""

    def loop(self) -> Statement:
        if self.peek() != "word":
            raise Unclear
        name = self.word()
        if not name.bare or not _NAME.fullmatch(name.literal or ""):
            raise Unclear
        words: list[Word] = []
        if self.next_bare() == "in":
            self.at += 2
            while self.peek() == "word":
                words.append(self.word())
        if self.peek() not in (";", "\n"):
            raise Unclear
        self.take()
        self.newlines()
        self.expect("do")
        body, _end = self.body("done")
        return For(name.literal or "", words, body, self.redirects())

    def condition(self) -> list[list[Word]]:
        terms: list[list[Word]] = [[]]
        while True:
            operator = self.peek()
            if operator == "word":
                redirect = REDIRECT.match(self.text, self.at)
                if redirect and redirect[2] in ("<", ">"):
                    raise Unclear
                word = self.word()
                if word.bare and word.literal == "]]":
                    break
                terms[-1].append(word)
            elif operator in ("&&", "||"):
                self.take()
                terms.append([])
            else:
                raise Unclear
        for term in terms:
            rest = [word.literal or "" for word in (term[1:] if term and term[0].literal == "!" else term)]
            unary = len(rest) == 2 and re.fullmatch("-[a-hknoprstuvwxzGLNORS]", rest[0])
            binary = len(rest) == 3 and rest[1] in _BINARY
            if not unary and not binary and (len(rest) != 1 or rest[0].startswith("-")):
                raise Unclear
        return terms

    def simple(self) -> Statement:
        found = Simple()
        began = self.at
        while self.peek() == "word":
            if redirect := self.redirect():
                found.redirects.append(redirect)
                continue
            word = self.word()
            assigned = None if found.words else _assignment(word)
            if assigned is None:
                found.words.append(word)
            else:
                found.assignments.append(assigned)
        if self.at == began:
            raise Unclear
        if self.peek() == "(":
            return self.function(found)
        return found

    def function(self, simple: Simple) -> Statement:
        """Parse ``() { …; }`` after a name."""
        name = simple.words[0].literal if len(simple.words) == 1 and simple.words[0].bare else None
        if simple.assignments or simple.redirects or not re.fullmatch(r"[A-Za-z0-9_.-]+", name or ""):
            raise Unclear
        self.take()
        self.close()
        self.newlines()
        self.expect("{")
        self.body("}")
        self.redirects()
        return Beyond("it defines a function")

    def redirects(self) -> list[Redirect]:
        """Parse the redirections of a compound command; anything else ends it."""
        found = []
        while self.peek() == "word":
            redirect = self.redirect()
            if redirect is None:
                raise Unclear
            found.append(redirect)
        return found


def _assignment(word: Word) -> Assignment | None:
    first = word.parts[0]
    if not isinstance(first, Literal) or first.quoted or not (found := _ASSIGNED.match(first.text)):
        return None
    rest = first.text[found.end() :]
    return Assignment(found[1], Word([*([Literal(rest)] if rest else []), *word.parts[1:]]), adds=bool(found[2]))


# A fence of shell text into its commands: the lines that bash would read before it does anything.
#
# Most lines are judged here; ``bash -n`` is asked only where this reader cannot tell, and a bounded number of times.


_WORD = r"""(?:[A-Za-z0-9_./:=@%+,^~*?\[\]{}-]++|'[^']*'|"[^"$`\\]*")++"""
_WORDS = re.compile(r"[A-Za-z0-9_./:=@%+,^~*?\[\]{} \t-]++")
_SILENT = r"(?<![^ \t])[12]?>(?:/dev/null|&[12])(?![^ \t|;])"
_OPERATOR = r"(?:\|\||&&|\||;)"
_SIMPLE_LINE = re.compile(rf"(?:{_SILENT}|{_WORD}|[ \t]++|{_OPERATOR}(?=[ \t]))++")
_TOKEN = re.compile(rf"{_SILENT}|({_WORD})|({_OPERATOR})")
_NOT_SIMPLE = frozenset(
    {
        "if", "then", "elif", "else", "fi", "for", "while", "until", "do", "done", "case", "esac", "select",
        "function", "time", "coproc", "{", "}", "[[", "in",
    }
)  # fmt: skip
_PLACEHOLDER = re.compile(r"<([A-Za-z][A-Za-z0-9_-]*)>")
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
    lines = text.split("\n")
    at, comment = 0, 0
    while at < len(lines):
        line = lines[at]
        bare = line.strip(" \t")
        if not bare or bare[0] == "#":
            at += 1
            comment = comment if bare else at
            continue
        part = _simple(line)
        if part is None:
            part, count = _next(lines, at, asking)
        else:
            count = 1
        part.line = at
        part.comment = "\n".join(lines[comment:at])
        parts.append(part)
        at += count
        comment = at
    return parts


def masked(text: str) -> str:
    """Return ``text`` with marks around each placeholder's name, which a shell would take for a redirection."""
    return _PLACEHOLDER.sub(rf"{OPEN}\1{CLOSE}", text) if "<" in text else text


def _simple(line: str) -> CommandText | None:
    """Parse a line that certainly has only plain commands: words, some in quotes, between ``|``, ``&&``, ``||`` and
    ``;``."""
    if _WORDS.fullmatch(line):
        return None if line.split(None, 1)[0] in _NOT_SIMPLE else CommandText(line, 0)
    if not _SIMPLE_LINE.fullmatch(line):
        return None
    empty = True
    for word, operator in _TOKEN.findall(line):
        if (operator or word in _NOT_SIMPLE) and empty:
            return None
        if word or operator:
            empty = bool(operator)
    return None if empty else CommandText(line, 0)


def _next(lines: list[str], at: int, asking: SyntaxProbe) -> tuple[CommandText, int]:
    """Return the command that begins in line ``at``, and its number of lines."""
    text = masked(lines[at])
    try:
        _read, end = read_command(text)
        if end >= len(text) and not _goes_on(text):
            return CommandText(lines[at], 0), 1
    except Unclear:
        pass
    rest = masked("\n".join(lines[at:]))
    try:
        _read, end = read_command(rest)
    except (Unclear, RecursionError):
        return _asked(lines, at, asking)
    count = rest.count("\n", 0, end) + (not rest.endswith("\n", 0, end))
    return CommandText("\n".join(lines[at : at + count]), 0), count


def _asked(lines: list[str], at: int, asking: SyntaxProbe) -> tuple[CommandText, int]:
    """Return the command as bash sees it: lines are added until bash accepts them, or reports an error that no further
    line can fix."""
    count = len(lines) - at
    for size in range(1, count + 1):
        text = masked("\n".join(lines[at : at + size]))
        said = asking.says(text + "\n")
        if said is None:
            return CommandText("\n".join(lines[at:]), 0, whole=True), count
        if said == "":
            if size == count or not _goes_on(text):
                return CommandText("\n".join(lines[at : at + size]), 0), size
        elif not _unfinished(said):
            return CommandText("\n".join(lines[at:]), 0, syntax_error=_reason(said)), count
    return CommandText("\n".join(lines[at:]), 0, syntax_error=_reason(said or "")), count


def _goes_on(text: str) -> bool:
    """Whether the text ends in a backslash that continues the line."""
    return (len(text) - len(text.rstrip("\\"))) % 2 == 1


def _unfinished(said: str) -> bool:
    return "unexpected end of file" in said or "unexpected EOF" in said or "here-document" in said


def _reason(said: str) -> str:
    """Return the first line of bash's message, without its name and line number."""
    first = said.split("\n", 1)[0]
    return re.sub(r"^.*?: line \d+: ", "", first)
