"""What facts add up to."""

from __future__ import annotations

import time
from collections.abc import Iterable

import msgspec
import pytest
from msgspec.structs import replace

from lilfox_tui.jobs.model import Event, JobFact
from lilfox_tui.runbook.model import Runbook
from lilfox_tui.runbook.run.dispatcher import outcome_of
from lilfox_tui.runbook.run.persistence import command_moves
from lilfox_tui.runbook.run.protocol import (
    CommandSkipped,
    ConnectionLost,
    DoneByHand,
    EndState,
    OutputProgress,
    RunbookReloaded,
    RunFact,
    RunResumed,
    ValuesSet,
    decode_facts,
    encode_fact,
)
from lilfox_tui.runbook.run.reducer import RunReducer
from lilfox_tui.runbook.run.state import EACH, RunState, Turn, WaitingFor, turns
from tests.unit.runbook.made import AT, began, command, ended, opened, runbook

HERE: dict[str, tuple[str, ...]] = {"local": ("here",)}


def reduce_facts(book: Runbook, facts: Iterable[RunFact]) -> RunState:
    reducer = RunReducer(book)
    reducer.take(facts)
    return reducer.state()


LOOK = command("uptime")
CHANGE = command("systemctl restart app", "change", name="restart")
BACK = command("systemctl stop app", "change", rollback_of="restart")
CHECK = command("curl -f localhost", check=True)


def test_it_waits_for_each_thing_in_its_turn() -> None:
    book = runbook((LOOK, CHANGE), (), (command("htop", "interactive"),), (command("ping <who>"),))
    reducer = RunReducer(book)
    reducer.take([opened(HERE)])
    assert (reducer.waiting().what, reducer.waiting().turn) == ("order", Turn(0, 0, ("here",)))
    reducer.take([began("1", 0, 0, kind="read")])
    assert reducer.waiting().what == "nothing"
    reducer.take([ended("1")])
    assert (reducer.waiting().what, reducer.waiting().turn) == ("confirm", Turn(0, 1, ("here",)))
    reducer.take([began("2", 0, 1), ended("2")])
    assert reducer.waiting().what == "hand"
    reducer.take([DoneByHand(at=AT, step=1, by="fox@den")])
    assert reducer.waiting().what == "terminal"
    reducer.take([CommandSkipped(at=AT, step=2, command=0, reason="no", by="fox@den")])
    assert (reducer.waiting().what, reducer.waiting().names) == ("value", ("who",))
    reducer.take([ValuesSet(at=AT, values={}, secret=("who",)), began("3", 3, 0, kind="read"), ended("3")])
    state = reducer.state()
    assert state.waiting.what == "end"
    assert [step.state for step in state.steps] == ["done", "done", "skipped", "done"]
    assert (state.secrets, state.values) == (frozenset({"who"}), {})
    assert [change.run for change in state.changes] == ["2"]


def test_a_step_of_which_no_run_starts_anything_is_done_by_hand() -> None:
    never, shown = command("reboot", "change", exclude_from_run_all=True), command("print()", "none")
    book = runbook((never, shown, BACK), (never, CHANGE), (BACK,), (LOOK,))
    assert [(turn.step, turn.command) for turn in turns(book, HERE, {})] == [(0, None), (1, 1), (3, 0)]
    facts: list[RunFact] = [opened(HERE)]
    assert reduce_facts(book, facts).waiting.what == "hand"
    state = reduce_facts(book, [*facts, DoneByHand(at=AT, step=0, by="fox@den")])
    assert (state.waiting.what, state.steps[0].state) == ("confirm", "done")


@pytest.mark.parametrize("state", ["failed", "unknown", "not begun"])
def test_what_did_not_work_asks_for_a_decision_and_a_retry_that_works_is_done(state: EndState) -> None:
    reducer = RunReducer(runbook((CHANGE,)))
    reducer.take([opened(HERE), began("1", 0, 0), ended("1", state, "why")])
    assert reducer.waiting().what == "decision"
    assert reducer.state().steps[0].state == ("unknown" if state == "unknown" else "failed")
    reducer.take([began("2", 0, 0), ended("2")])
    done = reducer.state().steps[0].commands[0].results
    assert [(each.run, each.state, each.attempts) for each in done] == [("2", "done", 2)]
    assert reducer.result("1") is None


def test_a_read_that_failed_is_none_of_its_step_where_a_check_comes_and_a_change_is() -> None:
    facts: list[RunFact] = [opened(HERE), began("1", 0, 0, kind="read"), ended("1", "failed")]
    checked = reduce_facts(runbook((LOOK, CHANGE, CHECK)), facts)
    assert (checked.waiting.what, checked.steps[0].state) == ("confirm", "ready")
    assert reduce_facts(runbook((LOOK, CHANGE)), facts).waiting.what == "decision"
    changed: list[RunFact] = [opened(HERE), began("1", 0, 0), ended("1", "failed")]
    assert reduce_facts(runbook((CHANGE, CHECK)), changed).waiting.what == "decision"


