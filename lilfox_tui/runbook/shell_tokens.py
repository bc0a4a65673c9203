"""The words of shell text: quotes, expansions, redirections, here-documents, as far as they are plain."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod

from msgspec import Struct

from lilfox_tui.runbook.shell_syntax import (
    Calculated,
    Literal,
    Opaque,
    Output,
    Part,
    Process,
    Redirect,
    Statement,
    Unclear,
    Variable,
    Word,
)

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


class _Heredoc(Struct):
    delimiter: str
    literal: bool
    tabs: bool
    redirect: Redirect


class Words(ABC):
    """Reads words and operators of ``text`` from ``at`` on."""

    def __init__(self, text: str, at: int = 0, depth: int = 0) -> None:
        self.text, self.at, self.depth = text, at, depth
        self._heredocs: list[_Heredoc] = []

    @abstractmethod
    def body(self, *ends: str) -> tuple[list[Statement], str]:
        """Reads a list of commands up to one of the reserved words, up to ``)`` without them."""

    @abstractmethod
    def complete(self) -> list[Statement]:
        """Reads one complete command."""

    def peek(self) -> str:
        """The operator that comes next, "" at the end, "word" for all else; blanks and a comment are passed over."""
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
        """Whether what a here-document holds is still to come."""
        return bool(self._heredocs)

    def take(self) -> None:
        """Passes over the operator that ``peek`` has found; with a newline also what here-documents hold."""
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
            self._heredocs.append(_Heredoc(target.literal, not target.bare, operator == "<<-", redirect))
        return redirect

    def _read(self, heredoc: _Heredoc) -> None:
        """What a here-document holds."""
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

    def _expanded(self, held: str) -> list[Part]:
        """A here-document in which variables are expanded: as in double quotes, where ``"`` is no quote."""
        inner = type(self)(held, 0, self.depth + 1)
        parts: list[Part] = []
        while inner.at < len(held):
            parts.append(inner.within("[^\\\\$`]+", "\\$`"))
        return parts

    # ---- words -------------------------------------------------------------------------------------------------------

    def word(self) -> Word:
        """One word. Raises Unclear where none can be read."""
        parts: list[Part] = []
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

    def _process(self) -> Process:
        if not self.text.startswith("<(", self.at):
            raise Unclear
        self.at += 2
        pending = len(self._heredocs)
        body, _end = self.body()
        if len(self._heredocs) != pending:
            raise Unclear
        self.close()
        return Process(body)

    def _quoted(self, character: str) -> list[Part]:
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

    def _double(self) -> list[Part]:
        parts: list[Part] = [Literal("", quoted=True)]
        self.at += 1
        while self.peek_raw() != '"':
            if self.peek_raw() == "":
                raise Unclear
            parts.append(self.within(_IN_DOUBLE.pattern, '"\\$`'))
        self.at += 1
        return parts

    def within(self, plain: str, escaped: str) -> Part:
        """The next part in double quotes, or of a here-document."""
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

    def _expansion(self, *, quoted: bool) -> Part:
        """What begins with ``$`` or a backquote."""
        text, began = self.text, self.at
        if found := _VARIABLE.match(text, began):
            self.at = found.end()
            return Variable(found[1] or found[2], quoted)
        if found := _MADE.match(text, began):
            self.at = found.end()
            return Variable(found[1] or found[2], quoted, exact=False)
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
            return Output(body, quoted)
        following = text[began + 1 : began + 2]
        if text.startswith("$", began) and (following in _ALONE if quoted else following in (*" \t\n;&|<>)", "")):
            self.at += 1
            return Literal("$", quoted=True)
        raise Unclear

    def _backquotes(self, found: re.Match[str], quoted: bool) -> Output:
        self.at = found.end()
        inner = type(self)(found[1], 0, self.depth + 1)
        body = inner.complete()
        if inner.at < len(found[1]) or inner.waits:
            raise Unclear
        return Output(body, quoted)


def _may_be_function(parts: list[Part]) -> bool:
    """Whether a ``(`` at once behind the word may be that of ``name()``; else it is a pattern, an array, or wrong."""
    only = parts[0] if len(parts) == 1 else None
    return isinstance(only, Literal) and re.fullmatch(r"[A-Za-z0-9_.-]+", only.text) is not None


def _ansi(held: str) -> Part:
    """``$'…'``; one with another escape than the plainest is not read."""
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
