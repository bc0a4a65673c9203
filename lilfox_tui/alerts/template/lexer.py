"""Words of a template text, as Go's text/template splits it (its parse/lex.go)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple

from lilfox_tui.alerts.template.go_text import quote, to_bytes

LEFT, RIGHT = "{{", "}}"
_SPACES = " \t\r\n"
_MARKER_LENGTH = 2  # a minus and the space between it and the action


class Kind(Enum):
    """What a word is."""

    ERROR = auto()
    END_OF_TEXT = auto()
    TEXT = auto()
    LEFT = auto()
    RIGHT = auto()
    SPACE = auto()
    ASSIGN = auto()
    DECLARE = auto()
    PIPE = auto()
    OPEN = auto()
    CLOSE = auto()
    CHAR = auto()
    STRING = auto()
    CHAR_CONSTANT = auto()
    NUMBER = auto()
    BOOL = auto()
    FIELD = auto()
    VARIABLE = auto()
    IDENTIFIER = auto()
    KEYWORD = auto()


_KEYWORDS = ("block", "break", "continue", "define", "else", "end", "if", "nil", "range", "template", "with")
_SINGLE = {"=": Kind.ASSIGN, "|": Kind.PIPE}


class Token(NamedTuple):
    """One word. ``start`` is its offset in the text; ``line`` counts from 1. The text of an ERROR is what is wrong."""

    kind: Kind
    text: str
    start: int
    line: int

    def is_keyword(self, *words: str) -> bool:
        """Whether it is one of these keywords (``.`` is one too)."""
        return self.kind is Kind.KEYWORD and self.text in words

    def __str__(self) -> str:
        """As Go's messages write it."""
        if self.kind is Kind.END_OF_TEXT:
            return "EOF"
        if self.kind is Kind.ERROR:
            return self.text
        if self.kind is Kind.KEYWORD:
            return f"<{self.text}>"
        return f"{quote(self.text[:10])}..." if len(to_bytes(self.text)) > 10 else quote(self.text)


def tokens(text: str) -> Iterator[Token]:
    """The words of ``text``; END_OF_TEXT or an ERROR is the last."""
    return _Lexer(text).tokens()


class _Wrong(Exception):
    pass


