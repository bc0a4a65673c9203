"""Words of a bash text: their quotes, what is expanded in them, and which variables that uses.

``Words`` reads them, and keeps which variables are set at each place; commands are ``shell_variables.py``'s.
"""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Za-z_]\w*")
_PARAMETER = re.compile(r"[#!]?([A-Za-z_]\w*)(\[[^]]*\])?([@*](?=\}))?(:?[-=+?])?")
_ARITHMETIC = re.compile(r"(?<![\w#$.{])([A-Za-z_]\w*)(?:\[[^]]*\])?\s*(=(?!=)|\+\+|--|(?:[-+*/%&|^]|<<|>>)=)?")
ENDS_WORD = frozenset(" \t\n;&|()<>")


class Words:
    """Reads on from ``at``. What a text needs is in ``needs``, with whether that comes behind what may have set it."""

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
        """Reads commands up to ``end``; who knows commands does."""
        raise NotImplementedError

    def _set(self, names: set[str]) -> None:
        self._known |= names
        self.sets |= names

    def _apart(self, end: str) -> None:
        """In a shell of its own: nothing that it sets is there afterwards."""
        known, behind, sets_ = set(self._known), self._behind, set(self.sets)
        self.commands(end)
        self._known, self._behind, self.sets = known, behind, sets_

    # ---- words ---------------------------------------------------------------------------------------------------

    def _blanks(self) -> bool:
        """Goes to what is next; whether there is something."""
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
        """Text of one word; what is expanded in it is left out."""
        literal: list[str] = []
        text = self.text
        while self.at < len(text) and text[self.at] not in ENDS_WORD:
            literal.append(self._part())
        return "".join(literal)

    def _part(self) -> str:
        """A character, or a piece in quotes, of a word."""
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
        """What is expanded in a text that is read as one in double quotes is: a here document, an index."""
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
        """Reads ``NAME[…]=VALUE``, also of an array."""
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
        """``${…}``, behind its brace."""
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
        """Up to ``end``: names are variables there, with and without ``$``."""
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
