"""What an incident keeps beyond its end: an alert's history from before it, follow-ups, and the trace of one that was
removed."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest

from lilfox_tui.core.errors import UsageError
from lilfox_tui.incident import incidents as book
from lilfox_tui.incident.export import export_markdown, verify
from lilfox_tui.incident.model import AlertChanged, AlertPast, Changed, FollowUp, PastEvent, find
from lilfox_tui.incident.reducer import event_text
from tests.unit.incident.made import AT


def section(text: str, title: str) -> list[str]:
    return text.partition(f"## {title}\n\n")[2].partition("\n\n## ")[0].strip().splitlines()


def test_what_happened_before_the_opening_is_a_section_of_its_own(incidents: Path) -> None:
    made = book.open_incident("web", cause="HighErrorRate: web")
    assert "Before the incident" not in export_markdown(made.id, "en")
    events = (
        PastEvent(AT, "fired"),
        PastEvent(AT + timedelta(minutes=4), "acknowledged", None, "ann@a", "looking *at* it"),
        PastEvent(AT + timedelta(minutes=9), "resolved", 540.0),
        PastEvent(AT + timedelta(hours=1), "told", None, "chat"),
    )
    book.append(made.id, AlertPast(name="HighErrorRate", labels={"service": "web"}, events=events))

    text = export_markdown(made.id, "en")

    assert section(text, "Before the incident (UTC)") == [
        "- **2023-12-30 02:00:00** HighErrorRate: fired",
        "- **2023-12-30 02:04:00** HighErrorRate: acknowledged (ann@a): looking \\*at\\* it",
        "- **2023-12-30 02:09:00** HighErrorRate: resolved after 9 min",
        "- **2023-12-30 03:00:00** HighErrorRate: notified (chat)",
    ]
    assert len(section(text, "Timeline (UTC)")) == 1, "it is told once"


def test_follow_ups_have_an_owner_and_a_day_and_are_ticked_off(incidents: Path) -> None:
    made = book.open_incident("web")
    folder = find(made.id)
    first = book.append(made.id, book.follow_up(folder, "raise the <limit>", "ann", date(2026, 12, 9), done=None))
    book.append(made.id, book.follow_up(folder, "write a test", "", None, done=None))
    with pytest.raises(UsageError, match="needs a text"):
        book.follow_up(folder, "", "ann", None, done=None)
    with pytest.raises(UsageError, match="entry 1 is no follow-up"):
        book.follow_up(folder, "", "", None, done=1)

    assert section(export_markdown(made.id, "en"), "Action items") == [
        "- [ ] raise the &lt;limit&gt; (owner: ann; due 2026-12-09)",
        "- [ ] write a test (owner: -; due -)",
        "- [ ] to be filled in",
    ]
    book.append(made.id, book.follow_up(folder, "it is 2 GiB now", "", None, done=first.number))
    assert section(export_markdown(made.id, "en"), "Action items")[0] == (
        "- [x] raise the &lt;limit&gt; (owner: ann; due 2026-12-09; done: it is 2 GiB now)"
    )
    said = event_text(FollowUp(text="raise it", owner="ann", due=date(2026, 12, 9)))
    assert said == "follow-up: raise it (owner: ann; due 2026-12-09)"


def test_what_ended_the_incident_is_not_to_be_taken_back(incidents: Path) -> None:
    """Not even where the runbook could; a change after it, or before it, is still to be decided."""
    made = book.open_incident("web", cause="HighErrorRate")
    alert = AlertChanged(name="HighErrorRate", labels={}, state="firing", since=made.opened)
    book.append(made.id, alert)
    book.append(made.id, Changed(change="1", text="banned 192.0.2.7", undo="unban it"))
    healed = book.append(made.id, Changed(change="2", text="web: heal web", undo="undo-heal web"))
    over = AlertChanged(name="HighErrorRate", labels={}, state="resolved", since=healed.at)
    book.append(made.id, over)
    book.append(made.id, Changed(change="3", text="stopped nginx"))

    text = export_markdown(made.id, "en")

    assert section(text, "Action items") == [
        "- [ ] undo, or decide to keep: banned 192.0.2.7",
        "- [ ] undo, or decide to keep: stopped nginx",
        "- [ ] to be filled in",
    ]
    assert "- web: heal web. To undo: `undo-heal web`" in section(text, "Changes still in force")
    assert f"| mitigated | {healed.at:%Y-%m-%d %H:%M:%S} |" in text


def test_a_removed_incident_leaves_a_trace_and_its_number_is_not_given_again(incidents: Path) -> None:
    first, second, third = (book.open_incident(title) for title in ("one", "two", "three"))
    assert book.removed_incidents() == []
    assert verify(third.id).notes == ()

    shutil.rmtree(third.folder)
    fourth = book.open_incident("four")

    assert [each.id for each in (first, second, third, fourth)] == ["INC-1", "INC-2", "INC-3", "INC-4"]
    assert [name for name, _opened in book.removed_incidents()] == ["INC-3"]
    assert [str(note) for note in verify(fourth.id).notes] == ["INC-3, the incident before it, was removed"]

    (incidents / ".register").unlink()
    assert [str(note) for note in verify(fourth.id).notes] == ["INC-3, the incident before it, was removed"]
    assert verify(second.id).notes == ()


def test_an_incident_whose_beginning_was_replaced_is_noticed_by_the_next_one(incidents: Path) -> None:
    first, second = book.open_incident("one"), book.open_incident("two")
    timeline = Path(first.folder) / "timeline.jsonl"
    timeline.write_text(timeline.read_text().replace('"one"', '"won"'))

    assert [str(note) for note in verify(second.id).notes] == [
        "INC-1, the incident before it, has another first entry now"
    ]


def test_a_line_that_was_half_written_does_not_spoil_the_register(incidents: Path) -> None:
    book.open_incident("one")
    with (incidents / ".register").open("ab") as register:
        register.write(b'\n{"number":7,"at"')

    assert book.open_incident("two").id == "INC-2"
    assert [each.number for each in book.read_register(incidents)] == [1, 2]
