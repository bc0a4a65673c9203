"""Expressions that are looked for only where a word of theirs is there: of most lines none is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

Instead = str | Callable[[re.Match[str]], str]


class Rules:
    """Each has its words (in small letters, one of which is in whatever it finds), an expression, and what comes
    instead. An expression is compiled when it is first needed."""

    def __init__(self, rules: Iterable[tuple[Iterable[str], str, Instead]]) -> None:
        self._rules: list[tuple[str, Instead]] = []
        self._of_word: dict[str, list[int]] = {}
        self._compiled: dict[int, re.Pattern[str]] = {}
        for words, pattern, instead in rules:
            for word in words:
                self._of_word.setdefault(word, []).append(len(self._rules))
            self._rules.append((pattern, instead))
        self.words = tuple(self._of_word)

    def patterns(self) -> list[re.Pattern[str]]:
        """All expressions."""
        return [self._pattern(number) for number in range(len(self._rules))]

    def masked(self, text: str, low: str) -> str:
        """``text`` (``low``: in small letters) with what is found replaced."""
        there = [word for word in self.words if word in low]
        for number in sorted({number for word in there for number in self._of_word[word]}):
            text = self._pattern(number).sub(self._rules[number][1], text)
        return text

    def _pattern(self, number: int) -> re.Pattern[str]:
        if number not in self._compiled:
            self._compiled[number] = re.compile(self._rules[number][0])
        return self._compiled[number]
