"""Finds the variables that a bash text needs from outside, and those that it sets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from msgspec import Struct

# Words of a bash text: their quotes, what is expanded in them, and which variables that uses.
#
# ``ExpansionReader`` reads them, and keeps which variables are set at each place; commands are ``_VariableReader``'s.


_NAME = re.compile(r"[A-Za-z_]\w*")
_PARAMETER = re.compile(r"[#!]?([A-Za-z_]\w*)(\[[^]]*\])?([@*](?=\}))?(:?[-=+?])?")
_ARITHMETIC = re.compile(r"(?<![\w#$.{])([A-Za-z_]\w*)(?:\[[^]]*\])?\s*(=(?!=)|\+\+|--|(?:[-+*/%&|^]|<<|>>)=)?")
ENDS_WORD = frozenset(" \t\n;&|()<>")


class ExpansionReader:
    """Reads on from ``at``. ``needs`` maps each needed variable to whether something before it may have set it."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.needs: dict[str, bool] = {}
        self.sets: set[str] = set()
        self.foreign = False
        self._known: set[str] = set()
        self._behind = False
        """What is not in the text may have set anything."""
        self._quiet = 0
        """In what runs later, or only where something is not set."""
        self._depth = 0
        self._documents: list[tuple[str, bool, bool]] = []
        """Here documents of the line: how they end, whether they are as they stand, whether tabs go."""

    def commands(self, end: str) -> None:
        """Read commands up to ``end``; implemented by the class that parses commands."""
        raise NotImplementedError

    def _set(self, names: set[str]) -> None:
        self._known |= names
        self.sets |= names

    def _apart(self, end: str) -> None:
        """Read commands in a subshell: nothing that they set remains."""
        known, behind, sets_ = set(self._known), self._behind, set(self.sets)
        self.commands(end)
        self._known, self._behind, self.sets = known, behind, sets_

    # ---- words ---------------------------------------------------------------------------------------------------

    def _blanks(self) -> bool:
        """Skip to the next token; return whether there is one."""
        text = self.text
        while self.at < len(text):
            if text[self.at] in " \t":
                self.at += 1
            elif text.startswith("\\\n", self.at):
                self.at += 2
            elif text[self.at] == "#" and (self.at == 0 or text[self.at - 1] in ENDS_WORD):
                self.at = min(found for found in (text.find("\n", self.at), len(text)) if found >= 0)
            else:
                return True
        return False

    def _word(self) -> str:
        """Read one word and return its text without expansions."""
        literal: list[str] = []
        text = self.text
        while self.at < len(text) and text[self.at] not in ENDS_WORD:
            literal.append(self._part())
        return "".join(literal)

    def _part(self) -> str:
        """Read a character, or a quoted piece, of a word."""
        text, at = self.text, self.at
        char = text[at]
        if char == "\\":
            self.at += 2
            return "" if text[at + 1 : at + 2] == "\n" else text[at + 1 : at + 2]
        if char == "'" or text.startswith("$'", at):
            return self._single(ansi=char == "$")
        if char == '"' or text.startswith('$"', at):
            self.at += 1 + (char == "$")
            return self._double()
        if char in "$`":
            self._expansion()
            return "\0"
        self.at += 1
        return char

    def _single(self, *, ansi: bool) -> str:
        begins = self.at = self.at + 1 + ansi
        while self.text[self.at] != "'":
            self.at += 2 if ansi and self.text[self.at] == "\\" else 1
        self.at += 1
        return self.text[begins : self.at - 1]

    def _double(self) -> str:
        literal = []
        while (char := self.text[self.at]) != '"':
            if char == "\\":
                literal.append(self.text[self.at + 1])
                self.at += 2
            elif char in "$`":
                self._expansion()
                literal.append("\0")
            else:
                literal.append(char)
                self.at += 1
        self.at += 1
        return "".join(literal)

    def _inside(self, text: str) -> None:
        """Read the expansions in a text that is treated as double-quoted: a here-document, an index."""
        whole, at = self.text, self.at
        self.text, self.at = text, 0
        while self.at < len(text):
            if text[self.at] == "\\":
                self.at += 2
            elif text[self.at] in "$`":
                self._expansion()
            else:
                self.at += 1
        self.text, self.at = whole, at

    def _assignment(self, found: re.Match[str]) -> None:
        """Read ``NAME[…]=VALUE``, or an array assignment."""
        if found[2]:
            self._inside(found[2])
        self.at = found.end()
        if not self.text.startswith("(", self.at):
            self._word()
            return
        self.at += 1
        while self._blanks():
            char = self.text[self.at]
            if char == ")":
                self.at += 1
                return
            if char in ENDS_WORD:
                self.at += 1
            else:
                self._word()
        raise IndexError

    # ---- expansions ----------------------------------------------------------------------------------------------

    def _expansion(self) -> None:
        text = self.text
        if text[self.at] == "`":
            self._backquotes()
        elif text.startswith("$((", self.at):
            self.at += 3
            self._arithmetic("))")
        elif text.startswith("$[", self.at):
            self.at += 2
            self._arithmetic("]")
        elif text.startswith("$(", self.at):
            self.at += 2
            self._apart(")")
        elif text.startswith("${", self.at):
            self.at += 2
            self._parameter()
        else:
            self.at += 1
            if found := _NAME.match(text, self.at):
                self.at = found.end()
                self._use(found[0])
            elif self.at < len(text) and text[self.at] in "@*#?$!-0123456789":
                self.at += 1

    def _backquotes(self) -> None:
        begins = self.at = self.at + 1
        while self.text[self.at] != "`":
            self.at += 2 if self.text[self.at] == "\\" else 1
        end = self.at
        whole, self.text, self.at = self.text, re.sub(r"\\([`\\$])", r"\1", self.text[begins:end]), 0
        self._apart("")
        self.text, self.at = whole, end + 1

    def _parameter(self) -> None:
        """Read ``${…}`` after its opening brace."""
        text = self.text
        found = _PARAMETER.match(text, self.at)
        alone = False
        if found is not None:
            self.at = found.end()
            if found[2]:
                self._inside(found[2])
            alone = found[4] is not None
            if not alone and not (found[3] and text[found.start()] == "!"):
                self._use(found[1])
            if found[4] and found[4].endswith("="):
                self._set({found[1]})
        elif text[self.at] in "@*#?$!-0123456789":
            self.at += 1
        self._quiet += alone
        while text[self.at] != "}":
            self._part()
        self._quiet -= alone
        self.at += 1

    def _arithmetic(self, end: str) -> None:
        """Read arithmetic up to ``end``: names are variables there, with and without ``$``."""
        begins, depth = self.at, 0
        spans: list[str] = []
        while depth or not self.text.startswith(end, self.at):
            char = self.text[self.at]
            depth += (char in "([") - (char in ")]")
            if char in "$`":
                spans.append(self.text[begins : self.at])
                self._expansion()
                begins = self.at
            else:
                self.at += 1
        spans.append(self.text[begins : self.at])
        self.at += len(end)
        for found in _ARITHMETIC.finditer("0".join(spans)):
            if found[2]:
                self._set({found[1]})
            else:
                self._use(found[1])

    def _use(self, name: str) -> None:
        if name not in self._known and not self._quiet:
            self.needs[name] = self.needs.get(name, True) and self._behind


