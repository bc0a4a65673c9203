"""Finds the variables that a bash text needs from outside, and those that it sets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from msgspec import Struct

from lilfox_tui.runbook.bash.lexer import BashLexer, Heredoc, Part, Token, TokenReader

# What commands of bash themselves set variables, by their words.


ASSIGNS = re.compile(r"([A-Za-z_]\w*)(?:\[[^]\n]*\])?\+?=")
"""How a word begins that assigns."""
IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
_DECLARES = ("export", "declare", "typeset", "local", "readonly")
_READS = {"read": "REPLY", "mapfile": "MAPFILE", "readarray": "MAPFILE"}


def foreign(name: str) -> bool:
    """Whether the command runs text from elsewhere in its own shell."""
    return name in (".", "source", "eval")


def sets(name: str, words: Sequence[str]) -> set[str]:
    """Return the variables that a command with these words sets. When in doubt, a variable is included, because bash
    checks again."""
    names = {word for word in words if IDENTIFIER.fullmatch(word)}
    if name in _READS:
        return names or {_READS[name]}
    if name in _DECLARES:
        arrays = any(word.startswith("-") and ("a" in word or "A" in word) for word in words)
        return {word[:-1] for word in words if word.endswith("=")} | (names if arrays else set())
    if name == "getopts":
        return {*names, "OPTARG", "OPTIND"}
    if name == "printf" and "-v" in words[:-1]:
        return {words[list(words).index("-v") + 1].partition("[")[0]}
    if name == "let":
        return set(IDENTIFIER.findall(" ".join(words)))
    if name == "wait" and "-p" in words[:-1]:
        return {words[list(words).index("-p") + 1]}
    return set(words[:1]) & names if name == "coproc" and len(words) > 1 else set()


# Which variables a bash text needs from outside, and which it sets: by reading it, as far as that can be told.
#
# ``rm -rf $DIR/*.tmp`` needs ``DIR``; ``DIR=/x; rm -rf $DIR`` does not. ``${DIR:-/x}`` says itself what holds without
# it. What stands in a function is needed when that is called, and bash tells it then (``set -u``). What cannot be
# read is taken for needed.


_ANY_USE = re.compile(r"\$\{?[#!]?([A-Za-z_]\w*)")
_PARAMETER = re.compile(r"\$\{[#!]?([A-Za-z_]\w*)(\[[^]]*\])?([@*](?=\}))?(:?[-=+?])?")
_ARITHMETIC = re.compile(r"(?<![\w#$.{])([A-Za-z_]\w*)(?:\[[^]]*\])?\s*(=(?!=)|\+\+|--|(?:[-+*/%&|^]|<<|>>)=)?")
_STAYS_FIRST = frozenset(("if", "then", "elif", "else", "while", "until", "do", "!", "time", "fi", "done", "esac", "}"))
_DEEPEST = 60
_SHELL = re.compile(r"(?:\S*/)?(?:ba|da|k|z)?sh")
_HERE = frozenset(
    ("sudo", "env", "nohup", "timeout", "nice", "ionice", "setsid", "exec", "xargs", "find", "flock", "stdbuf")
)
"""What begins another program with the environment that is there: not a container, nor another host."""
_RUNS_TEXT = re.compile(r"-[a-z]*c")


class Variables(Struct, frozen=True):
    """The variables of one text. ``needs``: names that must be set before it. ``maybe``: needed names after something
    outside the text that may set them (``. file``, ``eval``). ``sets``: names that it may leave set in its shell."""

    needs: tuple[str, ...]
    maybe: tuple[str, ...]
    sets: frozenset[str]
    foreign: bool
    """Whether it takes what another file says into its own shell."""
    uses: frozenset[str] = frozenset()
    """Names that it expands, whoever sets them."""
    exports: frozenset[str] = frozenset()
    """Names that it may leave exported."""


@lru_cache(maxsize=4096)
def variables_of(text: str) -> Variables:
    """Return the variables of a text that bash accepts."""
    reader = _VariableReader(text)
    try:
        reader.read()
    except (RecursionError, _UnreadableText):
        found = tuple(dict.fromkeys(_ANY_USE.findall(text)))
        return Variables(found, (), frozenset(), reader.foreign, frozenset(found))
    needs = tuple(name for name, behind in reader.needs.items() if not behind)
    maybe = tuple(name for name, behind in reader.needs.items() if behind)
    exports = frozenset(reader.exports)
    return Variables(needs, maybe, frozenset(reader.sets), reader.foreign, frozenset(reader.uses), exports)


class _UnreadableText(Exception):
    """The text has an unclosed quote or parenthesis, or is nested too deeply."""


class _VariableReader:
    """Walks the tokens of a text in the order in which bash reads them. ``needs`` has the names that the text needs,
    each with whether it comes after something that may have set it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lexer = BashLexer(text)
        self.needs: dict[str, bool] = {}
        self.sets: set[str] = set()
        self.uses: set[str] = set()
        self.exports: set[str] = set()
        self.foreign = False
        self._known: set[str] = set()
        self._behind = False
        """What is not in the text may have set anything."""
        self._quiet = 0
        """In what runs later, or only where something is not set."""
        self._depth = 0

    def read(self) -> None:
        """Read the whole text. Raises _UnreadableText."""
        self._commands(TokenReader(self._lexer), "")

    def _set(self, names: set[str]) -> None:
        self._known |= names
        self.sets |= names

    def _use(self, name: str) -> None:
        self.uses.add(name)
        if name not in self._known and not self._quiet:
            self.needs[name] = self.needs.get(name, True) and self._behind

    # ---- commands ------------------------------------------------------------------------------------------------

    def _commands(self, reader: TokenReader, end: str) -> None:
        """Read all commands, or those up to the word ``end``."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _UnreadableText
        while (token := reader.peek()) is not None:
            if token.kind in ("word", "redirect"):
                if self._command(reader) == "}" == end:
                    break
            else:
                self._between(reader)
        self._depth -= 1

    def _between(self, reader: TokenReader) -> None:
        """Read what stands between simple commands: an operator, or a compound command in parentheses."""
        token = reader.take()
        assert token is not None
        if not token.closed:
            raise _UnreadableText
        if token.kind == "arithmetic":
            self._arithmetic(token.parts)
        elif token.kind == "group":
            self._apart(token.tokens)
        for heredoc in token.heredocs:
            self._heredoc(heredoc)

    def _apart(self, tokens: Iterable[Token]) -> None:
        """Read commands in a subshell: nothing that they set remains."""
        known, behind, sets_, exports = set(self._known), self._behind, set(self.sets), set(self.exports)
        self._commands(TokenReader(tokens), "")
        self._known, self._behind, self.sets, self.exports = known, behind, sets_, exports

    def _function(self, reader: TokenReader) -> None:
        """Read a function, whose body runs when it is called."""
        self._quiet += 1
        known = set(self._known)
        self._newlines(reader)
        token = reader.peek()
        if token is not None and token.kind == "word" and self._bare(token) == "{":
            reader.take()
            self._commands(reader, "}")
        elif token is not None and token.kind in ("group", "arithmetic"):
            self._between(reader)
        self._quiet -= 1
        self._known |= known

    def _newlines(self, reader: TokenReader) -> None:
        while (token := reader.peek()) is not None and token.text == "\n":
            self._between(reader)

    def _bare(self, token: Token) -> str:
        """Return the token's text; empty if any of it is quoted or expanded."""
        return token.parts[0].text if len(token.parts) == 1 and token.parts[0].kind == "plain" else ""

    def _command(self, reader: TokenReader) -> str:
        """Read one simple command, or a reserved word alone; return the first word."""
        words: list[str] = []
        given: set[str] = set()
        """By assignments that stand before the command, for it alone."""
        while (token := reader.peek()) is not None and token.kind != "operator":
            if token.kind == "redirect":
                self._redirection(token)
            elif token.kind != "word":
                self._between(reader)
                continue
            elif not words and (found := ASSIGNS.match(self._text, token.start, token.end)):
                self._visit(token.parts)
                given |= {found[1]} - self._known
                self._known.add(found[1])
            else:
                if not words:
                    self._known -= given
                words.append(self._argument(token, words))
                reader.take()
                if (ended := self._reserved(words, reader)) is not None:
                    return ended
                continue
            reader.take()
        if token is not None and token.text == "()" and len(words) == 1:
            reader.take()
            self._function(reader)
            return ""
        if words:
            self._ran(words, given)
        else:
            self.sets |= given
        return words[0] if words else ""

    def _argument(self, token: Token, words: list[str]) -> str:
        """Read a word of a command and return its text; for a command that declares, ``name=`` without the assigned
        value."""
        literal = self._visit(token.parts)
        if words and words[0] in (*_DECLARES, "alias"):
            found = ASSIGNS.match(self._text, token.start, token.end)
            return f"{found[1]}=" if found else literal
        return literal

    def _reserved(self, words: list[str], reader: TokenReader) -> str | None:
        """Read the construct that a leading reserved word begins; return None if there is no such word."""
        match words:
            case [word] if word in _STAYS_FIRST:
                return word
            case ["{"]:
                self._commands(reader, "}")
                return ""
            case ["[["]:
                self._test(reader)
                return ""
            case ["function", _name]:
                if (token := reader.peek()) is not None and token.text == "()":
                    reader.take()
                self._function(reader)
                return ""
            case ["for" | "select", name] if IDENTIFIER.fullmatch(name):
                self._set({name})
            case ["case", _word]:
                self._newlines(reader)
                token = reader.take()
                if token is None or token.kind != "word" or self._bare(token) != "in":
                    raise _UnreadableText
                return "case"
        return None

    def _ran(self, words: list[str], given: set[str]) -> None:
        """Record a finished command: the variables that its name and words set, and those needed by a text that it
        runs."""
        name, *rest = [word for word in words if word not in ("builtin", "command")] or [""]
        self._set(sets(name, rest))
        if name == "export" or (name in _DECLARES and any(word[:1] == "-" and "x" in word for word in rest)):
            self.exports |= {word.rstrip("=") for word in rest if IDENTIFIER.fullmatch(word.rstrip("="))}
        if name == "unset":
            self._known -= set(rest)
        if name == "eval" and not any("\0" in word for word in rest):
            self._runs(" ".join(rest), set())
        elif foreign(name):
            self.foreign = self._behind = True
        for at, (shell, option, text) in enumerate(zip(words, words[1:], words[2:], strict=False)):
            if _SHELL.fullmatch(shell) and _RUNS_TEXT.fullmatch(option) and "\0" not in text:
                if at and words[0] not in _HERE:
                    break
                given = given | {found[1] for word in words[:at] if (found := ASSIGNS.match(word))}
                known, sets_, behind = set(self._known), set(self.sets), self._behind
                self._runs(text, given)
                self._known, self.sets, self._behind = known, sets_, behind  # another process sets nothing here

    def _runs(self, text: str, given: set[str]) -> None:
        """Read a text that a command runs as shell code, with the variables ``given`` set for it."""
        inner = variables_of(text)
        self.uses |= inner.uses
        for name in (*inner.needs, *(() if inner.foreign else inner.maybe)):
            if name not in given:
                self._use(name)
        self._set(set(inner.sets))
        if inner.foreign:
            self.foreign = self._behind = True

    def _test(self, reader: TokenReader) -> None:
        """Read ``[[ … ]]``."""
        while (token := reader.take()) is not None:
            if token.kind == "word" and self._bare(token) == "]]":
                return
            self._listed([token])
        raise _UnreadableText

    def _listed(self, tokens: Iterable[Token]) -> None:
        """Read words that are not commands: those of an array, a pattern or a test."""
        for token in tokens:
            if not token.closed:
                raise _UnreadableText
            if token.kind == "redirect":
                self._redirection(token)
            self._visit(token.parts)
            self._listed(token.tokens)

    # ---- redirections and here-documents -------------------------------------------------------------------------

    def _redirection(self, token: Token) -> None:
        if token.descriptor.startswith("{"):
            self._set({token.descriptor[1:-1]})
        if token.target is not None and token.heredoc is None:
            self._visit(token.target.parts)

    def _heredoc(self, heredoc: Heredoc) -> None:
        if not heredoc.quoted:
            self._visit(self._lexer.quoted_parts(heredoc.start, heredoc.end))

    # ---- words and expansions ------------------------------------------------------------------------------------

    def _visit(self, parts: Sequence[Part]) -> str:
        """Record what the parts of a word expand; return their text, in which each expansion is ``\\0``."""
        return "".join(map(self._part, parts))

    def _part(self, part: Part) -> str:
        if not part.closed:
            raise _UnreadableText
        match part.kind:
            case "double":
                return self._visit(part.parts)
            case "variable":
                if IDENTIFIER.fullmatch(part.text):
                    self._use(part.text)
            case "parameter":
                self._parameter(part)
            case "arithmetic":
                self._arithmetic(part.parts)
            case "command" | "process":
                self._apart(part.tokens)
            case "backquotes":
                self._backquotes(part.text)
            case "array" | "pattern":
                self._listed(part.tokens)
                return ""
            case _:
                return part.text
        return "\0"

    def _backquotes(self, text: str) -> None:
        whole, lexer = self._text, self._lexer
        self._text, self._lexer = text, BashLexer(text)
        self._apart(self._lexer)
        self._text, self._lexer = whole, lexer

    def _parameter(self, part: Part) -> None:
        """Read ``${…}``."""
        found = _PARAMETER.match(self._text, part.start, part.end)
        alone = False
        begins = part.start
        if found is not None:
            begins = found.end()
            self._visit([each for each in part.parts if each.start < begins])
            alone = found[4] is not None
            self.uses.add(found[1])
            if not alone and not (found[3] and self._text[part.start + 2] == "!"):
                self._use(found[1])
            if found[4] and found[4].endswith("="):
                self._set({found[1]})
        self._quiet += alone
        self._visit([each for each in part.parts if each.start >= begins])
        self._quiet -= alone

    def _arithmetic(self, parts: Sequence[Part]) -> None:
        """Read an arithmetic expression, in which names are variables with and without ``$``."""
        written = "".join(part.text if part.kind == "plain" else "0" for part in parts)
        self._visit([part for part in parts if part.kind != "plain"])
        for found in _ARITHMETIC.finditer(written):
            if found[2]:
                self._set({found[1]})
            else:
                self._use(found[1])
