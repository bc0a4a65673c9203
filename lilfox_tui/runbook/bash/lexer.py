"""Tokens of bash text: words with all that is nested in them, operators, redirections, here-documents and comments."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal as OneOf

from msgspec import Struct

# The one reader of quotes, escapes, expansions, comments and here-documents of bash (POSIX Shell Command Language 2.2,
# 2.3, 2.6 and 2.7.4, and the bash manual). All places are offsets in the text.
#
# It never fails: what is not closed reaches to the end of the text, and is not ``closed``. What a text means is for
# those who walk its tokens: the strict parser (``parser.py``), the variables (``variables.py``), the placeholders
# (``placeholders.py``) and lint.


PartKind = OneOf[
    "plain", "escaped", "single", "ansi", "double", "variable", "parameter", "command", "process", "arithmetic",
    "backquotes", "array", "pattern", "dollar", "placeholder", "escaped placeholder", "too deep",
]  # fmt: skip
TokenKind = OneOf["word", "operator", "redirect", "group", "arithmetic", "comment"]
EXPANSIONS = frozenset({"parameter", "command", "process", "arithmetic", "backquotes", "too deep"})
"""Kinds of parts in which a text of its own stands."""
COMMAND_FOLLOWS = frozenset(
    {"if", "then", "else", "elif", "fi", "while", "until", "do", "done", "!", "{", "}", "time", "esac"}
)
"""Reserved words behind which a command begins, or ends."""
NAMED = re.compile(r"<(?!(?:none|nil|null|unknown|unset|invalid|pending)>)([A-Za-z][A-Za-z0-9_-]*)>")
"""A placeholder; not what programs print in its place."""
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
ASSIGNED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\[[^\]]*\])?\+?=")
"""How a word begins that assigns."""


class Part(Struct, gc=False):
    """A piece of a word."""

    kind: PartKind
    start: int
    end: int
    text: str = ""
    """Of what is quoted or plain: what it stands for. Of a variable or placeholder: its name. Of what is nested: the
    characters that open it; of backquotes: the commands in them."""
    parts: Sequence[Part] = ()
    tokens: Sequence[Token] = ()
    closed: bool = True


class Heredoc(Struct, gc=False):
    """A here-document. ``start`` and ``end`` are those of its content, -1 until the newline after its operator has been
    read."""

    delimiter: str
    quoted: bool
    tabs: bool
    begun: int
    """Where its operator stands."""
    start: int = -1
    end: int = -1
    closed: bool = False


class Token(Struct, gc=False):
    """A word, an operator, or commands between parentheses."""

    kind: TokenKind
    start: int
    end: int
    text: str = ""
    """The operator; of a group and of arithmetic what opens it. ``()`` is that of a function."""
    parts: Sequence[Part] = ()
    tokens: Sequence[Token] = ()
    """Of a group."""
    descriptor: str = ""
    """Of a redirection: what stands before it."""
    target: Token | None = None
    heredoc: Heredoc | None = None
    heredocs: Sequence[Heredoc] = ()
    """Of a newline: those that stand behind it."""
    closed: bool = True


class _Level(Struct):
    """The state of a level at which commands are read: the text itself, or the inside of parentheses."""

    first: bool = True
    """The next word is the first one of a command."""
    cases: int = 0
    """Open ``case``: a ``)`` there ends a pattern."""
    test: bool = False
    array: bool = False


_DEEPEST = 80
"""Of quotes and parentheses in each other. Nobody nests as deep; what does is not read."""
_BLANKS = re.compile(r"[ \t]*")
_PLAIN_WORD = re.compile(r"[^ \t\n;&|()<>'\"`$\\#][^ \t\n;&|()<>'\"`$\\]*(?=[ \t\n;&|)]|\Z)")
"""A word with nothing in it; of most texts each word is one."""
_OPERATOR = re.compile(r"&&|\|\||\|&|;;&?|;&|[;|&)\n]")
_REDIRECT = re.compile(r"([0-9]+|\{[A-Za-z_][A-Za-z0-9_]*\})?(<<<|<<-|<<|<&|<>|<(?!\()|>>|>&|>\||>(?!\())|(&>>?)")
_BEFORE_REDIRECT = frozenset("<>&{0123456789")
_PARENTHESES = re.compile(r"\((?:[ \t]|\\\n)*\)")
_INDEXED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\[[^\]\n]{0,200}\]\+?=")
_VARIABLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-])")
_OPERATES = re.compile(r"[#!]?(?:[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#?$!-])(?:\[[^\]]{0,200}\])?[#%/^,]")
"""How ``${name#pattern}`` begins: single quotes quote in it even within double quotes."""
_UNQUOTED = re.compile(r"\\([`\\$])")
_UNQUOTED_IN_DOUBLE = re.compile(r"\\([`\\$\"])")
_Within = OneOf["word", "index", "double", "heredoc", "parameter", "quoted parameter", "arithmetic", "bracket"]
_SPECIAL: dict[_Within, str] = {
    "word": r" \t\n;&|()<>'\"`$\\",
    "index": r"'\"`$\\",
    "double": r"\"`$\\",
    "heredoc": r"`$\\",
    "parameter": r"'\"`$\\}",
    "quoted parameter": r"\"`$\\}",
    "arithmetic": r"`$()",
    "bracket": r"`$\[\]",
}
"""Characters that mean something there, as a set of a regular expression."""
_PLAIN = {within: re.compile(f"[^{special}]+") for within, special in _SPECIAL.items()}
_PLAIN_OR_NAMED = {within: re.compile(f"[^{special}<]+") for within, special in _SPECIAL.items()}
_ESCAPES: dict[_Within, str] = {"double": '"\\$`', "heredoc": "\\$`", "quoted parameter": '"\\$`}'}
"""What loses a ``\\`` before it there; in plain text each character does."""


def escapes(text: str, start: int, at: int) -> bool:
    """Return whether the character at ``at`` is escaped: an odd number of ``\\`` stands directly before it, counted
    from ``start``."""
    before = text[start:at]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


def read_through(text: str) -> BashLexer:
    """Read all of the text; return the lexer at its end."""
    lexer = BashLexer(text)
    for _token in lexer:
        pass
    return lexer


def goes_on(text: str) -> bool:
    """Return whether the text ends with a ``\\`` that continues it on the next line."""
    return len(text) in read_through(text).joined


def variables_in(text: str) -> Iterator[tuple[Part, bool]]:
    """Yield each ``$name`` and ``${name}`` of a text that is expanded, in order, and whether it is in double quotes."""
    for token in BashLexer(text):
        yield from _variables_of(token)


def _variables_of(token: Token) -> Iterator[tuple[Part, bool]]:
    yield from _variables_among(token.parts, quoted=False)
    for inner in (*token.tokens, *([token.target] if token.target else ())):
        yield from _variables_of(inner)


def _variables_among(parts: Sequence[Part], *, quoted: bool) -> Iterator[tuple[Part, bool]]:
    for part in parts:
        only = part.parts[0].text if part.kind == "parameter" and len(part.parts) == 1 else ""
        name = part.text if part.kind == "variable" else only
        if IDENTIFIER.fullmatch(name):
            yield Part("variable", part.start, part.end, name), quoted
        yield from _variables_among(part.parts, quoted=quoted or part.kind == "double")
        for token in part.tokens:
            yield from _variables_of(token)


def backquotes_in(text: str) -> Iterator[Part]:
    """Yield the backquotes of a text that are expanded, without those in another expansion's text or in a
    here-document, in order."""
    for token in BashLexer(text, placeholders=True):
        yield from _backquotes_of(token)


def _backquotes_of(token: Token) -> Iterator[Part]:
    yield from _backquotes_among(token.parts)
    for inner in (*token.tokens, *([token.target] if token.target else ())):
        yield from _backquotes_of(inner)


def _backquotes_among(parts: Sequence[Part]) -> Iterator[Part]:
    for part in parts:
        if part.kind == "backquotes" and part.closed:
            yield part
        elif part.kind in ("double", "command"):
            yield from _backquotes_among(part.parts)
            for token in part.tokens:
                yield from _backquotes_of(token)


class TokenReader:
    """Reads tokens one after the other, without comments."""

    def __init__(self, source: Iterable[Token]) -> None:
        self._source = iter(source)
        self._next: Token | None = None

    def peek(self) -> Token | None:
        """Return the next token without consuming it; None at the end."""
        while self._next is None or self._next.kind == "comment":
            self._next = next(self._source, None)
            if self._next is None:
                break
        return self._next

    def take(self) -> Token | None:
        token, self._next = self.peek(), None
        return token


class BashLexer:
    """Splits ``text`` into tokens, from ``at`` on. With ``placeholders``, ``<name>`` is a part of a word, not a
    redirection."""

    def __init__(self, text: str, at: int = 0, end: int | None = None, *, placeholders: bool = False) -> None:
        self.text, self.at = text, at
        self.comments: set[int] = set()
        """Where comments begin that were read."""
        self.joined: set[int] = set()
        """Places of newlines that a ``\\`` takes away. The end of the text is one where it takes the next line."""
        self._end = len(text) if end is None else end
        self._placeholders = placeholders
        self._plain = _PLAIN_OR_NAMED if placeholders else _PLAIN
        self._level = _Level()
        self._depth = 0
        self._heredocs: list[Heredoc] = []
        self._no_arithmetic: set[int] = set()
        """Where a ``((`` was found to be two ``(``."""

    def __iter__(self) -> Iterator[Token]:
        return self

    def __next__(self) -> Token:
        if (token := self.token()) is None:
            raise StopIteration
        return token

    def token(self) -> Token | None:
        """Return the next token; None at the end."""
        text, level = self.text, self._level
        at = self._after_blanks()
        if at >= self._end:
            return None
        if (found := _PLAIN_WORD.match(text, at, self._end)) and not (level.first and "[" in found[0]):
            self.at = found.end()
            level.first = self._is_first_behind(found[0], at)
            return Token("word", at, self.at, "", (Part("plain", at, self.at, found[0]),))
        char = text[at]
        if char == "#":
            end = text.find("\n", at, self._end)
            self.at = end if end >= 0 else self._end
            self.comments.add(at)
            return Token("comment", at, self.at)
        if char in _BEFORE_REDIRECT and (redirect := self._redirect()) is not None:
            return redirect
        if char == "(":
            return self._parenthesis()
        if found := _OPERATOR.match(text, at, self._end):
            self.at = found.end()
            level.first = not level.test
            return Token("operator", at, self.at, found[0], heredocs=self._bodies() if found[0] == "\n" else ())
        word = self._word(assigns=level.first)
        only = word.parts[0] if len(word.parts) == 1 else None
        level.first = self._is_first_behind(only.text if only and only.kind == "plain" else "", at)
        return word

    def _after_blanks(self) -> int:
        """Skip blanks and line continuations (``\\`` and a newline); return the position after them."""
        while found := _BLANKS.match(self.text, self.at, self._end):
            self.at = found.end()
            if not self.text.startswith("\\\n", self.at, self._end):
                break
            self.at += 2
            self.joined.add(self.at - 1)
        return self.at

    def quoted_parts(self, start: int, end: int) -> list[Part]:
        """Return the parts of a here-document's content, the text from ``start`` to ``end``, with its expansions."""
        inner = BashLexer(self.text, start, end, placeholders=self._placeholders)
        return inner._parts("heredoc", "")[0]

    # ---- commands ----------------------------------------------------------------------------------------------------

    def _is_first_behind(self, word: str, start: int) -> bool:
        """Return whether the word after ``word``, which begins at ``start``, is the first one of a command; keeps track
        of ``[[`` and ``case``."""
        level = self._level
        if level.test and word == "]]":
            level.test = False
        if level.array:
            return False
        if not level.first:
            return word == "{"
        if word == "[[":
            level.test = True
        elif word == "case":
            level.cases += 1
        elif word == "esac" and level.cases:
            level.cases -= 1
        return word in COMMAND_FOLLOWS or ASSIGNED.match(self.text, start, self.at) is not None

    def _redirect(self) -> Token | None:
        found = _REDIRECT.match(self.text, self.at, self._end)
        if found is None or self._placeholder_at(found.start(2)):
            return None
        start, self.at = self.at, found.end()
        token = Token("redirect", start, self.at, found[2] or found[3], descriptor=found[1] or "")
        if not self._begins_word(self._after_blanks()):
            return token
        token.target = self._word()
        token.end = self.at
        if token.text in ("<<", "<<-"):
            parts = token.target.parts
            quoted = any(part.kind in ("escaped", "single", "ansi", "double") for part in parts)
            token.heredoc = Heredoc(self._delimiter(parts), quoted, token.text == "<<-", start)
            self._heredocs.append(token.heredoc)
        return token

    def _begins_word(self, at: int) -> bool:
        if at >= self._end or self.text[at] in " \t\n;&|()#":
            return False
        if self.text[at] in "<>":
            return self._placeholder_at(at) or self.text.startswith("(", at + 1, self._end)
        return True

    def _placeholder_at(self, at: int) -> bool:
        return self._placeholders and at >= 0 and NAMED.match(self.text, at, self._end) is not None

    def _parenthesis(self) -> Token:
        """Read ``( … )``, ``(( … ))`` or ``()``."""
        start = self.at
        if found := _PARENTHESES.match(self.text, start, self._end):
            self.at = found.end()
            self._level.first = not self._level.test
            return Token("operator", start, self.at, "()")
        doubled = self.text.startswith("((", start, self._end)
        if doubled and (read := self._arithmetic(start, 2, "arithmetic")) is not None:
            return Token("arithmetic", start, self.at, "((", read[0], closed=read[1])
        self.at = start + 1
        inner, closed = self._commands()
        return Token("group", start, self.at, "((" if doubled else "(", tokens=inner, closed=closed)

    def _commands(self, *, array: bool = False) -> tuple[list[Token], bool]:
        """Return the tokens up to the closing ``)``, which is consumed, and whether there is one."""
        outer, self._level = self._level, _Level(first=not array, array=array)
        found: list[Token] = []
        closed = False
        self._depth += 1
        if self._depth > _DEEPEST:
            found.append(Token("word", self.at, self._end, "", (self._too_deep(),), closed=False))
        while (token := self.token()) is not None:
            if token.kind == "operator" and token.text == ")" and not self._level.cases:
                closed = True
                break
            found.append(token)
        self._depth -= 1
        self._level = outer
        return found, closed

    def _too_deep(self) -> Part:
        start, self.at = self.at, self._end
        return Part("too deep", start, self._end, closed=False)

    # ---- here-documents ----------------------------------------------------------------------------------------------

    def _delimiter(self, parts: Sequence[Part]) -> str:
        """Return the line that ends a here-document: ``parts`` without quotes, in which nothing is expanded."""
        texts = []
        for part in parts:
            if part.kind == "double":
                texts.append(self._delimiter(part.parts))
            elif part.kind in ("plain", "escaped", "single", "ansi"):
                texts.append(part.text)
            else:
                texts.append(self.text[part.start : part.end])
        return "".join(texts)

    def _bodies(self) -> Sequence[Heredoc]:
        """Read the contents of the here-documents whose operators came before this newline; return them."""
        begun, self._heredocs = self._heredocs, []
        for heredoc in begun:
            heredoc.start = heredoc.end = self.at
            joined = ""
            """The lines before that a ``\\`` continues."""
            while self.at < self._end and not heredoc.closed:
                end = self.text.find("\n", self.at, self._end)
                line = self.text[self.at : end if end >= 0 else self._end]
                self.at = min(self.at + len(line) + 1, self._end)
                if not heredoc.quoted and escapes(line, 0, len(line)):
                    joined += line[:-1]
                    continue
                line, joined = joined + line, ""
                heredoc.closed = (line.lstrip("\t") if heredoc.tabs else line) == heredoc.delimiter
                heredoc.end = heredoc.end if heredoc.closed else self.at
            if not heredoc.closed:
                heredoc.end = self._end
        return begun

    # ---- words -------------------------------------------------------------------------------------------------------

    def _word(self, *, assigns: bool = False) -> Token:
        """Read a word. With ``assigns`` it may be ``name[index]=value``, where blanks in the index do not end it."""
        text, start = self.text, self.at
        parts: list[Part] = []
        closed = True
        found = _INDEXED.match(text, start, self._end) if assigns else None
        in_index = found.end() if found else start
        while self.at < self._end:
            at, char = self.at, text[self.at]
            within: _Within = "index" if at < in_index else "word"
            found = self._plain[within].match(text, at, max(in_index, at) if within == "index" else self._end)
            if found:
                self.at = found.end()
                parts.append(Part("plain", at, self.at, found[0]))
            elif char == "(":
                if (kind := self._begins_list(start, parts)) is None:
                    break
                self.at += 1
                inner, done = self._commands(array=True)
                parts.append(Part(kind, at, self.at, "(", tokens=inner, closed=done))
            elif within == "index" or self._begins_word(at):
                parts.append(self._part(within))
            else:
                break
            closed = closed and parts[-1].closed
        return Token("word", start, self.at, "", parts, closed=closed)

    def _begins_list(self, start: int, parts: Sequence[Part]) -> OneOf["array", "pattern"] | None:
        """Return what a ``(`` within a word begins, an array or a pattern; None if it is not part of the word."""
        if ASSIGNED.fullmatch(self.text, start, self.at):
            return "array"
        last = parts[-1] if parts else None
        negates = last is not None and last.text == "!" and self._level.first
        return "pattern" if last and last.kind == "plain" and last.text[-1] in "?*+@!" and not negates else None

    def _part(self, within: _Within) -> Part:
        """Read the part that begins at a special character."""
        text, at = self.text, self.at
        char = text[at]
        if char == "\\":
            return self._escaped(within)
        if char in "<>":
            return self._angle(within)
        if char in "$`":
            return self._expansion(within)
        if char == '"':
            return self._quoted(at, 1)
        end = text.find("'", at + 1, self._end)
        self.at = end + 1 if end >= 0 else self._end
        return Part("single", at, self.at, text[at + 1 : end if end >= 0 else self._end], closed=end >= 0)

    def _angle(self, within: _Within) -> Part:
        """Read a placeholder, ``<( … )``, or a ``<`` or ``>`` without a meaning in this context."""
        text, at = self.text, self.at
        if self._placeholders and (found := NAMED.match(text, at, self._end)):
            self.at = found.end()
            return Part("placeholder", at, self.at, found[1])
        if within != "word":
            self.at += 1
            return Part("plain", at, self.at, text[at])
        self.at += 2
        inner, closed = self._commands()
        return Part("process", at, self.at, text[at : at + 2], tokens=inner, closed=closed)

    def _escaped(self, within: _Within) -> Part:
        at = self.at
        if self._placeholders and (found := NAMED.match(self.text, at + 1, self._end)):
            self.at = found.end()
            return Part("escaped placeholder", at, self.at, found[1])
        following = self.text[at + 1 : min(at + 2, self._end)]
        self.at = at + 1 + len(following)
        if following in ("\n", ""):
            self.joined.add(at + 1)
        if following == "\n":
            return Part("escaped", at, self.at)
        kept = within in _ESCAPES and following not in _ESCAPES[within]
        return Part("escaped", at, self.at, "\\" * kept + following)

    def _quoted(self, start: int, opener: int) -> Part:
        """Read a part in double quotes."""
        self.at = start + opener
        parts, closed = self._parts("double", '"')
        return Part("double", start, self.at, self.text[start : start + opener], parts, closed=closed)

    def _parts(self, within: _Within, closer: str) -> tuple[list[Part], bool]:
        """Return the parts up to ``closer``, which is consumed, and whether it was found. An arithmetic expression also
        ends at a ``)`` that closes nothing in it."""
        found: list[Part] = []
        closed = not closer
        opener = {"arithmetic": "(", "bracket": "["}.get(within, "")
        nested = 0
        self._depth += 1
        if self._depth > _DEEPEST:
            found.append(self._too_deep())
        while self.at < self._end:
            at, char = self.at, self.text[self.at]
            if closer and not nested and self.text.startswith(closer, at, self._end):
                self.at += len(closer)
                closed = True
                break
            if plain := self._plain[within].match(self.text, at, self._end):
                self.at = plain.end()
                found.append(Part("plain", at, self.at, plain[0]))
            elif opener and char in "()[]":
                if char == ")" and not nested:
                    break
                nested += 1 if char == opener else -1
                self.at += 1
                found.append(Part("plain", at, self.at, char))
            else:
                found.append(self._part(within))
        self._depth -= 1
        return found, closed

    # ---- expansions --------------------------------------------------------------------------------------------------

    def _expansion(self, within: _Within) -> Part:
        """Parse an expansion that begins with ``$`` or a backquote."""
        text, at = self.text, self.at
        if found := _VARIABLE.match(text, at, self._end):
            self.at = found.end()
            return Part("variable", at, self.at, found[1])
        if text[at] == "`":
            return self._backquotes(within)
        return self._dollar(within, text[at + 1 : min(at + 2, self._end)])

    def _dollar(self, within: _Within, following: str) -> Part:
        text, at = self.text, self.at
        if following == "(":
            doubled = text.startswith("((", at + 1, self._end)
            if doubled and (read := self._arithmetic(at, 3, "arithmetic")) is not None:
                return Part("arithmetic", at, self.at, "$((", read[0], closed=read[1])
            self.at = at + 2
            inner, closed = self._commands()
            return Part("command", at, self.at, "$((" if doubled else "$(", tokens=inner, closed=closed)
        if following == "{":
            self.at = at + 2
            operates = _OPERATES.match(text, self.at, self._end) is not None
            plainly = within in ("word", "index", "parameter") or operates
            parts, closed = self._parts("parameter" if plainly else "quoted parameter", "}")
            return Part("parameter", at, self.at, "${", parts, closed=closed)
        if following == "[":
            self.at = at + 2
            parts, closed = self._parts("bracket", "]")
            return Part("arithmetic", at, self.at, "$[", parts, closed=closed)
        if following == '"' and within in ("word", "index", "parameter"):
            return self._quoted(at, 2)
        if following == "'" and within in ("word", "index", "parameter"):
            return self._ansi()
        self.at = at + 1
        return Part("dollar", at, self.at, "$")

    def _arithmetic(self, start: int, opener: int, within: _Within) -> tuple[list[Part], bool] | None:
        """Return the parts of an arithmetic expression after an opener that ends in ``((``, and whether it is closed;
        None if that is two ``(`` instead."""
        if start in self._no_arithmetic:
            return None
        self.at = start + opener
        parts, closed = self._parts(within, "))")
        if not closed and self.at < self._end:
            self._no_arithmetic.add(start)
            return None
        return parts, closed

    def _ansi(self) -> Part:
        """Read ``$'…'``; its text keeps its escapes."""
        start, at = self.at, self.at + 2
        while at < self._end and self.text[at] != "'":
            at += 2 if self.text[at] == "\\" else 1
        closed = at < self._end
        self.at = at + 1 if closed else self._end
        return Part("ansi", start, self.at, self.text[start + 2 : min(at, self._end)], closed=closed)

    def _backquotes(self, within: _Within) -> Part:
        start, at = self.at, self.at + 1
        while at < self._end and self.text[at] != "`":
            at += 2 if self.text[at] == "\\" else 1
        closed = at < self._end
        self.at = at + 1 if closed else self._end
        escapes = _UNQUOTED_IN_DOUBLE if within in ("double", "quoted parameter") else _UNQUOTED
        return Part("backquotes", start, self.at, escapes.sub(r"\1", self.text[start + 1 : at]), closed=closed)