# What commands of bash themselves set variables, by their words.


ASSIGNS = re.compile(r"([A-Za-z_]\w*)(\[[^]\n]*\])?\+?=")
"""How a word begins that assigns."""
IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
_DECLARES = ("export", "declare", "typeset", "local", "readonly")
_READS = {"read": "REPLY", "mapfile": "MAPFILE", "readarray": "MAPFILE"}


def foreign(name: str) -> bool:
    """Whether the command runs text from elsewhere in its own shell."""
    return name in (".", "source", "eval")


def sets(name: str, words: Sequence[str]) -> set[str]:
    """Return the variables that a command with these words sets; rather too many than too few, since bash checks
    again."""
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


@lru_cache(maxsize=4096)
def variables_of(text: str) -> Variables:
    """Return the variables of a text that bash accepts."""
    reader = _VariableReader(text)
    try:
        reader.commands("")
    except (IndexError, RecursionError, _UnreadableText):
        found = tuple(dict.fromkeys(_ANY_USE.findall(text)))
        return Variables(found, (), frozenset(), reader.foreign)
    needs = tuple(name for name, behind in reader.needs.items() if not behind)
    maybe = tuple(name for name, behind in reader.needs.items() if behind)
    return Variables(needs, maybe, frozenset(reader.sets), reader.foreign)


class _UnreadableText(Exception):
    """The text is nested deeper than anybody writes."""