def test_hosts_are_told_apart_and_some_of_them_are_not_all() -> None:
    book = runbook((command("true", "change", host="web*"),))
    hosts: dict[str, tuple[str, ...]] = {"web*": ("web1", "web2")}
    facts: list[RunFact] = [opened(hosts), began("1", 0, 0, "web1"), ended("1")]
    assert reduce_facts(book, facts).steps[0].state == "ready"
    facts += [
        began("2", 0, 0, "web2"),
        ConnectionLost(at=AT, run="2", reason="gone"),
        OutputProgress(run="2", size_bytes=9, lines=1),
    ]
    state = reduce_facts(book, facts)
    web2 = state.steps[0].commands[0].results[1]
    assert (state.steps[0].state, web2.link_lost, web2.size_bytes) == ("running", "gone", 9)
    assert reduce_facts(book, [*facts, ended("2", "unknown")]).steps[0].state == "unknown"
    assert reduce_facts(book, [*facts, ended("2")]).steps[0].state == "done"


def test_undo_goes_back_from_the_last_one_and_what_is_back_is_no_change_any_more() -> None:
    other = command("touch x", "change", name="x")
    book = runbook((CHANGE, BACK), (other, command("rm x", "change", rollback_of="x")), (command("true", "change"),))
    facts: list[RunFact] = [opened(HERE)]
    for run, step in (("1", 0), ("2", 1), ("3", 2)):
        facts += [began(run, step, 0), ended(run)]
    reducer = RunReducer(book)
    reducer.take(facts)
    assert reducer.state().undoable == ("2", "1")
    (back,) = reducer.rollback_of("2")
    assert reducer.taken_back_by(back) == ("2",)
    reducer.take([began("4", 1, 1, rollback=True, undoes=("2",)), ended("4", "failed")])
    assert reducer.state().undoable == ("2", "1")
    reducer.take([began("5", 1, 1, rollback=True, undoes=("2",)), ended("5")])
    state = reducer.state()
    assert state.undoable == ("1",)
    assert [change.run for change in state.changes] == ["1", "3"]
    assert state.steps[1].commands[0].state == "undone"
    assert state.steps[1].commands[0].results[0].undone_by == "5"


def test_what_says_that_it_changed_nothing_is_no_change_in_force() -> None:
    reducer = RunReducer(runbook((CHANGE, BACK), (command("true", "change"),)))
    facts: list[RunFact] = [opened(HERE), began("1", 0, 0), replace(ended("1"), unchanged=True)]
    reducer.take(facts)
    state = reducer.state()
    assert (state.changes, state.undoable) == ((), ())
    assert state.steps[0].commands[0].state == "done"
    reducer.take([began("2", 0, 0), ended("2")])
    assert reducer.state().undoable == ("2",)


def test_each_goes_through_a_step_host_by_host() -> None:
    drain, start = command("drain", "change", host=EACH), command("start", "change", host=EACH)
    book = runbook((drain, start, LOOK))
    found = list(turns(book, {EACH: ("a", "b"), "local": ("here",)}, {}))
    assert found == [
        Turn(0, 0, ("a",)), Turn(0, 1, ("a",)), Turn(0, 0, ("b",)), Turn(0, 1, ("b",)), Turn(0, 2, ("here",))
    ]  # fmt: skip


def test_a_variable_says_the_host() -> None:
    book = runbook((command("uptime", host="<where>"),))
    reducer = RunReducer(book)
    reducer.take([opened({})])
    assert reducer.waiting().names == ("where",)
    reducer.take([ValuesSet(at=AT, values={"where": "web1"})])
    assert reducer.waiting().turn == Turn(0, 0, ("web1",))


def test_what_runs_in_the_background_keeps_nothing_waiting() -> None:
    book = runbook((command("port-forward", background=True), CHANGE))
    state = reduce_facts(book, [opened(HERE), began("1", 0, 0, kind="read")])
    assert (state.waiting.what, state.steps[0].state) == ("confirm", "running")


def test_a_file_that_was_changed_keeps_what_is_still_in_it() -> None:
    before, now = runbook((LOOK, CHANGE), (CHECK,)), runbook((command("new"),), (CHECK, LOOK))
    now = msgspec.structs.replace(now, steps=(now.steps[0], msgspec.structs.replace(now.steps[1], title="Step 2")))
    assert command_moves(before, now) == ((1, 0, 1, 0),)
    reducer = RunReducer(before)
    reducer.take([opened(HERE), began("1", 0, 1), ended("1"), began("2", 1, 0, kind="read"), ended("2")])
    reducer.take([RunbookReloaded(at=AT, sha256="1" * 64, moved=command_moves(before, now), hosts=HERE, by="fox@den")])
    reducer.read_again(now)
    state = reducer.state()
    assert [[each.state for each in step.commands] for step in state.steps] == [["ready"], ["done", "ready"]]
    assert [change.run for change in state.changes] == ["1"], "it is in force, whatever the file says"


