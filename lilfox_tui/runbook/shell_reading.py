"""Commands of bash, read as far as it takes to say where one ends and what it calls; nothing is ever run.

What is not understood for certain is :class:`Unclear`: whoever needs to know asks ``bash -n`` (``splitting.py``).
"""

from __future__ import annotations

import re

from lilfox_tui.runbook.shell_tokens import PLAIN, REDIRECT, CommandLine, Simple, Unclear, Words

_NAME = re.compile(r"[A-Za-z_]\w*")
_RESERVED = frozenset(
    {
        "if", "then", "elif", "else", "fi", "for", "while", "until", "do", "done", "case", "esac", "select",
        "function", "time", "coproc", "{", "}", "!", "[[", "in",
    }
)  # fmt: skip
_COMPARISONS = frozenset({"=", "==", "!=", "=~", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef"})
_DEEPEST = 40


def read_command(text: str, start: int = 0) -> CommandLine:
    """The complete command that begins at ``start``, with its here-documents. Raises Unclear."""
    reader = _Reader(text, start)
    reader.complete()
    reader.line.end = reader.at
    return reader.line


class _Reader(Words):
    """Recursive descent over one text; ``line`` is what was found."""

    def complete(self) -> None:
        """A list up to the end of its line; the newline is taken."""
        self.and_or()
        while (operator := self.peek()) in (";", "&"):
            self.take()
            self.line.background |= operator == "&"
            if self.peek() in ("", "\n"):
                break
            self.and_or()
        last = self.peek()
        if last == "\n":
            self.take()
        elif last or self.heredocs:
            raise Unclear

    def and_or(self) -> None:
        self.pipeline()
        while self.peek() in ("&&", "||"):
            self.take()
            self.newlines()
            self.pipeline()

    def pipeline(self) -> None:
        while self.next_bare() in ("!", "time"):
            self.at += len(self.next_bare())
        self.command()
        while self.peek() in ("|", "|&"):
            self.take()
            self.line.piped = True
            self.newlines()
            self.command()

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

    def command(self) -> None:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise Unclear
        if self.peek() == "(":
            if self.text.startswith("((", self.at):
                raise Unclear
            self.take()
            self.body()
            self.close()
            self.redirects()
        elif word := self.next_bare():
            self.at += len(word)
            self.compound(word)
            self.redirects()
        else:
            self.simple()
        self.depth -= 1

    def compound(self, word: str) -> None:
        if word == "if":
            self.body("then")
            while (last := self.body("elif", "else", "fi")) == "elif":
                self.body("then")
            if last == "else":
                self.body("fi")
        elif word in ("while", "until"):
            self.line.endless = True
            self.body("do")
            self.body("done")
        elif word == "for":
            self.loop()
        elif word == "{":
            self.body("}")
        elif word == "[[":
            self.condition()
        else:
            raise Unclear

    def body(self, *ends: str) -> str:
        """A list that is not empty, up to one of the reserved words, which is taken; up to ``)`` without them."""
        self.newlines()
        self.and_or()
        while (operator := self.peek()) in (";", "&", "\n"):
            self.take()
            self.line.background |= operator == "&"
            self.newlines()
            if self.peek() == ")" or (ends and self.next_bare() in ends):
                break
            self.and_or()
        return self.expect(*ends) if ends else ""

    def loop(self) -> None:
        if self.peek() != "word":
            raise Unclear
        name = self.word()
        if not name.bare or not _NAME.fullmatch(name.value):
            raise Unclear
        if self.next_bare() == "in":
            self.at += 2
            while self.peek() == "word":
                self.word()
        if self.peek() not in (";", "\n"):
            raise Unclear
        self.take()
        self.newlines()
        self.expect("do")
        self.body("done")

    def condition(self) -> None:
        terms: list[list[str]] = [[]]
        while True:
            operator = self.peek()
            if operator == "word":
                redirect = REDIRECT.match(self.text, self.at)
                if redirect and redirect[0] in ("<", ">"):
                    raise Unclear
                word = self.word()
                if word.bare and word.value == "]]":
                    break
                terms[-1].append(word.value)
            elif operator in ("&&", "||"):
                self.take()
                terms.append([])
            else:
                raise Unclear
        for term in terms:
            rest = term[1:] if term[:1] == ["!"] else term
            unary = len(rest) == 2 and re.fullmatch("-[a-hknoprstuvwxzGLNORS]", rest[0])
            binary = len(rest) == 3 and rest[1] in _COMPARISONS
            if not unary and not binary and (len(rest) != 1 or rest[0].startswith("-")):
                raise Unclear

    def simple(self) -> None:
        outer, self.dynamic = self.dynamic, False
        simple = Simple([])
        place = len(self.line.simples)
        self.line.simples.append(simple)
        began = self.at
        while self.peek() == "word":
            if not self.redirect(simple):
                simple.words.append(self.word().value)
        if self.at == began or (self.peek() == "(" and self.function(simple, place)):
            if self.at == began:
                raise Unclear
        elif self.peek() == "(":
            raise Unclear
        simple.dynamic, self.dynamic = self.dynamic, outer

    def function(self, simple: Simple, place: int) -> bool:
        """Takes ``() { …; }`` behind a name."""
        if len(simple.words) != 1 or simple.dynamic or not re.fullmatch(r"[\w.-]+", simple.words[0]):
            return False
        del self.line.simples[place]
        self.line.endless = True
        self.take()
        self.close()
        self.newlines()
        self.expect("{")
        self.body("}")
        self.redirects()
        return True

    def redirects(self) -> None:
        """Redirections of what is compound; anything else ends it."""
        simple = Simple([":"])
        while self.peek() == "word":
            if not self.redirect(simple):
                raise Unclear
        if simple.writes:
            self.line.simples.append(simple)
