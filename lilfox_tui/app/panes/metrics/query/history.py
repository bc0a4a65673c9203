"""The queries that were run, newest first, kept in a file of the state folder; and walking through them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from lilfox_tui.core import paths
from lilfox_tui.core.files import open_regular, replace_file
from lilfox_tui.redact import redact

MOST_QUERIES: Final = 200
_LONGEST: Final = 2000
"""Characters of a query that is kept: a longer one was made by a program."""
_FILE_BYTES: Final = 1 << 20


class QueryHistory:
    """The queries that were run, each once, at most MOST_QUERIES. ``path`` is where they are kept, with mode 0600;
    None keeps them for this run alone. Queries that hold a secret are not kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._queries: list[str] = _load(path)

    @property
    def queries(self) -> Sequence[str]:
        """All of them, the newest first."""
        return self._queries

    def add(self, text: str) -> bool:
        """Remembers a query as the newest one; returns whether there is something to save."""
        text = text.strip()
        if not text or not _is_kept(text) or redact(text) != text:
            return False
        self._queries = list(dict.fromkeys([text, *self._queries]))[:MOST_QUERIES]
        return self._path is not None

    def save(self) -> None:
        """Writes the file; waits for the disk. Queries that another console has kept meanwhile stay. What cannot be
        written is kept for this run alone: nobody waits for it."""
        if self._path is None:
            return
        self._queries = list(dict.fromkeys([*self._queries, *_load(self._path)]))[:MOST_QUERIES]
        try:
            replace_file(self._path, msgspec.json.encode(self._queries))
        except OSError:
            self._path = None

    def matching(self, words: str) -> list[str]:
        """The queries that hold all of ``words``, in any case, the newest first."""
        wanted = words.lower().split()
        return [each for each in self._queries if all(word in each.lower() for word in wanted)]


class HistoryWalk:
    """The place in the history while it is walked through: the text that was being written stays at its end."""

    def __init__(self, history: QueryHistory) -> None:
        self._history = history
        self._at = -1
        self._draft = ""

    def is_draft(self, text: str) -> bool:
        """Whether ``text``, which stands in the line, is being written: no query of the history, or an edited one."""
        return self._at < 0 or self._history.queries[self._at] != text

    def older(self, text: str) -> str | None:
        """The query before the shown one, None if there is none; ``text`` is what stands in the line."""
        if self.is_draft(text):
            self._at, self._draft = -1, text
        queries, at = self._history.queries, self._at + 1
        while at < len(queries) and queries[at] == text:  # what is shown already
            at += 1
        if at >= len(queries):
            return None
        self._at = at
        return queries[at]

    def newer(self) -> str:
        """The query after the shown one, at the end the text that was being written."""
        self._at = max(-1, self._at - 1)
        return self._draft if self._at < 0 else self._history.queries[self._at]

    def restart(self) -> None:
        """Begins at the newest again."""
        self._at, self._draft = -1, ""


def history_file() -> Path | None:
    """The file of the queries; None without a state folder."""
    try:
        return paths.state_dir() / "queries.json"
    except (OSError, RuntimeError):
        return None


def _load(path: Path | None) -> list[str]:
    if path is None:
        return []
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            found = msgspec.json.decode(file.read(_FILE_BYTES), type=list[str])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return []
    return [each for each in found if _is_kept(each)][:MOST_QUERIES]


def _is_kept(text: str) -> bool:
    return 0 < len(text) <= _LONGEST and text.isprintable()