def test_a_resumed_run_knows_all_but_the_secrets_of_the_one_before() -> None:
    facts: list[RunFact] = [
        opened({"local": ("now",)}, "2", resumes="1"),
        opened({"local": ("then",)}, "1"),
        ValuesSet(at=AT, values={"a": "b"}, secret=("pw",)),
        began("1-1", 0, 0, "now", kind="read"),
        ended("1-1"),
        RunResumed(at=AT, run="1", hosts={"local": ("now",)}),
    ]
    reducer = RunReducer(runbook((LOOK, CHANGE)))
    reducer.take(facts)
    state = reducer.state()
    assert (reducer.first_run, state.resumes, state.hosts) == ("1", "1", {"local": ("now",)})
    assert (state.values, state.secrets) == ({"a": "b"}, frozenset())
    assert state.waiting.turn == Turn(0, 1, ("now",))


@pytest.mark.fault("4.47")
def test_nothing_is_asked_before_all_is_taken_over() -> None:
    """Facts come one after the other: what is done may not be told yet, also behind the takeover of an earlier one."""
    facts: list[RunFact] = [
        opened(HERE, "3", resumes="2"),
        opened(HERE, "2", resumes="1"),
        opened(HERE, "1"),
        RunResumed(at=AT, run="1", hosts=HERE),
        began("1-1", 0, 0),
        ended("1-1"),
    ]
    reducer = RunReducer(runbook((CHANGE, CHANGE)))
    for fact in facts:
        reducer.take([fact])
        assert (reducer.taking_over, reducer.waiting().what) == (True, "nothing")
    reducer.take([RunResumed(at=AT, run="2", hosts=HERE)])
    assert not reducer.taking_over
    assert reducer.waiting() == WaitingFor(what="confirm", turn=Turn(0, 1, HERE["local"]))


@pytest.mark.fault("4.45")
def test_what_is_left_of_a_command_is_on_the_hosts_where_it_is_not_done() -> None:
    hosts: dict[str, tuple[str, ...]] = {"local": ("a", "b", "c", "d")}
    reducer = RunReducer(runbook((CHANGE,)))
    reducer.take([opened(hosts), began("1", 0, 0, "a"), ended("1"), began("2", 0, 0, "b"), ended("2", "failed")])
    assert reducer.left(Turn(0, 0, hosts["local"])).hosts == ("b", "c", "d")
    reducer.take([began("3", 0, 0, "b")])
    assert reducer.left(Turn(0, 0, hosts["local"])).hosts == ("c", "d"), "it runs on b"
    reducer.take([ended("3", "unknown")])
    assert reducer.waiting() == WaitingFor(what="decision", turn=Turn(0, 0, ("b", "c", "d")))


@pytest.mark.fault("4.53")
def test_a_command_that_was_taken_back_on_one_host_is_not_done() -> None:
    hosts: dict[str, tuple[str, ...]] = {"local": ("a", "b")}
    back = command("systemctl stop app", "change", rollback_of="restart")
    reducer = RunReducer(runbook((LOOK, CHANGE, back)))
    looked = [began(f"0{host}", 0, 0, host, "read") for host in "ab"], [ended(f"0{host}") for host in "ab"]
    reducer.take([opened(hosts), *looked[0], *looked[1]])
    reducer.take([began("1", 0, 1, "a"), ended("1"), began("2", 0, 1, "b"), ended("2")])
    assert reducer.state().steps[0].state == "done"
    reducer.take([began("3", 0, 2, "a", undoes=("1",), rollback=True), ended("3")])
    step = reducer.state().steps[0]
    assert (step.state, step.commands[0].state, step.commands[1].state) == ("undone", "done", "undone")
    assert outcome_of(reducer).state == "partly", "it is in force on b"
    reducer.take([began("4", 0, 2, "b", undoes=("2",), rollback=True), ended("4")])
    assert (reducer.state().steps[0].state, outcome_of(reducer).state) == ("undone", "failed")


def test_facts_go_through_a_jobs_events_and_what_is_none_is_passed_over() -> None:
    facts: list[RunFact] = [
        opened(HERE),
        began("1", 0, 0, undoes=("0",)),
        ended("1"),
        OutputProgress(run="1", size_bytes=1, lines=0),
    ]
    events: list[Event] = []
    for fact in facts:
        name, value = encode_fact(fact)
        events += [JobFact(AT, "other", {"a": 1}), JobFact(AT, name, value), JobFact(AT, "began", {"run": 3})]
    kept = msgspec.json.decode(msgspec.json.encode(events), type=list[Event])
    assert list(decode_facts(kept)) == facts


def test_ten_thousand_events_are_folded_in_half_a_second() -> None:
    book = runbook(*((CHANGE,) for _number in range(5000)))
    facts: list[RunFact] = [opened(HERE)]
    for number in range(5000):
        facts += [began(f"r{number}", number, 0), ended(f"r{number}")]
    events: list[Event] = [JobFact(AT, *encode_fact(fact)) for fact in facts]
    lines = [msgspec.json.encode(event) for event in events]
    decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
    started = time.process_time()
    reducer = RunReducer(book)
    reducer.take(decode_facts(decoder.decode(line) for line in lines))
    assert reducer.state().waiting.what == "end"
    assert time.process_time() - started < 0.5
