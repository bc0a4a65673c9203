"""Syntax of bash text: the nodes of its tree, and the tokenizer of its words."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import Literal as OneOf

from msgspec import Struct, field

# What shell text is made of, as far as it is understood.


OPEN, CLOSE = "\ue000", "\ue001"
"""Around the name of a placeholder while shell text is read: its ``<`` and ``>`` would be redirections."""


class Unclear(Exception):
    """The text is not supported by this parser, invalid, or incomplete."""


class Literal(Struct, gc=False):
    """Literal characters. Quoted ones form no pattern, brace expansion or home folder."""

    text: str
    quoted: bool = False


class ShellVariable(Struct, gc=False):
    """``$name``; ``exact`` is False for an expansion derived from it, such as ``${name%.*}``."""

    name: str
    quoted: bool
    exact: bool = True


class CommandSubstitution(Struct):
    """``$( … )``, or the same in backquotes."""

    body: list[Statement]
    quoted: bool


class ProcessSubstitution(Struct):
    """``<( … )``: a path to read the output from."""

    body: list[Statement]


class Calculated(Struct, gc=False):
    """``$(( … ))``: bash also evaluates names, and the names in their values."""

    text: str


class Opaque(Struct, gc=False):
    """Text that may be evaluated again: its end is known, its effect is not."""

    text: str


WordPart = Literal | ShellVariable | CommandSubstitution | ProcessSubstitution | Calculated | Opaque


class Word(Struct):
    """One word as it is written."""

    parts: list[WordPart]

    @property
    def literal(self) -> str | None:
        """The word's text, if it contains no expansion."""
        texts = [part.text for part in self.parts if isinstance(part, Literal)]
        return "".join(texts) if len(texts) == len(self.parts) else None

    @property
    def begin(self) -> str:
        """The literal characters before the first expansion."""
        found = ""
        for part in self.parts:
            if not isinstance(part, Literal):
                break
            found += part.text
        return found

    @property
    def bare(self) -> bool:
        """Whether nothing in it is quoted or expanded; only then it may be a reserved word."""
        return all(isinstance(part, Literal) and not part.quoted for part in self.parts)


class Redirect(Struct):
    """``2> target``; for a here-document, ``target`` is its content."""

    operator: str
    target: Word
    descriptor: str = ""
    """The number before it."""


class Assignment(Struct):
    """``name=value``."""

    name: str
    value: Word
    adds: bool = False


class Simple(Struct):
    """A simple command."""

    assignments: list[Assignment] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    redirects: list[Redirect] = field(default_factory=list)


class Joined(Struct):
    """Commands between ``|``, or between ``&&`` and ``||``."""

    by: OneOf["|", "&&"]
    statements: list[Statement]


class CommandGroup(Struct):
    """``( … )`` or ``{ …; }``, or a branch of ``if``."""

    body: list[Statement]
    redirects: list[Redirect] = field(default_factory=list)
    subshell: bool = False


class If(Struct):
    """The conditions and branches of ``if``, in order."""

    bodies: list[list[Statement]]
    redirects: list[Redirect] = field(default_factory=list)


class For(Struct):
    """``for name in words``."""

    name: str
    words: list[Word]
    body: list[Statement]
    redirects: list[Redirect] = field(default_factory=list)


class While(Struct):
    """``while`` and ``until``."""

    condition: list[Statement]
    body: list[Statement]
    redirects: list[Redirect] = field(default_factory=list)


class Test(Struct):
    """``[[ … ]]``: its terms between ``&&`` and ``||``."""

    terms: list[list[Word]]
    redirects: list[Redirect] = field(default_factory=list)


class Beyond(Struct, gc=False):
    """A command whose end is known but whose effect is not judged: a function, or a background job."""

    why: str


Statement = Simple | Joined | CommandGroup | If | For | While | Test | Beyond


# The words of shell text: quotes, expansions, redirections, here-documents, as far as they are plain.


_BLANKS = re.compile(r"(?:[ \t]|\\\n)*")
PLAIN = re.compile(r"[^\x00-\x20\x7f;&|()<>'\"`$\\]+")
_OPERATOR = re.compile(r"&&|\|\||\|&|;;&?|;&|[;|()\n]|&(?!>)")
REDIRECT = re.compile(r"([0-9]{0,3})(<<<|<<-|<<|<&|<>|<(?!\()|>>|>&|>\||>(?!\()|&>>|&>)")
_VARIABLE = re.compile(r"\$(?:([A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-])|\{([A-Za-z_][A-Za-z0-9_]*|[0-9@*?])\})")
_MADE = re.compile(
    r"\$\{(?:#([A-Za-z_][A-Za-z0-9_]*)|([A-Za-z_][A-Za-z0-9_]*)(?::?[-?+]|%%?|##?|//?|,,?|\^\^?)"
    r"[A-Za-z0-9_./:=@%+,*? -]*)\}"
)
"""What is made of a variable without anything that is evaluated."""
_BEYOND = re.compile(r"\$\{[#!]?[A-Za-z0-9_]++[^{}'\"`\\$\n]*+\}")
_CALCULATED = re.compile(r"\$\(\(([^()'\"`\\\n]*(?:\([^()'\"`\\\n]*\)[^()'\"`\\\n]*)*)\)\)")
_ANSI_C = re.compile(r"\$'((?:[^'\\]|\\.)*)'", re.DOTALL)
_ANSI_ESCAPES = {"n": "\n", "t": "\t", "\\": "\\", "'": "'", '"': '"'}
_BACKQUOTES = re.compile(r"`([^`\\]*)`")
_IN_DOUBLE = re.compile(r'[^"\\$`]+')
_DESCRIPTOR = re.compile(r"[0-9]+|\{[A-Za-z0-9_]*(?:\[.*\])?\}", re.DOTALL)
"""A word that is none where a redirection follows at once."""
_ALONE = frozenset(" \t\n\"'%),.:;/=+~^]}&|<>")
"""Characters before which a ``$`` in double quotes is a dollar sign."""


