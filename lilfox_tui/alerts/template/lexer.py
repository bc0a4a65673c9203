"""Splits a template text into tokens like Go's text/template (its parse/lex.go)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple

from lilfox_tui.alerts.template.values import quote, to_bytes

LEFT, RIGHT = "{{", "}}"
_SPACES = " \t\r\n"
_MARKER_LENGTH = 2  # a minus and the space between it and the action


class TokenKind(Enum):
    """The kind of a token."""

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
_SINGLE = {"=": TokenKind.ASSIGN, "|": TokenKind.PIPE}


class TemplateToken(NamedTuple):
    """One token. ``start`` is its offset in the text; ``line`` counts from 1. The text of an ERROR is its message."""

    kind: TokenKind
    text: str
    start: int
    line: int

    def is_keyword(self, *words: str) -> bool:
        """Whether it is one of these keywords (``.`` counts as one)."""
        return self.kind is TokenKind.KEYWORD and self.text in words

    def __str__(self) -> str:
        """Format like Go's messages."""
        if self.kind is TokenKind.END_OF_TEXT:
            return "EOF"
        if self.kind is TokenKind.ERROR:
            return self.text
        if self.kind is TokenKind.KEYWORD:
            return f"<{self.text}>"
        return f"{quote(self.text[:10])}..." if len(to_bytes(self.text)) > 10 else quote(self.text)


def tokens(text: str) -> Iterator[TemplateToken]:
    """Yield the tokens of ``text``; END_OF_TEXT or an ERROR is the last."""
    return _Lexer(text).tokens()


class _LexError(Exception):
    pass


class _Lexer:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.start = 0
        self.line = 1
        self.depth = 0

    def tokens(self) -> Iterator[TemplateToken]:
        try:
            while True:
                yield from self.plain_text()
                if self.at >= len(self.text):
                    yield TemplateToken(TokenKind.END_OF_TEXT, "", self.at, self.line)
                    return
                if not self.comment():
                    yield from self.action()
        except _LexError as wrong:
            yield TemplateToken(TokenKind.ERROR, str(wrong), self.start, self.line)

    def token(self, kind: TokenKind) -> TemplateToken:
        text = self.text[self.start : self.at]
        token = TemplateToken(kind, text, self.start, self.line)
        self.line += text.count("\n")
        self.start = self.at
        return token

    def skip(self) -> None:
        self.line += self.text.count("\n", self.start, self.at)
        self.start = self.at

    def plain_text(self) -> Iterator[TemplateToken]:
        found = self.text.find(LEFT, self.at)
        end = len(self.text) if found < 0 else found
        self.at = end
        if found >= 0 and self.trims_before(found + len(LEFT)):
            self.at = self.start + len(self.text[self.start : end].rstrip(_SPACES))
        if self.at > self.start:
            yield self.token(TokenKind.TEXT)
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
            raise _LexError("unclosed comment")
        self.at = end + 2
        ends, trims = self.right()
        if not ends:
            raise _LexError("comment ends before closing delimiter")
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

    def action(self) -> Iterator[TemplateToken]:
        trims = self.trims_before(self.at + len(LEFT))
        self.at += len(LEFT)
        yield self.token(TokenKind.LEFT)
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
            raise _LexError("unclosed left paren")
        yield TemplateToken(TokenKind.RIGHT, RIGHT, self.at + (_MARKER_LENGTH if trims else 0), self.line)
        self.leave(trims)

    def inside(self) -> TemplateToken:
        if self.at >= len(self.text):
            raise _LexError("unclosed action")
        first = self.text[self.at]
        if first in _SPACES:
            return self.space()
        if first == "." and self.text[self.at + 1 : self.at + 2] not in tuple("0123456789"):
            return self.name(TokenKind.FIELD)
        if first in "+-.0123456789":
            return self.number()
        if _is_word(first):
            return self.identifier()
        if first == "$":
            return self.name(TokenKind.VARIABLE)
        self.at += 1
        if first in _SINGLE:
            return self.token(_SINGLE[first])
        if first == ":":
            if self.text[self.at : self.at + 1] != "=":
                raise _LexError("expected :=")
            self.at += 1
            return self.token(TokenKind.DECLARE)
        if first in "\"`'":
            return self.quoted(first)
        return self.mark(first)

    def mark(self, first: str) -> TemplateToken:
        if first == "(":
            self.depth += 1
            return self.token(TokenKind.OPEN)
        if first == ")":
            self.depth -= 1
            if self.depth < 0:
                raise _LexError("unexpected right paren")
            return self.token(TokenKind.CLOSE)
        if first.isascii() and first.isprintable():
            return self.token(TokenKind.CHAR)
        raise _LexError(f"unrecognized character in action: {_code_point(first)}")

    def space(self) -> TemplateToken:
        while self.at < len(self.text) and self.text[self.at] in _SPACES:
            if self.right() == (True, True) and self.at > self.start:
                break
            self.at += 1
        return self.token(TokenKind.SPACE)

    def name(self, kind: TokenKind) -> TemplateToken:
        """Read a field or a variable, or ``.`` or ``$`` alone."""
        self.at += 1
        begin = self.at
        while self.at < len(self.text) and _is_word(self.text[self.at]):
            self.at += 1
        self.must_end()
        return self.token(TokenKind.KEYWORD if kind is TokenKind.FIELD and self.at == begin else kind)

    def identifier(self) -> TemplateToken:
        while self.at < len(self.text) and _is_word(self.text[self.at]):
            self.at += 1
        self.must_end()
        word = self.text[self.start : self.at]
        if word in _KEYWORDS:
            return self.token(TokenKind.KEYWORD)
        return self.token(TokenKind.BOOL if word in ("true", "false") else TokenKind.IDENTIFIER)

    def must_end(self) -> None:
        """Raise an error unless a space or a delimiter follows the name; ``$x+2`` is invalid."""
        after = self.text[self.at : self.at + 1]
        if after and after not in " \t\r\n.,|:)(" and not self.text.startswith(RIGHT, self.at):
            raise _LexError(f"bad character {_code_point(after)}")

    def quoted(self, mark: str) -> TemplateToken:
        names = {'"': "quoted string", "`": "raw quoted string", "'": "character constant"}
        while self.at < len(self.text):
            char = self.text[self.at]
            self.at += 1
            if char == mark:
                return self.token(TokenKind.CHAR_CONSTANT if mark == "'" else TokenKind.STRING)
            if mark == "`":
                continue
            if char == "\\" and self.text[self.at : self.at + 1] not in ("", "\n"):
                self.at += 1
            elif char in "\\\n":
                break
        raise _LexError(f"unterminated {names[mark]}")

    def number(self) -> TemplateToken:
        good = self.scan_number()
        if good and self.text[self.at : self.at + 1] in ("+", "-"):
            good = self.scan_number() and self.text[self.at - 1] == "i"
        if not good:
            raise _LexError(f"bad number syntax: {quote(self.text[self.start : self.at])}")
        return self.token(TokenKind.NUMBER)

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
