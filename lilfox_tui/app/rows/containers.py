"""Which containers the Metrics pane lists, and which one a row, a page or an alert is about. Pure; imports nothing that
the first frame does not need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from msgspec import Struct

from lilfox_tui.core.i18n import _
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import FindingView, Overview

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Alert
    from lilfox_tui.containers.model import ContainerView, EngineView

Subject = tuple[str, str]
CONTAINER, PROJECT, ENGINE = "container", "containers", "engine"
"""The kinds of rows: ``("container", "HOST/ID")``, several of a host or of a Compose project (``"HOST/PROJECT"``, the
project empty for those without one), and an engine that does not answer (``"HOST/PLACE"``)."""
KINDS = (CONTAINER, PROJECT, ENGINE)


class EngineContainer(NamedTuple):
    """A container, and the engine that runs it."""

    engine: EngineView
    view: ContainerView


class ContainerGroup(Struct, frozen=True):
    """The containers of a Compose project on a host, or those of a host without one; worst first."""

    host: str
    project: str
    views: tuple[ContainerView, ...]
    alone: bool = False
    """Whether there is no other group on its host."""

    @property
    def subject(self) -> Subject:
        """Its row."""
        return PROJECT, f"{self.host}/{self.project}"

    @property
    def level(self) -> Level:
        """The worst level of its containers."""
        return max(each.level for each in self.views)

    @property
    def name(self) -> str:
        """The project; of those without one, that they are the others, or all of a host."""
        return self.project or (self.host if self.alone else _("other containers"))

    @property
    def running(self) -> int:
        """How many run."""
        return sum(each.container.running for each in self.views)


Entry: TypeAlias = "ContainerView | ContainerGroup | EngineView"


def subject_of(view: ContainerView) -> Subject:
    """The subject of a container's row and page."""
    return CONTAINER, f"{view.host}/{view.container.short_id}"


def all_found(overview: Overview | None, hosts: Iterable[str] | None = None) -> Iterator[EngineContainer]:
    """The containers of all hosts, or of ``hosts``."""
    known: Mapping[str, Sequence[EngineView]] = {} if overview is None else overview.containers
    for name in known if hosts is None else hosts:
        for engine in known.get(name, ()):
            yield from (EngineContainer(engine, view) for view in engine.containers)


def find(overview: Overview | None, subject: Subject | None) -> EngineContainer | None:
    """The container that a row or a page is about; None if it is about something else, or the container is gone."""
    if subject is None or subject[0] != CONTAINER:
        return None
    host, _slash, short_id = subject[1].partition("/")
    return next((each for each in all_found(overview, (host,)) if each.view.container.short_id == short_id), None)


def successor(overview: Overview | None, gone: EngineContainer) -> EngineContainer | None:
    """The container that has the name of one that is gone, as after ``compose up``."""
    engine, view = gone
    return next(
        (
            each
            for each in all_found(overview, (view.host,))
            if each.engine.place == engine.place and each.view.container.name == view.container.name
        ),
        None,
    )


def of_alert(overview: Overview | None, alert: Alert | None) -> EngineContainer | None:
    """The container that the labels of an alert name: by its id, else by its name on that host."""
    if alert is None:
        return None
    host, id_, name = alert.label("host"), alert.label("id"), alert.label("name")
    if not host or not (id_ or name):
        return None
    found = list(all_found(overview, (host,)))
    by_id = (each for each in found if id_ and each.view.container.id == id_)
    by_name = (each for each in found if name and each.view.container.name == name)
    return next(by_id, None) or next(by_name, None)


def members(overview: Overview | None, subject: Subject | None) -> list[EngineContainer]:
    """The containers that a row stands for: those of a project or a host, or of a host's row; else all. Worst first."""
    kind, name = subject or ("", "")
    host, _slash, rest = name.partition("/")
    hosts = None if kind not in ("host", *KINDS) else (name if kind == "host" else host,)
    found = [
        each
        for each in all_found(overview, hosts)
        if (kind != PROJECT or each.view.container.project == rest) and (kind != ENGINE or each.engine.place == rest)
    ]
    return sorted(found, key=lambda each: (-each.view.level, each.view.host, each.view.container.name))


