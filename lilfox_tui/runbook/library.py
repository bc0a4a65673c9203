"""The library of runbooks: the available files, and which of them still need a first-run approval."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import Struct

from lilfox_tui.config.model import RunbooksConfig
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.files import NotTrusted, is_ours, locked, replace_file, why_not
from lilfox_tui.core.i18n import Message, language, listed, ngettext, tr
from lilfox_tui.core.paths import own_folder
from lilfox_tui.runbook.model import BUNDLED, Document, Kind, Runbook
from lilfox_tui.runbook.parse.document import parse, read, read_or_told, slug

# Which runbooks there are: those of the configuration's files and folders, and those that LilFox brings.


_LIBRARY = Path(__file__).parent / "library"
_SUFFIXES = (".md", ".markdown")
_AT_MOST = 2000


def catalogue(config: RunbooksConfig) -> list[Document]:
    """Return every document once, those of the configuration first. An unreadable one has its error as its problem."""
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
    """Return the bundled documents in the current language."""
    folder = _LIBRARY / ("zh" if language().startswith("zh") else "en")
    return [parse(path.read_bytes(), BUNDLED + path.name) for path in sorted(folder.glob("*.md"))]


def ordered(runbooks: Sequence[Runbook], firing: Sequence[str]) -> list[Runbook]:
    """Return runbooks for a firing alert first, in the order of ``firing`` (worst first); the others keep their
    order."""
    places = {name: place for place, name in reversed(list(enumerate(firing)))}

    def place(runbook: Runbook) -> int:
        return min((places[name] for name in runbook.alerts if name in places), default=len(places) + 1)

    return sorted(runbooks, key=place)


# An alert's runbook_url, and the file on this machine that is the same page.


_PAGES = frozenset({"index", "_index", "readme"})
"""Files that are the page of their folder."""


def local_copies(url: str, documents: Sequence[Document]) -> list[Runbook]:
    """Return the runbooks of the file that is a local copy of ``url``: as many last segments of its path as possible
    are the file's, and at least the last one. Where several files have as many, all of theirs. A fragment
    (``#kubepodcrashlooping``) chooses one of a file."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return []
    wanted = _segments(unquote(parts.path))
    found: dict[int, list[Document]] = {}
    for document in documents:
        alike = _alike(wanted, _segments(document.path))
        if alike and document.runbooks:
            found.setdefault(alike, []).append(document)
    runbooks = [runbook for document in found[max(found)] for runbook in document.runbooks] if found else []
    fragment = unquote(parts.fragment).lower()
    named = [each for each in runbooks if fragment and fragment in (slug(each.title), each.id)]
    return named or runbooks


def _segments(path: str) -> list[str]:
    """Return the segments of a page's path, without its suffix and a name that only says it is a folder's page."""
    found = [each.lower() for each in path.split("/") if each]
    if found:
        stem, dot, suffix = found[-1].rpartition(".")
        found[-1] = stem if dot and suffix in ("md", "markdown", "html") else found[-1]
    return found[:-1] if found and found[-1] in _PAGES else found


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many last segments are the same."""
    count = 0
    for left, right in zip(reversed(one), reversed(other), strict=False):
        if left != right:
            break
        count += 1
    return count


def files_of(path: Path) -> Iterator[Path]:
    """Yield the Markdown files of a folder and its subfolders, by name; a file is yielded as it is. Skips hidden files
    and symbolic links to folders."""
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


def stamps(folders: tuple[str, ...]) -> Iterator[tuple[str, int, int]]:
    """Yield path, size and modification time of every file."""
    for folder in folders:
        for path in files_of(Path(folder)):
            with suppress(OSError):
                about = path.stat()
                yield str(path), about.st_size, about.st_mtime_ns


# Files of runbooks that nobody chose for this machine: the first run of one is asked.
#
# Chosen are those that LilFox brings, and those in the files and folders that the configuration names, where nobody
# else can have written them. Any other one, as of a repository that was just fetched, is remembered once somebody has
# allowed it: by the digest of its bytes, so that another text is asked again.


_NAME = "allowed.json"
_MOST_TEXTS, _MOST_FILES = 20, 1000
"""So many texts of a file are remembered, and so many files: those that were allowed last."""
_MOST_BYTES = 8 << 20
_Texts = dict[str, tuple[str, ...]]
"""Path of a file → digests of its texts that were allowed, the newest last."""


class FirstRun(Struct, frozen=True, kw_only=True):
    """The approval that is needed before anything in a file runs, including commands that only read."""

    path: str
    """Of the file, without links."""
    sha256: str
    changed: bool
    """Another text of it was allowed before."""
    commands: dict[Kind, int]
    """How many there are of each kind, in the whole file."""
    others: NotTrusted | None = None
    """Where others decide what is in the file: only a person who has seen the question says yes to it."""

    @property
    def question(self) -> Message:
        """The question in a sentence."""
        if self.others is not None:
            return tr("{why} (sha256 {sha256}…); its commands: {commands}", why=self.others.message,
                      sha256=self.sha256[:12], commands=_counted(self.commands))  # fmt: skip
        told = {"path": self.path, "sha256": self.sha256[:12], "commands": _counted(self.commands)}
        if self.changed:
            return tr("{path} has changed since it was approved (sha256 {sha256}…); its commands: {commands}", **told)
        return tr("first run of {path} here (sha256 {sha256}…); its commands: {commands}", **told)


class NotAllowedYet(LilFoxError):
    """Nobody has approved the runbook's file here."""

    exit_code = 2


def first_run(runbook: Runbook, config: RunbooksConfig) -> FirstRun | None:
    """Return the approval needed before ``runbook`` is run; None if none is. Blocks."""
    if runbook.path.startswith(BUNDLED):
        return None
    path = os.path.realpath(runbook.path)
    known = _known().get(path, ())
    others = why_not(Path(runbook.path))
    if runbook.sha256 in known or (others is None and _is_configured(path, config)):
        return None
    return FirstRun(path=path, sha256=runbook.sha256, changed=bool(known), commands=_commands(runbook), others=others)


def allow(first: FirstRun) -> None:
    """Record the approval, so that this text of the file needs no other. Blocks. Raises LilFoxError if it cannot be
    saved."""
    try:
        path = own_folder("runbooks") / _NAME
        with locked(path):
            known = _known()
            texts = known.pop(first.path, ())
            known[first.path] = (*(each for each in texts if each != first.sha256), first.sha256)[-_MOST_TEXTS:]
            replace_file(path, msgspec.json.encode(dict(list(known.items())[-_MOST_FILES:])))
    except OSError as error:
        raise LilFoxError(
            tr(
                "cannot save the approval of {path}: {reason}",
                path=first.path,
                reason=error.strerror or error,
            )
        ) from None


def refuse_first_run(runbook: Runbook, config: RunbooksConfig) -> None:
    """Raise NotAllowedYet if an approval is needed first. Blocks."""
    if (first := first_run(runbook, config)) is not None:
        raise NotAllowedYet(
            first.question,
            first.others.hint
            if first.others is not None
            else tr("review it with lilfox runbook show {path}, then add --yes; or run it in a terminal, where "
                    "LilFox asks first",
               path=first.path),
        )  # fmt: skip


def _known() -> _Texts:
    """Return the approvals; none if the file is unreadable, so that all are asked for again."""
    try:
        with (own_folder("runbooks") / _NAME).open("rb") as file:
            return msgspec.json.decode(file.read(_MOST_BYTES), type=_Texts)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return {}


def _is_configured(path: str, config: RunbooksConfig) -> bool:
    """Whether the configuration lists the file, by a path that nobody else controls."""
    listed_there = (each for folder in config.folders for each in files_of(Path(folder)))
    return any(os.path.realpath(each) == path and is_ours(each) for each in listed_there)


def _commands(runbook: Runbook) -> dict[Kind, int]:
    """Count the commands of the whole file by kind, because the approval covers all of it; those of the runbook alone
    if the file's text has changed."""
    runbooks: Iterable[Runbook] = (runbook,)
    try:
        document = read(Path(runbook.path))
    except LilFoxError:
        pass
    else:
        runbooks = document.runbooks if document.sha256 == runbook.sha256 else runbooks
    found = Counter(command.kind for each in runbooks for step in each.steps for command in step.commands)
    return {kind: found[kind] for kind in ("read", "change", "follow", "interactive") if found[kind]}


def _counted(commands: dict[Kind, int]) -> str:
    words = {
        "read": ngettext("{count} read-only", "{count} read-only", commands.get("read", 0)),
        "change": ngettext("{count} makes changes", "{count} make changes", commands.get("change", 0)),
        "follow": ngettext("{count} follows output", "{count} follow output", commands.get("follow", 0)),
        "interactive": ngettext("{count} needs a terminal", "{count} need a terminal", commands.get("interactive", 0)),
    }
    return listed(words[kind] for kind in commands) or "-"
