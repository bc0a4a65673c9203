"""The words of shell text: quotes, expansions, redirections, here-documents, as far as they are plain."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod

from msgspec import Struct, field


class Unclear(Exception):
    """The text is beyond this reader, or not valid, or ends too early."""


class Simple(Struct, gc=False):
    """One simple command. ``words`` are without their quotes; expansions stand in them as they are written."""

    words: list[str]
    dynamic: bool = False
    """Whether a word is only known when it runs."""
    writes: bool = False
    """Whether output goes into a file."""
    reads_file: bool = False
    """Whether its input is a file or a text of its own."""


class CommandLine(Struct, gc=False):
    """What one complete command calls, in order. ``end`` is behind its last character."""

    end: int = 0
    simples: list[Simple] = field(default_factory=list)
    endless: bool = False
    """Whether it has a loop that may never end, or defines a function: not to be judged by what it calls."""
    background: bool = False
    piped: bool = False


class Word(Struct):
    value: str
    bare: bool
    """Whether nothing of it is quoted: only so it may be a reserved word."""


_BLANKS = re.compile(r"(?:[ \t]|\\\n)*")
PLAIN = re.compile(r"[^\s;&|()<>'\"`$\\]+")
_OPERATOR = re.compile(r"&&|\|\||\|&|;;|[;|()\n]|&(?!>)")
REDIRECT = re.compile(r"(\d*)(<<<|<<-|<<|<&|<>|<(?!\()|>>|>&|>\||>(?!\()|&>>|&>)")
_SIMPLE_EXPANSION = re.compile(r"\$(?:[A-Za-z_]\w*|[0-9@*#?$!-]|\{[#!]?\w+[^{}'\"`\\$\n]*\}|\(\([^()'\"`\\\n]*\)\))")
_ANSI_C = re.compile(r"\$'((?:[^'\\]|\\.)*)'", re.DOTALL)
_BACKTICKS = re.compile(r"`([^`\\]*)`")
_IN_DOUBLE = re.compile(r"[^\"\\$`]+")
_ARRAY = re.compile(r"[A-Za-z_]\w*(?:\[[^\]]*\])?\+?=$")
_NO_FILE = frozenset({"/dev/null", "/dev/stdout", "/dev/stderr"})


class Words(ABC):
    """Reads words and operators of ``text`` from ``at`` on; what is called goes to ``line``."""

    def __init__(self, text: str, at: int = 0, depth: int = 0) -> None:
        self.text, self.at, self.depth = text, at, depth
        self.line = CommandLine()
        self.heredocs: list[tuple[str, bool, bool]] = []
        self.dynamic = False

    @abstractmethod
    def body(self, *ends: str) -> str:
        """Reads a list of commands up to one of the reserved words, up to ``)`` without them."""

    @abstractmethod
    def complete(self) -> None:
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

    def take(self) -> None:
        """Passes over the operator that ``peek`` has found; with a newline also what here-documents hold."""
        found = _OPERATOR.match(self.text, self.at)
        if found is None:
            raise Unclear
        self.at = found.end()
        if found[0] == "\n":
            for heredoc in self.heredocs:
                self.heredoc(*heredoc)
            self.heredocs.clear()

    def close(self) -> None:
        if self.peek() != ")":
            raise Unclear
        self.take()

    def heredoc(self, delimiter: str, literal: bool, tabs: bool) -> None:
        while self.at < len(self.text):
            end = self.text.find("\n", self.at)
            end = len(self.text) if end < 0 else end
            line = self.text[self.at : end]
            self.at = min(end + 1, len(self.text))
            if (line.lstrip("\t") if tabs else line) == delimiter:
                return
            if not literal and ("$(" in line or "`" in line or line.endswith("\\")):
                raise Unclear
        raise Unclear

    def newlines(self) -> None:
        while self.peek() == "\n":
            self.take()

    def redirect(self, simple: Simple) -> bool:
        found = REDIRECT.match(self.text, self.at)
        if found is None or (found[1] and not found[2]):
            return False
        self.at = found.end()
        operator = found[2]
        if self.peek() != "word" or REDIRECT.match(self.text, self.at):
            raise Unclear
        target = self.word()
        if operator in ("<<", "<<-"):
            self.heredocs.append((target.value, not target.bare, operator == "<<-"))
            simple.reads_file = True
        elif operator in ("<", "<<<"):
            simple.reads_file = True
        elif operator == "<&" or (operator == ">&" and re.fullmatch(r"\d+-?|-", target.value)):
            pass
        elif target.value not in _NO_FILE:
            simple.writes = True
        return True

    def word(self) -> Word:
        """One word. Raises Unclear where none can be read."""
        parts: list[str] = []
        bare, began = True, self.at
        while self.at < len(self.text):
            found = PLAIN.match(self.text, self.at)
            if found:
                parts.append(found[0])
                self.at = found.end()
                continue
            character = self.text[self.at]
            if character not in "'\"\\$`":
                break
            bare = bare and character in "$`"
            parts.append(self.quoted(character))
        if self.at == began:
            parts.append(self.process_substitution())
        elif self.text[self.at : self.at + 2] in ("<(", ">(") or (
            self.peek_raw() == "(" and (parts[-1][-1:] in tuple("?*+@!") or _ARRAY.match(parts[-1]))
        ):
            raise Unclear
        return Word("".join(parts), bare)

    def process_substitution(self) -> str:
        if self.text[self.at : self.at + 2] not in ("<(", ">("):
            raise Unclear
        began = self.at
        self.at += 2
        self.body()
        self.close()
        self.dynamic = True
        return self.text[began : self.at]

    def quoted(self, character: str) -> str:
        text, began = self.text, self.at
        if character == "'":
            end = text.find("'", began + 1)
            if end < 0:
                raise Unclear
            self.at = end + 1
            return text[began + 1 : end]
        if character == "\\":
            self.at = min(began + 2, len(text))
            following = text[began + 1 : began + 2]
            return "" if following == "\n" else following
        if character == '"':
            self.at += 1
            return self.double()
        if character == "$" and (found := _ANSI_C.match(text, began)):
            self.at = found.end()
            self.dynamic = True
            return found[0]
        return self.expansion(in_double=False)

    def double(self) -> str:
        parts: list[str] = []
        while True:
            found = _IN_DOUBLE.match(self.text, self.at)
            if found:
                parts.append(found[0])
                self.at = found.end()
            character = self.peek_raw()
            if character == "":
                raise Unclear
            if character == '"':
                self.at += 1
                return "".join(parts)
            if character == "\\":
                following = self.text[self.at + 1 : self.at + 2]
                self.at += 2
                parts.append("" if following == "\n" else following if following in '"\\$`' else "\\" + following)
            else:
                parts.append(self.expansion(in_double=True))

    def expansion(self, *, in_double: bool) -> str:
        """What begins with ``$`` or a backquote, as it is written."""
        text, began = self.text, self.at
        if found := _SIMPLE_EXPANSION.match(text, began):
            self.at = found.end()
        elif found := _BACKTICKS.match(text, began):
            self.at = found.end()
            inner = type(self)(found[1], 0, self.depth + 1)
            inner.complete()
            if inner.at < len(found[1]):
                raise Unclear
            self.line.simples += inner.line.simples
        elif text.startswith("$(", began) and not text.startswith("$((", began):
            self.at += 2
            pending = len(self.heredocs)
            self.body()
            if len(self.heredocs) != pending:
                raise Unclear
            self.close()
        elif text.startswith("$", began) and (in_double or text[began + 1 : began + 2] in (*" \t\n;&|<>)", "")):
            if text[began + 1 : began + 2] in ("{", "(", "["):
                raise Unclear
            self.at += 1
            return "$"
        else:
            raise Unclear
        self.dynamic = True
        return text[began : self.at]
