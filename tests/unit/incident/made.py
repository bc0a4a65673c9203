"""One of each event, with texts of all kinds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import get_args

from lilfox_tui.incident.model import (
    AlertChanged,
    AlertPast,
    Called,
    Changed,
    Closed,
    Decided,
    Did,
    EvidenceKept,
    FollowUp,
    FollowUpDone,
    Graded,
    IncidentOpened,
    JobBegan,
    JobEnded,
    Marked,
    Noted,
    Noticed,
    PastEvent,
    Reopened,
    Reverted,
    RoleAssigned,
    StepBegan,
    StepEnded,
    StepSkipped,
    TookOver,
    What,
)

AT = datetime(2023, 12, 30, 2, 0, tzinfo=UTC)


def all_events(text: str = "text") -> list[What]:
    """With ``text`` wherever somebody else's text stands. The first is ``IncidentOpened``, the last ones close and
    reopen."""
    events: list[What] = [
        IncidentOpened(title=text, severity="SEV-2", cause=text),
        Noted(text=text),
        Decided(text=text),
        RoleAssigned(role=text, who=text),
        Graded(severity="SEV-1"),
        Called(contact=text, outcome=text),
        Marked(moment="detected", when=AT),
        AlertChanged(name=text, labels={"instance": text, text: "a"}, state="firing", since=AT, summary=text),
        Noticed(subject=text, kind=text, level="failing", text=text, since=AT),
        Did(text=text),
        JobBegan(job="20231230-020000-3f9a", kind="backup", title=text),
        JobEnded(job="20231230-020000-3f9a", kind="backup", state="ok", message=text),
        StepBegan(runbook=text, sha256="0" * 64, step=1, title=text, command=text, host=text, run="r1"),
        StepEnded(run="r1", state="failed", message=text, exit_status=1, output=text, output_lines=1, evidence=text),
        StepSkipped(runbook=text, step=2, title=text, reason=text),
        Changed(change="c1", text=text, undo=text),
        Reverted(change="c0", text=text),
        EvidenceKept(file="kept", sha256="0" * 64, size_bytes=0, text=text),
        FollowUp(text=text, owner=text, due=AT.date()),
        FollowUpDone(number=22, text=text),
        AlertPast(name=text, labels={"instance": text}, events=(PastEvent(AT, "told", 2.0, text, text),)),
        TookOver(before=text),
        Closed(summary=text, in_force=(text,)),
        Reopened(reason=text),
    ]
    assert {type(event) for event in events} == set(get_args(What))
    return events
