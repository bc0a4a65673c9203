"""Parses bash commands; raises Unclear for what it does not understand for certain."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from lilfox_tui.runbook.bash.lexer import BashLexer, Heredoc, Part, Token, TokenReader
from lilfox_tui.runbook.bash.syntax import (
    Assignment,
    Beyond,
    Calculated,
    CommandGroup,
    CommandSubstitution,
    For,
    If,
    Joined,
    Literal,
    Opaque,
    ProcessSubstitution,
    Redirect,
    ShellVariable,
    Simple,
    Statement,
    Test,
    Unclear,
    While,
    Word,
    WordPart,
)

# Commands of bash, read as far as it takes to say where one ends and what it calls; nothing is ever run.
#
# What is not understood for certain is :class:`Unclear`: whoever needs to know where it ends asks ``bash -n``
# (``parse/fences.py``); whoever needs to know what it does takes it for a change (``classify.py``).


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

# The words of shell text as far as they are plain.


_PLAIN = re.compile(r"[^\x00-\x20\x7f;&|()<>'\"`$\\]+")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*|[0-9@*?])\}")
_MADE = re.compile(
    r"\$\{(?:#([A-Za-z_][A-Za-z0-9_]*)|([A-Za-z_][A-Za-z0-9_]*)(?::?[-?+]|%%?|##?|//?|,,?|\^\^?)"
    r"[A-Za-z0-9_./:=@%+,*? -]*)\}"
)
"""What is made of a variable without anything that is evaluated."""
_BEYOND = re.compile(r"\$\{[#!]?[A-Za-z0-9_]++[^{}'\"`\\$\n]*+\}")
_CALCULATED = re.compile(r"\$\(\(([^()'\"`\\\n]*(?:\([^()'\"`\\\n]*\)[^()'\"`\\\n]*)*)\)\)")
_ANSI_ESCAPES = {"n": "\n", "t": "\t", "\\": "\\", "'": "'", '"': '"'}
_DESCRIPTOR = re.compile(r"[0-9]+|\{[A-Za-z0-9_]*(?:\[.*\])?\}", re.DOTALL)
"""A word that is none where a redirection follows at once."""
_LONGEST_DESCRIPTOR = 3
_ENDS_DOLLAR = frozenset((*" \t\n;&|<>)", ""))
_ENDS_QUOTED_DOLLAR = frozenset(" \t\n\"'%),.:;/=+~^]}&|<>")
"""Characters before which a ``$`` is a dollar sign; in double quotes it is one before these."""


def read_command(text: str, start: int = 0) -> tuple[list[Statement], int]:
    """Return the complete command that begins at ``start``, with its here-documents, and its end. Raises Unclear."""
    lexer = BashLexer(text, start)
    return _CommandReader(text, lexer).complete(), lexer.at


@lru_cache(maxsize=64)
def read_all(text: str) -> Sequence[Statement]:
    """Return every command of ``text``. Raises Unclear."""
    reader = _CommandReader(text, BashLexer(text))
    found: list[Statement] = []
    reader.newlines()
    while reader.peek():
        found += reader.complete()
        reader.newlines()
    return found


class _CommandReader:
    """Recursive descent parser over the tokens of a text, or of the inside of parentheses in it."""

    def __init__(
        self,
        text: str,
        tokens: Iterable[Token],
        depth: int = 0,
        begun: list[tuple[Redirect, Heredoc]] | None = None,
    ) -> None:
        self._text, self._depth = text, depth
        self._tokens = TokenReader(tokens)
        self._begun: list[tuple[Redirect, Heredoc]] = [] if begun is None else begun
        """Here-documents whose text is still to come."""

    def peek(self) -> str:
        """Return the next operator without consuming it; "" at the end, "word" for a word or a redirection."""
        token = self._tokens.peek()
        if token is None:
            return ""
        return "word" if token.kind in ("word", "redirect") else token.text

    def take(self) -> Token:
        token = self._tokens.take()
        if token is None or not token.closed:
            raise Unclear
        if self._begun and token.text == "\n":
            begun = self._begun[:]
            self._begun.clear()
            for redirect, heredoc in begun:
                redirect.target = self._held(heredoc)
        return token

    def newlines(self) -> None:
        while self.peek() == "\n":
            self.take()

    # ---- lists and compound commands ---------------------------------------------------------------------------------

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
        elif last or self._begun:
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
            self.take()
        found = [self.command()]
        while self.peek() in ("|", "|&"):
            self.take()
            self.newlines()
            found.append(self.command())
        return found[0] if len(found) == 1 else Joined("|", found)

    def next_bare(self) -> str:
        """Return the next word if it is a reserved one, without consuming it; else ""."""
        token = self._tokens.peek()
        if token is None or token.kind != "word" or len(token.parts) != 1 or token.parts[0].kind != "plain":
            return ""
        return token.parts[0].text if token.parts[0].text in _RESERVED else ""

    def expect(self, *words: str) -> str:
        word = self.next_bare()
        if word not in words:
            raise Unclear
        self.take()
        return word

    def command(self) -> Statement:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise Unclear
        found: Statement
        if self.peek() == "(":
            body = self._nested(self.take().tokens)
            found = CommandGroup(body, self.redirects(), subshell=True)
        elif word := self.next_bare():
            self.take()
            found = self.compound(word)
        else:
            found = self.simple()
        self._depth -= 1
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
        """Parse a non-empty list up to one of the reserved words ``ends``, which is consumed and returned; without
        them, up to the end."""
        self.newlines()
        found = [self.and_or()]
        while (operator := self.peek()) in (";", "&", "\n"):
            self.take()
            if operator == "&":
                found[-1] = Beyond("it runs in the background")
            self.newlines()
            if not self.peek() or (ends and self.next_bare() in ends):
                break
            found.append(self.and_or())
        return found, self.expect(*ends) if ends else ""

    def _nested(self, tokens: Sequence[Token]) -> list[Statement]:
        """Parse the commands between parentheses."""
        inner = _CommandReader(self._text, tokens, self._depth, self._begun)
        body, _end = inner.body()
        if inner.peek():
            raise Unclear
        return body

    def loop(self) -> Statement:
        if self.peek() != "word":
            raise Unclear
        name = self.word()
        if not name.bare or not _NAME.fullmatch(name.literal or ""):
            raise Unclear
        words: list[Word] = []
        if self.next_bare() == "in":
            self.take()
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
        if self.peek() != "word":
            raise Unclear
        while (token := self._tokens.peek()) is not None and token.kind in ("word", "redirect"):
            if token.kind == "redirect":
                found.redirects.append(self.redirect())
                continue
            word = self.word()
            assigned = None if found.words else _assignment(word)
            if assigned is None:
                found.words.append(word)
            else:
                found.assignments.append(assigned)
        return self.function(found) if self.peek() == "()" else found

    def function(self, simple: Simple) -> Statement:
        """Parse ``() { …; }`` after a name."""
        name = simple.words[0].literal if len(simple.words) == 1 and simple.words[0].bare else None
        if simple.assignments or simple.redirects or not re.fullmatch(r"[A-Za-z0-9_.-]+", name or ""):
            raise Unclear
        self.take()
        self.newlines()
        self.expect("{")
        self.body("}")
        self.redirects()
        return Beyond("it defines a function")

    # ---- redirections and here-documents -----------------------------------------------------------------------------

    def redirects(self) -> list[Redirect]:
        """Parse the redirections of a compound command; anything else ends it."""
        found = []
        while self.peek() == "word":
            found.append(self.redirect())
        return found

    def redirect(self) -> Redirect:
        token = self.take()
        if (
            token.kind != "redirect"
            or token.target is None
            or token.descriptor[:1] == "{"
            or len(token.descriptor) > _LONGEST_DESCRIPTOR
        ):
            raise Unclear
        redirect = Redirect(token.text, self._word(token.target), token.descriptor)
        if token.heredoc is not None:
            if redirect.target.literal != token.heredoc.delimiter:
                raise Unclear
            self._begun.append((redirect, token.heredoc))
        return redirect

    def _held(self, heredoc: Heredoc) -> Word:
        """Return the content of a here-document as a word; unless its delimiter is quoted, its variables are expanded
        as in double quotes."""
        if not heredoc.closed:
            raise Unclear
        lines = self._text[heredoc.start : heredoc.end].split("\n")
        held = "\n".join(line.lstrip("\t") for line in lines) if heredoc.tabs else "\n".join(lines)
        if heredoc.quoted:
            return Word([Literal(held, quoted=True)])
        if any("$(" in line or "`" in line or line.endswith("\\") for line in lines):
            raise Unclear
        inner = _CommandReader(held, (), self._depth + 1)
        return Word([inner._within(part) for part in BashLexer(held).quoted_parts(0, len(held))])

    # ---- words -------------------------------------------------------------------------------------------------------

    def word(self) -> Word:
        """Parse one word. Raises Unclear if there is none."""
        token = self.take()
        if token.kind != "word":
            raise Unclear
        return self._word(token)

    def _word(self, token: Token) -> Word:
        parts: list[WordPart] = []
        if not token.closed:
            raise Unclear
        after = self._text[token.end : token.end + 1]
        if token.parts[0].kind == "process" and len(token.parts) == 1 and after not in ("(", "<", ">"):
            return Word([self._process(token.parts[0])])
        before = ""
        for part in token.parts:
            last = parts[-1] if parts else None
            if part.kind == before == "plain" and isinstance(last, Literal):
                last.text += self._plain(part)
            else:
                parts += self._part(part)
            before = part.kind
        if after == "(" and not _may_be_function(parts):
            raise Unclear
        if after in ("<", ">") and _DESCRIPTOR.fullmatch(self._text, token.start, token.end):
            raise Unclear
        return Word(parts)

    def _process(self, part: Part) -> ProcessSubstitution:
        if part.text != "<(":
            raise Unclear
        return ProcessSubstitution(self._substituted(part))

    def _substituted(self, part: Part) -> list[Statement]:
        """Parse the commands in ``$( … )`` or ``<( … )``; their here-documents must end inside it. Raises Unclear."""
        begun = len(self._begun)
        body = self._nested(part.tokens)
        if len(self._begun) != begun:
            raise Unclear
        return body

    def _plain(self, part: Part) -> str:
        if not _PLAIN.fullmatch(part.text):
            raise Unclear
        return part.text

    def _part(self, part: Part) -> list[WordPart]:
        """Convert a part that is not in double quotes."""
        match part.kind:
            case "plain":
                return [Literal(self._plain(part))]
            case "single":
                return [Literal(part.text, quoted=True)]
            case "escaped":
                following = self._text[part.start + 1 : part.end]
                if following in ("\n", ""):
                    return [Opaque("\\" + following)]  # it may join what is read as two things here
                return [Literal(following, quoted=True)]
            case "ansi":
                return [_ansi(part.text)]
            case "double":
                parts: list[WordPart] = [Literal("", quoted=True), *map(self._within, part.parts)]
                if part.text == '"':
                    return parts
                return [Opaque(part.text)]  # translated, by a file that somebody names
        return [self._expansion(part, quoted=False)]

    def _within(self, part: Part) -> WordPart:
        """Convert a part in double quotes, or of a here-document."""
        if part.kind == "plain":
            return Literal(part.text, quoted=True)
        if part.kind != "escaped":
            return self._expansion(part, quoted=True)
        if self._text[part.start + 1 : part.end] == "\n":
            before = self._text[part.start - 1 : part.start]
            return Literal("", quoted=True) if before in (" ", "\t") else Opaque("\\\n")
        return Literal(part.text, quoted=True)

    def _expansion(self, part: Part, *, quoted: bool) -> WordPart:
        """Parse an expansion that begins with ``$`` or a backquote."""
        written = self._text[part.start : part.end]
        if not part.closed:
            raise Unclear
        match part.kind:
            case "variable":
                return ShellVariable(part.text, quoted)
            case "parameter":
                return _parameter(written, quoted=quoted)
            case "arithmetic" if found := _CALCULATED.fullmatch(written):
                return Calculated(found[1])
            case "command" if part.text == "$(":
                return CommandSubstitution(self._substituted(part), quoted)
            case "backquotes" if "\\" not in written:
                return CommandSubstitution(self._backquotes(part.text), quoted)
            case "dollar":
                following = self._text[part.end : part.end + 1]
                if following in (_ENDS_QUOTED_DOLLAR if quoted else _ENDS_DOLLAR):
                    return Literal("$", quoted=True)
        raise Unclear

    def _backquotes(self, text: str) -> list[Statement]:
        inner = _CommandReader(text, BashLexer(text), self._depth + 1)
        body = inner.complete()
        if inner.peek():
            raise Unclear
        return body


def _assignment(word: Word) -> Assignment | None:
    first = word.parts[0]
    if not isinstance(first, Literal) or first.quoted or not (found := _ASSIGNED.match(first.text)):
        return None
    rest = first.text[found.end() :]
    return Assignment(found[1], Word([*([Literal(rest)] if rest else []), *word.parts[1:]]), adds=bool(found[2]))


def _parameter(written: str, *, quoted: bool) -> WordPart:
    """Read ``${…}``."""
    if found := _VARIABLE.fullmatch(written):
        return ShellVariable(found[1], quoted)
    if found := _MADE.fullmatch(written):
        return ShellVariable(found[1] or found[2], quoted, exact=False)
    if _BEYOND.fullmatch(written):
        return Opaque(written)
    raise Unclear


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
