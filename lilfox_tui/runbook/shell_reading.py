"""Commands of bash, read as far as it takes to say where one ends and what it calls; nothing is ever run.

What is not understood for certain is :class:`Unclear`: whoever needs to know where it ends asks ``bash -n``
(``splitting.py``); whoever needs to know what it does takes it for a change (``recognising.py``).
"""

from __future__ import annotations

import re

from lilfox_tui.runbook.shell_syntax import (
    Assignment,
    Beyond,
    For,
    Group,
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
)
from lilfox_tui.runbook.shell_tokens import PLAIN, REDIRECT, Words

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
    """The complete command that begins at ``start``, with its here-documents, and where it ends. Raises Unclear."""
    reader = _Reader(text, start)
    return reader.complete(), reader.at


def read_all(text: str) -> list[Statement]:
    """Every command of ``text``. Raises Unclear."""
    reader = _Reader(text)
    found: list[Statement] = []
    reader.newlines()
    while reader.peek():
        found += reader.complete()
        reader.newlines()
    return found


class _Reader(Words):
    """Recursive descent over one text."""

    def complete(self) -> list[Statement]:
        """A list up to the end of its line; the newline is taken."""
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
        """The next word if it is a reserved one, without taking it; else ""."""
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
            found = Group(body, self.redirects(), subshell=True)
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
            return Group(body, self.redirects())
        if word == "[[":
            terms = self.condition()
            return Test(terms, self.redirects())
        raise Unclear

    def body(self, *ends: str) -> tuple[list[Statement], str]:
        """A list that is not empty, up to one of the reserved words, which is taken; up to ``)`` without them."""
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
        """Takes ``() { …; }`` behind a name."""
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
        """Redirections of what is compound; anything else ends it."""
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
