"""Which variables a bash text needs from outside, and which it sets: by reading it, as far as that can be told.

``rm -rf $DIR/*.tmp`` needs ``DIR``; ``DIR=/x; rm -rf $DIR`` does not. ``${DIR:-/x}`` says itself what holds without
it. What stands in a function is needed when that is called, and bash tells it then (``set -u``). What cannot be read is
taken for needed.
"""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import Struct

from lilfox_tui.runbook.shell_assignments import ASSIGNS, IDENTIFIER, foreign, sets
from lilfox_tui.runbook.shell_expanding import ENDS_WORD, Words

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
    """Of one text. ``needs``: names that must be set before it begins. ``maybe``: those that come behind something that
    may set them which is not in the text (``. file``, ``eval``). ``sets``: what it may leave set in its shell."""

    needs: tuple[str, ...]
    maybe: tuple[str, ...]
    sets: frozenset[str]
    foreign: bool
    """Whether it takes what another file says into its own shell."""


@lru_cache(maxsize=4096)
def variables_of(text: str) -> Variables:
    """Of a text that bash accepts."""
    reader = _Reader(text)
    try:
        reader.commands("")
    except (IndexError, RecursionError, _Unreadable):
        found = tuple(dict.fromkeys(_ANY_USE.findall(text)))
        return Variables(found, (), frozenset(), reader.foreign)
    needs = tuple(name for name, behind in reader.needs.items() if not behind)
    maybe = tuple(name for name, behind in reader.needs.items() if behind)
    return Variables(needs, maybe, frozenset(reader.sets), reader.foreign)


class _Unreadable(Exception):
    """It goes deeper than anybody writes."""


class _Reader(Words):
    """Reads commands, and tells what they set."""

    # ---- commands ------------------------------------------------------------------------------------------------

    def commands(self, end: str) -> None:
        """Up to ``end``: nothing, ``)`` or ``}``."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _Unreadable
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
        """Its body runs when it is called."""
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
        """One simple command, or a reserved word and nothing behind it; gives the first word."""
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
        """A word of a command; of one that declares, with the value that it assigns."""
        if words and words[0] in ("export", "declare", "typeset", "local", "readonly", "alias") and (
            found := ASSIGNS.match(self.text, self.at)
        ):  # fmt: skip
            self._assignment(found)
            return f"{found[1]}="
        return self._word()

    def _reserved(self, words: list[str]) -> str | None:
        """What a reserved word in front begins; None where there is none."""
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
        """After a command: what it has set by its name and words; what the text in them needs that it runs."""
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
        """A text that a command runs as shell; ``given`` is set for it."""
        inner = variables_of(text)
        for name in (*inner.needs, *(() if inner.foreign else inner.maybe)):
            if name not in given:
                self._use(name)
        self._set(set(inner.sets))
        if inner.foreign:
            self.foreign = self._behind = True

    def _test(self) -> None:
        """``[[ … ]]``."""
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
