"""What somebody chose on the pages of the wizard, and the wish that it makes. No screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.i18n import Message, tr
from lilfox_tui.monitor.model import PlanView

if TYPE_CHECKING:
    from lilfox_tui.backup.plan import BackupRequest
    from lilfox_tui.backup.sets.model import BackupSet

_PLACES = {"postgresql": "database", "files": "files", "config": "app"}
"""Kind of a source → the word of a command that says where it goes to without a plan."""


class SourceChoice(Struct):
    """One source of the set: whether it is restored, and where to (its own place when empty)."""

    name: str
    kind: str
    size_bytes: int
    wanted: bool = True
    place: str = ""

    @property
    def is_database(self) -> bool:
        """Whether its parts are tables; files otherwise."""
        return self.kind == "postgresql"


class RestoreChoice(Struct):
    """Changed by the pages; ``wish()`` is made of it."""

    set: str
    status: str
    base: BackupRequest
    """About the set, as the pane made it."""
    sources: list[SourceChoice]
    planless: bool = False
    """No plan says where the parts go: each needs a place."""
    only_of: str = ""
    """The source of which one table, file or folder is restored; the whole when empty."""
    only: str = ""
    other_server: bool = False
    end_sessions: bool = False
    run_code: bool = False

    @classmethod
    def of(cls, found: BackupSet, view: PlanView, wish: BackupRequest) -> RestoreChoice:
        """Everything of a set, to where it came from."""
        sources: dict[str, SourceChoice] = {}
        for part in found.parts:
            choice = sources.setdefault(part.source, SourceChoice(part.source, part.source_kind, 0))
            choice.size_bytes += part.size_bytes
        return cls(found.id, found.status, wish, list(sources.values()), planless=view.config is None)

    @property
    def chosen(self) -> list[SourceChoice]:
        """The sources that are restored."""
        if self.only:
            return [each for each in self.sources if each.name == self.only_of]
        return [each for each in self.sources if each.wanted]

    @property
    def whole(self) -> bool:
        """Whether all of the set is restored."""
        return not self.only and all(each.wanted for each in self.sources)

    def keep_only(self, source: str, only: str) -> None:
        """One table, file or folder of one source; nothing of it for the whole."""
        self.only_of, self.only = (source, only) if only else ("", "")

    def no_what(self) -> Message | None:
        """Why what is chosen cannot be restored."""
        return None if self.chosen else tr("nothing is chosen: space chooses")

    def no_where(self) -> Message | None:
        """Why where it goes cannot be."""
        for each in self.chosen:
            if self.planless and not each.place:
                return tr("{source}: no plan says where it goes; space writes it", source=each.name)
            if each.place and not each.is_database and not each.place.startswith("/"):
                return tr("{source}: {place} is not an absolute path", source=each.name, place=each.place)
        kinds = [each.kind for each in self.chosen]
        if self.planless and len(set(kinds)) < len(kinds):
            return tr("without a plan one source of each kind is restored at a time")
        return None

    def wish(self) -> BackupRequest:
        """What was chosen, as the effects take it."""
        wish = replace(
            self.base,
            only=self.only,
            sources=() if self.whole else tuple(each.name for each in self.chosen),
            other_server=self.other_server,
            end_sessions=self.end_sessions,
            run_code=self.run_code,
        )
        places = {each.name: each.place for each in self.chosen if each.place}
        if not self.planless:
            return replace(wish, places=places)
        words = wish.words
        for each in self.chosen:
            word = _PLACES.get(each.kind, "")
            if word and each.place:
                words = replace(words, **{word: (each.place,) if word == "files" else each.place})
        return replace(wish, words=words)