def leads_on(overview: Overview | None, page: Subject, found: EngineContainer | None) -> bool:
    """Whether a page leads to containers: that of their host, or that of an alert about one, which is ``found``."""
    return bool(members(overview, page)) if page[0] == "host" else page[0] in ("alert", "rule") and found is not None


def findings_on(findings: Iterable[FindingView], view: ContainerView) -> list[FindingView]:
    """The findings of the audit about a container: what they were found on has its name."""
    name = view.container.name
    return [each for each in findings if name and name in each.subject.replace(":", " ").replace(",", " ").split()]


def _words_of(entry: Entry) -> str:
    """The text in which a filter searches for words."""
    if isinstance(entry, ContainerGroup):
        return " ".join((entry.name, entry.host, *map(_words_of, entry.views))).lower()
    if (container := getattr(entry, "container", None)) is None:
        return " ".join((entry.host, getattr(entry, "place", ""), *map(str, entry.reasons))).lower()
    about = (container.name, container.project, container.service, container.image, container.state, container.health)
    return " ".join((*about, entry.host, container.short_id, *map(str, getattr(entry, "reasons", ())))).lower()


def _holds(entry: Entry, words: Sequence[str]) -> bool:
    text = _words_of(entry)
    return all(word in text for word in words)


class ContainerRows:
    """The rows of containers on the home screen, worst first: engines that do not answer, then each project as one row
    and below it those of its containers that are not well. A filter lists the containers themselves."""

    def __init__(self) -> None:
        self._listed: Mapping[Subject, Entry] = {}
        self._listed_of: tuple[Overview, str] | None = None

    def listed(self, overview: Overview, words: str) -> Mapping[Subject, Entry]:
        """What the rows are about, in their order; the same object while nothing changes."""
        if self._listed_of is None or self._listed_of[0] is not overview or self._listed_of[1] != words:
            self._listed = _entries(overview, words.lower().split())
            self._listed_of = overview, words
        return self._listed

    def entry(self, overview: Overview, subject: Subject, words: str) -> Entry | None:
        """What a row is about; also one of a container that is part of another row."""
        found = self.listed(overview, words).get(subject)
        if found is None and (container := find(overview, subject)) is not None:
            return container.view
        return found

    def matches(self, overview: Overview, subject: Subject, words: str, shown: str) -> bool:
        """Whether a row holds every one of ``words``; ``shown`` are those that the rows are listed by."""
        entry = self.entry(overview, subject, shown)
        return entry is not None and _holds(entry, words.lower().split())


def _entries(overview: Overview, words: Sequence[str]) -> dict[Subject, Entry]:
    found: dict[Subject, Entry] = {}
    engines = [each for engines in overview.containers.values() for each in engines]
    for engine in engines:
        if engine.error is not None and engine.level > Level.UNKNOWN and _holds(engine, words):
            found[ENGINE, f"{engine.host}/{engine.place}"] = engine
    if words:
        shown = (each for each in members(overview, None) if _holds(each.view, words))
        return found | {subject_of(each.view): each.view for each in shown}
    for group in sorted(groups_of(overview), key=lambda each: (-each.level, each.host, not each.project, each.project)):
        if len(group.views) == 1:
            found[subject_of(group.views[0])] = group.views[0]
            continue
        found[group.subject] = group
        found |= {subject_of(each): each for each in group.views if each.level > Level.UNKNOWN}
    return found


def groups_of(overview: Overview) -> list[ContainerGroup]:
    """The containers of all hosts by their host and project."""
    views: dict[tuple[str, str], list[ContainerView]] = {}
    for each in members(overview, None):
        views.setdefault((each.view.host, each.view.container.project), []).append(each.view)
    hosts = [host for host, _project in views]
    return [
        ContainerGroup(host, project, tuple(those), hosts.count(host) == 1) for (host, project), those in views.items()
    ]
