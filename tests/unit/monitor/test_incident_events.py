"""What hosts and services go through while an incident is open is in its timeline, once, whoever watches."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lilfox_tui.core.i18n import tr
from lilfox_tui.incident import incidents as book
from lilfox_tui.incident.incidents import close, entries, open_incident
from lilfox_tui.incident.model import Noticed, NotRecorded
from lilfox_tui.incident.reducer import event_text
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import StatusChange
from lilfox_tui.monitor.watchers.incident import IncidentWatch


@pytest.fixture(autouse=True)
def _own_incidents(own_folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lilfox_tui.core.paths._SYSTEM", str(own_folders / "system"))
    monkeypatch.delenv("LILFOX_INCIDENT", raising=False)


class Watcher:
    """One LilFox, and what it has noticed."""

    def __init__(self, late_s: float = 0.0) -> None:
        self.changes: list[StatusChange] = []
        self.late = timedelta(seconds=late_s)
        self.watch = IncidentWatch(lambda: None, lambda: self.changes, lambda: None)

    def look(self, *kinds: str, subject: str = "host/web-1") -> None:
        """Notices these, and looks as often as it takes until all is read again."""
        for kind in kinds:
            self.changes.append(change(kind, subject, self.late))
        for _time in range(3):
            self.watch.look(self.changes)


def change(kind: str, subject: str, late: timedelta = timedelta()) -> StatusChange:
    """``lost``, ``back``, ``restarted``, ``unit nginx bad``, ``failing``, ``degraded``, ``good``; the reason is another
    one each time."""
    at = datetime.now(UTC) + late
    reason = tr("{kind}: {at}", kind=kind, at=at)
    if kind.startswith("unit"):
        level = Level.GOOD if kind.endswith("good") else Level.DEGRADED
        return StatusChange(at, subject, reason, level, kind.rpartition(" ")[0])
    levels = {"failing": Level.FAILING, "degraded": Level.DEGRADED, "good": Level.GOOD, "lost": Level.FAILING}
    return StatusChange(
        at, subject, reason, levels.get(kind, Level.UNKNOWN), "level" if kind in levels and kind != "lost" else kind
    )


def told(incident: str) -> Sequence[str]:
    """What the timeline says, by the words before the reason."""
    found = [each.what for each in entries(incident) if isinstance(each.what, Noticed)]
    return [event_text(what).split(":")[1].strip() for what in found]


def test_it_is_told_once_however_many_watch_and_when_they_notice_it() -> None:
    incident = open_incident("errors").id
    one, other = Watcher(), Watcher(late_s=20)
    for watcher in (one, other):
        watcher.look()
    for kind in ("lost", "back", "restarted", "unit nginx bad", "unit nginx good"):
        one.look(kind)
        other.look(kind)
    assert told(incident) == ["lost", "back", "restarted", "unit nginx bad", "unit nginx good"]
    assert all(each.by == "lilfox" for each in entries(incident)[1:])


def test_what_went_and_came_back_twice_is_told_twice_also_by_one_who_sees_it_later() -> None:
    incident = open_incident("errors").id
    one, other = Watcher(), Watcher(late_s=5)
    other.look()
    one.look("lost", "back", "lost", "back")
    other.look("lost", "back", "lost", "back")
    assert told(incident) == ["lost", "back", "lost", "back"]
    other.look("lost")
    one.look("lost")
    assert told(incident) == ["lost", "back", "lost", "back", "lost"]


def test_one_who_begins_to_watch_later_does_not_tell_again_what_is_so() -> None:
    incident = open_incident("errors").id
    Watcher().look("lost")
    late = Watcher(late_s=3600)
    late.look("lost")
    late.look("failing", subject="service/backend")
    Watcher(late_s=7200).look("failing", subject="service/backend")
    assert told(incident) == ["lost", "failing"]


def test_a_service_tells_each_level_and_a_host_only_that_it_fails() -> None:
    incident = open_incident("errors").id
    watcher = Watcher()
    watcher.look("degraded", "failing", "good", subject="service/backend")
    watcher.look("degraded", "good", "failing", "degraded", "good", subject="host/web-1")
    watcher.look("failing", subject="plan/nightly")
    watcher.look("interface veth1", "mount /run/x", "disk sdb")
    assert told(incident) == ["degraded", "failing", "good", "failing", "degraded"]


def test_what_was_before_it_was_opened_or_after_its_end_is_none_of_it() -> None:
    watcher = Watcher()
    watcher.look("lost")
    first = open_incident("errors")
    watcher.look("back")
    close(Path(first.folder), "a restart helped")
    watcher.look("lost")
    second = open_incident("again").id
    watcher.look("back")
    assert (told(first.id), told(second)) == (["back"], ["back"])


def test_what_could_not_be_written_is_written_later(monkeypatch: pytest.MonkeyPatch) -> None:
    incident = open_incident("errors").id
    watcher = Watcher()
    watcher.look()
    with monkeypatch.context() as patched:

        def full(*_args: object, **_named: object) -> None:
            raise NotRecorded(tr("the disk is full"))

        patched.setattr(book, "append_in", full)
        with pytest.raises(NotRecorded):
            watcher.look("lost")
    watcher.look()
    assert told(incident) == ["lost"]