class _Lexer:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.start = 0
        self.line = 1
        self.depth = 0

    def tokens(self) -> Iterator[Token]:
        try:
            while True:
                yield from self.plain_text()
                if self.at >= len(self.text):
                    yield Token(Kind.END_OF_TEXT, "", self.at, self.line)
                    return
                if not self.comment():
                    yield from self.action()
        except _Wrong as wrong:
            yield Token(Kind.ERROR, str(wrong), self.start, self.line)

    def token(self, kind: Kind) -> Token:
        text = self.text[self.start : self.at]
        token = Token(kind, text, self.start, self.line)
        self.line += text.count("\n")
        self.start = self.at
        return token

    def skip(self) -> None:
        self.line += self.text.count("\n", self.start, self.at)
        self.start = self.at

    def plain_text(self) -> Iterator[Token]:
        found = self.text.find(LEFT, self.at)
        end = len(self.text) if found < 0 else found
        self.at = end
        if found >= 0 and self.trims_before(found + len(LEFT)):
            self.at = self.start + len(self.text[self.start : end].rstrip(_SPACES))
        if self.at > self.start:
            yield self.token(Kind.TEXT)
        self.at = end
        self.skip()

    def trims_before(self, place: int) -> bool:
        return self.text[place : place + 1] == "-" and self.text[place + 1 : place + 2] in tuple(_SPACES)

    def right(self) -> tuple[bool, bool]:
        """Whether the action ends here, and whether its end trims what follows."""
        here = self.text[self.at : self.at + _MARKER_LENGTH + len(RIGHT)]
        if here[:1] in tuple(_SPACES) and here[1:] == "-" + RIGHT:
            return True, True
        return here.startswith(RIGHT), False

    def comment(self) -> bool:
        after = self.at + len(LEFT)
        if self.trims_before(after):
            after += _MARKER_LENGTH
        if not self.text.startswith("/*", after):
            return False
        self.at = after
        self.skip()
        end = self.text.find("*/", after + 2)
        if end < 0:
            raise _Wrong("unclosed comment")
        self.at = end + 2
        ends, trims = self.right()
        if not ends:
            raise _Wrong("comment ends before closing delimiter")
        self.leave(trims)
        return True

    def leave(self, trims: bool) -> None:
        self.at += len(RIGHT) + (_MARKER_LENGTH if trims else 0)
        if trims:
            self.pass_over(_SPACES)
        self.skip()

    def pass_over(self, characters: str) -> None:
        while self.at < len(self.text) and self.text[self.at] in characters:
            self.at += 1

    def action(self) -> Iterator[Token]:
        trims = self.trims_before(self.at + len(LEFT))
        self.at += len(LEFT)
        yield self.token(Kind.LEFT)
        if trims:
            self.at += _MARKER_LENGTH
            self.skip()
        self.depth = 0
        while True:
            ends, trims = self.right()
            if ends:
                break
            yield self.inside()
        if self.depth:
            raise _Wrong("unclosed left paren")
        yield Token(Kind.RIGHT, RIGHT, self.at + (_MARKER_LENGTH if trims else 0), self.line)
        self.leave(trims)

    def inside(self) -> Token:
        if self.at >= len(self.text):
            raise _Wrong("unclosed action")
        first = self.text[self.at]
        if first in _SPACES:
            return self.space()
        if first == "." and self.text[self.at + 1 : self.at + 2] not in tuple("0123456789"):
            return self.name(Kind.FIELD)
        if first in "+-.0123456789":
            return self.number()
        if _is_word(first):
            return self.identifier()
        if first == "$":
            return self.name(Kind.VARIABLE)
        self.at += 1
        if first in _SINGLE:
            return self.token(_SINGLE[first])
        if first == ":":
            if self.text[self.at : self.at + 1] != "=":
                raise _Wrong("expected :=")
            self.at += 1
            return self.token(Kind.DECLARE)
        if first in "\"`'":
            return self.quoted(first)
        return self.mark(first)

    def mark(self, first: str) -> Token:
        if first == "(":
            self.depth += 1
            return self.token(Kind.OPEN)
        if first == ")":
            self.depth -= 1
            if self.depth < 0:
                raise _Wrong("unexpected right paren")
            return self.token(Kind.CLOSE)
        if first.isascii() and first.isprintable():
            return self.token(Kind.CHAR)
        raise _Wrong(f"unrecognized character in action: {_code_point(first)}")

    def space(self) -> Token:
        while self.at < len(self.text) and self.text[self.at] in _SPACES:
            if self.right() == (True, True) and self.at > self.start:
                break
            self.at += 1
        return self.token(Kind.SPACE)

    def name(self, kind: Kind) -> Token:
        """A field or a variable, or ``.`` and ``$`` alone."""
        self.at += 1
        begin = self.at
        while self.at < len(self.text) and _is_word(self.text[self.at]):
            self.at += 1
        self.must_end()
        return self.token(Kind.KEYWORD if kind is Kind.FIELD and self.at == begin else kind)

    def identifier(self) -> Token:
        while self.at < len(self.text) and _is_word(self.text[self.at]):
            self.at += 1
        self.must_end()
        word = self.text[self.start : self.at]
        if word in _KEYWORDS:
            return self.token(Kind.KEYWORD)
        return self.token(Kind.BOOL if word in ("true", "false") else Kind.IDENTIFIER)

    def must_end(self) -> None:
        """A name is followed by a space or a mark; ``$x+2`` is nothing."""
        after = self.text[self.at : self.at + 1]
        if after and after not in " \t\r\n.,|:)(" and not self.text.startswith(RIGHT, self.at):
            raise _Wrong(f"bad character {_code_point(after)}")

    def quoted(self, mark: str) -> Token:
        names = {'"': "quoted string", "`": "raw quoted string", "'": "character constant"}
        while self.at < len(self.text):
            char = self.text[self.at]
            self.at += 1
            if char == mark:
                return self.token(Kind.CHAR_CONSTANT if mark == "'" else Kind.STRING)
            if mark == "`":
                continue
            if char == "\\" and self.text[self.at : self.at + 1] not in ("", "\n"):
                self.at += 1
            elif char in "\\\n":
                break
        raise _Wrong(f"unterminated {names[mark]}")

    def number(self) -> Token:
        good = self.scan_number()
        if good and self.text[self.at : self.at + 1] in ("+", "-"):
            good = self.scan_number() and self.text[self.at - 1] == "i"
        if not good:
            raise _Wrong(f"bad number syntax: {quote(self.text[self.start : self.at])}")
        return self.token(Kind.NUMBER)

    def scan_number(self) -> bool:
        self.pass_one("+-")
        digits, exponent = "0123456789_", "eE"
        if self.pass_one("0"):
            for letters, of_base in (("xX", "0123456789abcdefABCDEF_"), ("oO", "01234567_"), ("bB", "01_")):
                if self.pass_one(letters):
                    digits, exponent = of_base, "pP" if letters == "xX" else ""
                    break
        self.pass_over(digits)
        if self.pass_one("."):
            self.pass_over(digits)
        if exponent and self.pass_one(exponent):
            self.pass_one("+-")
            self.pass_over("0123456789_")
        self.pass_one("i")
        if self.at < len(self.text) and _is_word(self.text[self.at]):
            self.at += 1
            return False
        return True

    def pass_one(self, characters: str) -> bool:
        if self.at < len(self.text) and self.text[self.at] in characters:
            self.at += 1
            return True
        return False


def _is_word(char: str) -> bool:
    return char == "_" or char.isalpha() or unicodedata.category(char) == "Nd"


def _code_point(char: str) -> str:
    shown = f" '{char}'" if char.isprintable() else ""
    return f"U+{ord(char):04X}{shown}"
