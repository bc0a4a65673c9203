"""Which runbooks there are: those of the configuration's files and folders, and those that LilFox brings."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from lilfox_tui.config.runbook_model import RunbooksConfig
from lilfox_tui.i18n import language
from lilfox_tui.runbook.document import parse, read_or_told
from lilfox_tui.runbook.model import BUNDLED, Document, Runbook

_LIBRARY = Path(__file__).parent / "library"
_SUFFIXES = (".md", ".markdown")
_AT_MOST = 2000


def catalogue(config: RunbooksConfig) -> list[Document]:
    """Every document, those of the configuration first, each once. One that cannot be read has that as its problem."""
    documents: list[Document] = []
    seen: set[str] = set()
    for named in config.folders:
        for path in files_of(Path(named)):
            real = os.path.realpath(path)
            if real not in seen:
                seen.add(real)
                documents.append(read_or_told(path))
    if config.bundled:
        documents += bundled()
    return documents


def bundled() -> list[Document]:
    """Those that LilFox brings, in the language in force."""
    folder = _LIBRARY / ("zh" if language().startswith("zh") else "en")
    return [parse(path.read_bytes(), BUNDLED + path.name) for path in sorted(folder.glob("*.md"))]


def ordered(runbooks: Sequence[Runbook], firing: Sequence[str]) -> list[Runbook]:
    """Those first that say that they are for an alert which fires, by the order of ``firing`` (the worst first); all
    others stay as they stand."""
    places = {name: place for place, name in reversed(list(enumerate(firing)))}

    def place(runbook: Runbook) -> int:
        return min((places[name] for name in runbook.on_alert if name in places), default=len(places) + 1)

    return sorted(runbooks, key=place)


def files_of(path: Path) -> Iterator[Path]:
    """The Markdown files of a folder and of those in it, by name; a file as it is. Hidden ones and links to folders
    are passed over."""
    if not path.is_dir():
        yield path
        return
    found = 0
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.lower().endswith(_SUFFIXES) and not name.startswith("."):
                found += 1
                if found > _AT_MOST:
                    return
                yield Path(folder) / name
