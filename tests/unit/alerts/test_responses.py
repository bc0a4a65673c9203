"""Silences that are ended by a part of their id, how long they may last, and who evaluates."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from lilfox_tui.alerts.model import Acknowledgement, AlertState, Event, Silence
from lilfox_tui.alerts.silences import (
    LONGEST_SILENCE,
    acknowledge,
    annotated,
    expire,
    expire_resolved,
    parse_matchers,
    silence,
    unacknowledge,
)
from lilfox_tui.alerts.storage import AlertDatabase, AlertStorage, EvaluationLock
from lilfox_tui.core.errors import UsageError
from lilfox_tui.incident.incidents import entries, open_incident, read_incident
from lilfox_tui.incident.model import Changed, NoSuchIncident, find
from tests.unit.alerts.made import T0, alert, at

SLOW = parse_matchers("alertname=Slow")


def test_a_part_of_an_id_must_be_that_of_one_silence() -> None:
    saved = AlertStorage(AlertDatabase(None))
    made = silence(saved, SLOW, 60.0, "kim", "", T0)
    for name in ("ab-1", "ab-2"):
        saved.keep_silence(replace(made, id=name), Event(T0, "silenced", ()))
    with pytest.raises(UsageError, match="2 silences have an ID that begins with ab"):
        expire(saved, "ab", "kim", T0)
    assert expire(saved, "ab-2", "kim", at(1)).ends_at == at(1)
    with pytest.raises(UsageError, match="no unexpired silence"):
        expire(saved, "ab-2", "kim", at(2))
    assert expire(saved, "ab", "kim", at(2)).id == "ab-1"


@pytest.mark.parametrize("for_s", [0.0, -1.0, LONGEST_SILENCE.total_seconds() + 1])
def test_a_silence_lasts_for_a_while_and_not_for_ever(for_s: float) -> None:
    with pytest.raises(UsageError, match="at most a year"):
        silence(AlertStorage(AlertDatabase(None)), SLOW, for_s, "kim", "", T0)


def test_what_is_over_shows_neither_who_had_seen_it_nor_a_silence_that_has_ended() -> None:
    kim = Acknowledgement("kim", T0)
    over, goes_on = alert("Slow", AlertState.RESOLVED), alert("Down")
    quiet = Silence("s", SLOW, T0, at(60), "kim")
    shown = annotated([over, goes_on], {over.labels: kim, goes_on.labels: kim}, [quiet], at(30), {})
    assert [(one.name, one.acknowledged, one.silenced_by) for one in shown] == [
        ("Down", kim, ()),
        ("Slow", None, ("s",)),
    ]
    assert annotated([over], {}, [quiet], at(60), {}) == (over,)


def test_whoever_looks_whether_somebody_evaluates_holds_up_nobody(tmp_path: Path) -> None:
    looks, evaluates = EvaluationLock(tmp_path), EvaluationLock(tmp_path)
    assert not looks.is_held(), "there is no lock yet"
    assert evaluates.take()
    assert looks.is_held()
    evaluates.release()
    assert not looks.is_held()
    assert evaluates.take(), "the look has let go"
    evaluates.release()


def test_what_people_do_is_in_the_timeline_of_the_incident_that_is_open(
    own_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lilfox_tui.core.paths._SYSTEM", str(own_folders / "system"))
    saved = AlertStorage(AlertDatabase(None))
    open_incident("slow")
    acknowledge(saved, alert(), "kim", "mine", T0)
    unacknowledge(saved, alert(), "kim", T0)
    made = silence(saved, SLOW, 60.0, "kim", "noise", T0)
    assert list(read_incident(find("INC-1")).in_force) == [f"silence {made.id}"]
    expire(saved, made.id, "kim", at(1))
    assert read_incident(find("INC-1")).in_force == {}
    again = silence(saved, SLOW, None, "kim", "", T0)
    assert expire_resolved(saved, [again], [], at(2))
    assert read_incident(find("INC-1")).in_force == {}
    assert [type(entry.what).__name__ for entry in entries("INC-1")] == [
        "IncidentOpened", "AlertChanged", "Did", "Changed", "Reverted", "Changed", "Reverted",
    ]  # fmt: skip
    changes = [entry.what.text for entry in entries("INC-1") if isinstance(entry.what, Changed)]
    assert [text.partition(":")[0] for text in changes] == ["silenced", "silenced until resolved"]


def test_what_cannot_be_recorded_is_not_done(own_folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lilfox_tui.core.paths._SYSTEM", str(own_folders / "system"))
    monkeypatch.setenv("LILFOX_INCIDENT", "INC-9")
    saved = AlertStorage(AlertDatabase(None))
    with pytest.raises(NoSuchIncident):
        silence(saved, SLOW, 60.0, "kim", "", T0)
    assert list(saved.silences()) == []