class _PendingHeredoc(Struct):
    delimiter: str
    literal: bool
    tabs: bool
    redirect: Redirect


class WordReader(ABC):
    """Reads words and operators of ``text``, starting at ``at``."""

    def __init__(self, text: str, at: int = 0, depth: int = 0) -> None:
        self.text, self.at, self.depth = text, at, depth
        self._heredocs: list[_PendingHeredoc] = []

    @abstractmethod
    def body(self, *ends: str) -> tuple[list[Statement], str]:
        """Parse a list of commands up to one of the reserved words; without them, up to ``)``."""

    @abstractmethod
    def complete(self) -> list[Statement]:
        """Parse one complete command."""

    def peek(self) -> str:
        """Return the next operator, "" at the end, "word" for anything else; skips blanks and a comment."""
        text = self.text
        found = _BLANKS.match(text, self.at)
        self.at = found.end() if found else self.at
        if text.startswith("#", self.at):
            end = text.find("\n", self.at)
            self.at = len(text) if end < 0 else end
        if self.at >= len(text):
            return ""
        operator = _OPERATOR.match(text, self.at)
        return operator[0] if operator else "word"

    def peek_raw(self) -> str:
        return self.text[self.at : self.at + 1]

    @property
    def waits(self) -> bool:
        """Whether the body of a here-document is still to come."""
        return bool(self._heredocs)

    def take(self) -> None:
        """Consume the operator that ``peek`` returned; for a newline also the bodies of here-documents."""
        found = _OPERATOR.match(self.text, self.at)
        if found is None:
            raise Unclear
        self.at = found.end()
        if found[0] == "\n":
            pending, self._heredocs = self._heredocs, []
            for heredoc in pending:
                self._read(heredoc)

    def close(self) -> None:
        if self.peek() != ")":
            raise Unclear
        self.take()

    def newlines(self) -> None:
        while self.peek() == "\n":
            self.take()

    # ---- redirections and here-documents -----------------------------------------------------------------------------

    def redirect(self) -> Redirect | None:
        found = REDIRECT.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        operator = found[2]
        if self.peek() != "word" or REDIRECT.match(self.text, self.at):
            raise Unclear
        target = self.word()
        redirect = Redirect(operator, target, found[1])
        if operator in ("<<", "<<-"):
            if target.literal is None:
                raise Unclear
            self._heredocs.append(_PendingHeredoc(target.literal, not target.bare, operator == "<<-", redirect))
        return redirect

    def _read(self, heredoc: _PendingHeredoc) -> None:
        """Read the body of a here-document."""
        lines: list[str] = []
        while self.at < len(self.text):
            end = self.text.find("\n", self.at)
            end = len(self.text) if end < 0 else end
            line = self.text[self.at : end]
            self.at = min(end + 1, len(self.text))
            line = line.lstrip("\t") if heredoc.tabs else line
            if line == heredoc.delimiter:
                held = "".join(f"{each}\n" for each in lines)
                heredoc.redirect.target = Word(
                    [Literal(held, quoted=True)] if heredoc.literal else self._expanded(held)
                )
                return
            if not heredoc.literal and ("$(" in line or "`" in line or line.endswith("\\")):
                raise Unclear
            lines.append(line)
        raise Unclear

    def _expanded(self, held: str) -> list[WordPart]:
        """Parse a here-document with expansions: as in double quotes, but ``"`` is not a quote."""
        inner = type(self)(held, 0, self.depth + 1)
        parts: list[WordPart] = []
        while inner.at < len(held):
            parts.append(inner.within("[^\\\\$`]+", "\\$`"))
        return parts

    # ---- words -------------------------------------------------------------------------------------------------------

    def word(self) -> Word:
        """Parse one word. Raises Unclear if there is none."""
        parts: list[WordPart] = []
        began = self.at
        while self.at < len(self.text):
            found = PLAIN.match(self.text, self.at)
            if found:
                parts.append(Literal(found[0]))
                self.at = found.end()
                continue
            character = self.text[self.at]
            if character not in "'\"\\$`":
                break
            parts += self._quoted(character)
        if self.at == began:
            parts.append(self._process())
            if self.peek_raw() not in (*" \t\n;&|)", ""):
                raise Unclear  # the word goes on
        after = self.peek_raw()
        if after == "(" and not _may_be_function(parts):
            raise Unclear
        if after in ("<", ">") and (
            self.text.startswith("(", self.at + 1) or _DESCRIPTOR.fullmatch(self.text[began : self.at])
        ):
            raise Unclear
        return Word(parts)

    def _process(self) -> ProcessSubstitution:
        if not self.text.startswith("<(", self.at):
            raise Unclear
        self.at += 2
        pending = len(self._heredocs)
        body, _end = self.body()
        if len(self._heredocs) != pending:
            raise Unclear
        self.close()
        return ProcessSubstitution(body)

    def _quoted(self, character: str) -> list[WordPart]:
        text, began = self.text, self.at
        if character == "'":
            end = text.find("'", began + 1)
            if end < 0:
                raise Unclear
            self.at = end + 1
            return [Literal(text[began + 1 : end], quoted=True)]
        if character == "\\":
            self.at = min(began + 2, len(text))
            following = text[began + 1 : began + 2]
            if following in ("\n", ""):
                return [Opaque("\\" + following)]  # it may join what is read as two things here
            return [Literal(following, quoted=True)]
        if character == '"':
            return self._double()
        if character == "$" and (found := _ANSI_C.match(text, began)):
            self.at = found.end()
            return [_ansi(found[1])]
        if text.startswith('$"', began):
            self.at += 1
            self._double()
            return [Opaque('$"')]  # translated, by a file that somebody names
        return [self._expansion(quoted=False)]

    def _double(self) -> list[WordPart]:
        parts: list[WordPart] = [Literal("", quoted=True)]
        self.at += 1
        while self.peek_raw() != '"':
            if self.peek_raw() == "":
                raise Unclear
            parts.append(self.within(_IN_DOUBLE.pattern, '"\\$`'))
        self.at += 1
        return parts

    def within(self, plain: str, escaped: str) -> WordPart:
        """Parse the next part in double quotes, or of a here-document."""
        if found := re.compile(plain).match(self.text, self.at):
            self.at = found.end()
            return Literal(found[0], quoted=True)
        if self.peek_raw() != "\\":
            return self._expansion(quoted=True)
        following = self.text[self.at + 1 : self.at + 2]
        if following == "\n":
            before = self.text[self.at - 1 : self.at]
            self.at += 2
            return Literal("", quoted=True) if before in (" ", "\t") else Opaque("\\\n")
        self.at += 2
        return Literal(following if following and following in escaped else "\\" + following, quoted=True)

    def _expansion(self, *, quoted: bool) -> WordPart:
        """Parse an expansion that begins with ``$`` or a backquote."""
        text, began = self.text, self.at
        if found := _VARIABLE.match(text, began):
            self.at = found.end()
            return ShellVariable(found[1] or found[2], quoted)
        if found := _MADE.match(text, began):
            self.at = found.end()
            return ShellVariable(found[1] or found[2], quoted, exact=False)
        if found := _BEYOND.match(text, began):
            self.at = found.end()
            return Opaque(found[0])
        if found := _CALCULATED.match(text, began):
            self.at = found.end()
            return Calculated(found[1])
        if found := _BACKQUOTES.match(text, began):
            return self._backquotes(found, quoted)
        if text.startswith("$(", began) and not text.startswith("$((", began):
            self.at += 2
            pending = len(self._heredocs)
            body, _end = self.body()
            if len(self._heredocs) != pending:
                raise Unclear
            self.close()
            return CommandSubstitution(body, quoted)
        following = text[began + 1 : began + 2]
        if text.startswith("$", began) and (following in _ALONE if quoted else following in (*" \t\n;&|<>)", "")):
            self.at += 1
            return Literal("$", quoted=True)
        raise Unclear

    def _backquotes(self, found: re.Match[str], quoted: bool) -> CommandSubstitution:
        self.at = found.end()
        inner = type(self)(found[1], 0, self.depth + 1)
        body = inner.complete()
        if inner.at < len(found[1]) or inner.waits:
            raise Unclear
        return CommandSubstitution(body, quoted)


def _may_be_function(parts: list[WordPart]) -> bool:
    """Whether a ``(`` directly after the word may belong to ``name()``; else it is a pattern, an array, or an error."""
    only = parts[0] if len(parts) == 1 else None
    return isinstance(only, Literal) and re.fullmatch(r"[A-Za-z0-9_.-]+", only.text) is not None


def _ansi(held: str) -> WordPart:
    """Parse ``$'…'``; any but the simplest escapes are not supported."""
    parts: list[str] = []
    at = 0
    while at < len(held):
        if held[at] != "\\":
            parts.append(held[at])
            at += 1
            continue
        if (meant := _ANSI_ESCAPES.get(held[at + 1])) is None:
            return Opaque(held)
        parts.append(meant)
        at += 2
    return Literal("".join(parts), quoted=True)