class _VariableReader(ExpansionReader):
    """Reads commands, and records what they set."""

    # ---- commands ------------------------------------------------------------------------------------------------

    def commands(self, end: str) -> None:
        """Read commands up to ``end``: nothing, ``)`` or ``}``."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _UnreadableText
        cases = 0
        while self._blanks():
            char = self.text[self.at]
            if char == ")" and (end == ")" and not cases):
                break
            if char in ";&|\n)":
                self._separator(char)
            elif char == "(":
                self._parenthesis()
            else:
                word = self._command()
                if word == "}" and end == "}":
                    break
                cases += (word == "case") - (word == "esac" and cases > 0)
        if end == ")":
            self.at += 1
        self._depth -= 1

    def _separator(self, char: str) -> None:
        self.at += 1
        if char == "\n":
            self._take_documents()

    def _parenthesis(self) -> None:
        if self.text.startswith("((", self.at):
            self.at += 2
            self._arithmetic("))")
        else:
            self.at += 1
            self._apart(")")

    def _function(self) -> None:
        """Read a function, whose body runs when it is called."""
        self._quiet += 1
        known = set(self._known)
        while self._blanks() and self.text[self.at] == "\n":
            self.at += 1
        if self.text.startswith("{", self.at):
            self.at += 1
            self.commands("}")
        elif self.text.startswith("(", self.at):
            self._parenthesis()
        self._quiet -= 1
        self._known |= known

    def _command(self) -> str:
        """Read one simple command, or a reserved word alone; return the first word."""
        words: list[str] = []
        given: set[str] = set()
        """By assignments that stand before the command, for it alone."""
        while self._blanks():
            char = self.text[self.at]
            if char in ";&|\n)":
                break
            if char == "(":
                if len(words) == 1 and words[0] != "for":
                    self.at = self.text.index(")", self.at) + 1
                    self._function()
                    return ""
                self._parenthesis()
            elif char in "<>" or self._redirects():
                self._redirection()
            elif not words and (found := ASSIGNS.match(self.text, self.at)):
                self._assignment(found)
                given |= {found[1]} - self._known
                self._known.add(found[1])
            else:
                if not words:
                    self._known -= given
                word = self._argument(words)
                words.append(word)
                if (ended := self._reserved(words)) is not None:
                    return ended
        if words:
            self._ran(words, given)
        else:
            self.sets |= given
        return words[0] if words else ""

    def _argument(self, words: list[str]) -> str:
        """Read a word of a command; for a declaring command, including the assigned value."""
        if words and words[0] in ("export", "declare", "typeset", "local", "readonly", "alias") and (
            found := ASSIGNS.match(self.text, self.at)
        ):  # fmt: skip
            self._assignment(found)
            return f"{found[1]}="
        return self._word()

    def _reserved(self, words: list[str]) -> str | None:
        """Read what a leading reserved word begins; None if there is none."""
        match words:
            case [word] if word in _STAYS_FIRST:
                return word
            case ["{"]:
                self.commands("}")
                return ""
            case ["[["]:
                self._test()
                return ""
            case ["function", _name]:
                self._blanks()
                if self.text.startswith("(", self.at):
                    self.at = self.text.index(")", self.at) + 1
                self._function()
                return ""
            case ["for" | "select", name] if IDENTIFIER.fullmatch(name):
                self._set({name})
            case ["case", _word]:
                while self._blanks() and self.text[self.at] == "\n":
                    self.at += 1
                if self._word() != "in":
                    raise IndexError
                return "case"
        return None

    def _ran(self, words: list[str], given: set[str]) -> None:
        """Record a finished command: what its name and words set, and what the text that it runs needs."""
        name, *rest = [word for word in words if word not in ("builtin", "command")] or [""]
        self._set(sets(name, rest))
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
        """Read a text that a command runs as shell; ``given`` is set for it."""
        inner = variables_of(text)
        for name in (*inner.needs, *(() if inner.foreign else inner.maybe)):
            if name not in given:
                self._use(name)
        self._set(set(inner.sets))
        if inner.foreign:
            self.foreign = self._behind = True

    def _test(self) -> None:
        """Read ``[[ … ]]``."""
        while self._blanks():
            if self.text.startswith("]]", self.at) and self.text[self.at + 2 : self.at + 3] in ("", *ENDS_WORD):
                self.at += 2
                return
            if self.text[self.at] in ENDS_WORD:
                self.at += 1
            else:
                self._word()
        raise IndexError

    # ---- redirections --------------------------------------------------------------------------------------------

    def _redirects(self) -> bool:
        found = re.compile(r"(?:\d+|\{([A-Za-z_]\w*)\})(?=[<>])").match(self.text, self.at)
        if found is None:
            return False
        self.at = found.end()
        if found[1]:
            self._set({found[1]})
        return True

    def _redirection(self) -> None:
        if self.text.startswith(("<(", ">("), self.at):
            self.at += 2
            self._apart(")")
            return
        operator = re.compile(r"<<<|<<-?|<>|<&|>&|>>|>\||<|>").match(self.text, self.at)
        assert operator is not None
        self.at = operator.end()
        self._blanks()
        begins = self.at
        if operator[0] in ("<<", "<<-"):
            self._quiet += 1
            word = self._word()
            self._quiet -= 1
            written = self.text[begins : self.at]
            self._documents.append((word, any(char in written for char in "'\"\\"), operator[0] == "<<-"))
        elif self.text[self.at] not in ENDS_WORD:
            self._word()

    def _take_documents(self) -> None:
        documents, self._documents = self._documents, []
        for end, verbatim, tabs in documents:
            lines = []
            while self.at < len(self.text):
                line, _, _rest = self.text[self.at :].partition("\n")
                self.at += len(line) + 1
                if (line.lstrip("\t") if tabs else line) == end:
                    break
                lines.append(line)
            if not verbatim:
                self._inside("\n".join(lines))
