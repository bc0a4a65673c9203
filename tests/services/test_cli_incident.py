"""``lilfox incident``, the real program: what it writes, what it prints, how it exits."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest

from lilfox_tui.cli.schemas import schema
from lilfox_tui.incident import incidents as book
from lilfox_tui.incident.model import Closed, Noticed
from tests.pages import served
from tests.services.lilfox_command import LILFOX, lilfox
from tests.waiting import wait_for

SECRETS = [
    "postgresql://lilfox:S3CRET@db:5432/lilfox",
    "Authorization: Bearer S3CRETS3CRET",
    "sudo_password=S3CRET",
    "AKIAS3CRETS3CRETS3CR",
]
CONFIG = """
contacts:
  security: {name: Security, call: "+1 555 0100", note: round the clock}
"""


@pytest.fixture(autouse=True)
def state(own_folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the incidents, with a configuration that names somebody; the system's own are not seen."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.delenv("LILFOX_INCIDENT", raising=False)
    config = own_folders / "config/lilfox/config.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(CONFIG)
    return tmp_path / "state/incidents"


def incident(*words: str | Path, code: int = 0, stdin: str | None = None) -> str:
    done = lilfox("incident", *words, stdin=stdin)
    assert done.returncode == code, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def document(*words: str) -> dict[str, object]:
    done = lilfox("incident", *words, "--json")
    found: dict[str, object] = json.loads(done.stdout)
    jsonschema.validate(found, schema(f"incident-{words[0]}"))
    return found


def test_an_incident_from_its_opening_to_its_export(state: Path, tmp_path: Path) -> None:
    assert "no incident is open" in incident("current", code=1)
    assert "INC-1 is open: db down (SEV-2)" in incident("open", "db", "down", "--severity", "SEV-2", "--by", "ann@a")
    assert "INC-1 SEV-2: db down" in incident("current")
    incident("note", "looked", "at", "the", "logs")
    incident("decide", "restart it")
    incident("role", "lead", "bob")
    incident("severity", "SEV-1")
    assert "security  Security  +1 555 0100  round the clock" in incident("call")
    called = incident("call", "security", "--outcome", "on their way")
    assert "called security Security +1 555 0100: on their way" in called
    assert "one of: security" in incident("call", "nobody", code=2)
    incident("mark", "detected", "--at", "2023-12-30T02:00Z")
    assert "is in the future" in incident("mark", "resolved", "--at", "2999-01-01T00:00Z", code=2)
    assert "“mitigated” must not be earlier than “detected”" in incident(
        "mark", "mitigated", "--at", "2023-12-30", code=2
    )
    (tmp_path / "a.log").write_text("connection refused\n")
    assert "evidence: why (a.log)" in incident("evidence", tmp_path / "a.log", "--text", "why")
    assert "evidence: stdin" in incident("evidence", "-", stdin="abc")
    assert "took over from ann@a" in incident("take-over", "--by", "bob@b")
    assert "in charge: bob@b" in incident("handover")
    assert "INC-1: intact, 10 entries" in incident("verify")
    assert "SEV-1" in incident("show")
    assert "INC-1 is closed" in incident("close", "--summary", "a bad release")
    assert "already closed" in incident("close", "INC-1", code=1)
    text = incident("export", "INC-1")
    assert text.startswith("# INC-1: db down\n")
    assert "[a.log](evidence/a.log) why" in text
    assert "| detected | 2023-12-30 02:00:00 | - | recorded by hand |" in text
    assert incident("--language", "zh_CN", "export", "INC-1").count("\n## ") == text.count("\n## ") == 9
    made = tmp_path / "out"
    incident("export", "INC-1", "--to", made)
    assert (made / "INC-1.md").read_text("utf-8") == text
    assert (made / "evidence/a.log").read_text() == "connection refused\n"
    assert "already exists" in incident("export", "INC-1", "--to", made, code=2)


def test_an_incident_stays_open_while_something_fails_unless_it_is_said_to_be_closed_anyway(state: Path) -> None:
    config = Path(os.environ["XDG_CONFIG_HOME"]) / "lilfox/config.yaml"
    config.write_text('services: {web: {url: "http://127.0.0.1:9/health"}}\n')
    incident("open", "web", "is", "down")
    told = incident("close", code=1)
    assert "still failing at " in told
    assert "service web: " in told
    assert "INC-1 stays open; to close it anyway: lilfox incident close INC-1 --anyway" in told
    assert incident("current").startswith("INC-1")
    assert "INC-1 is closed" in incident("close", "--anyway", "--summary", "known")
    closed = book.read_timeline(Path(book.read_incident(state / "INC-1").folder)).entries[-1].what
    assert isinstance(closed, Closed)
    assert [each.partition(":")[0] for each in closed.failing] == ["service web"]
    assert closed.checked is not None
    text = incident("export", "INC-1")
    assert "- [ ] still failed when the incident was closed: service web" in text


def test_an_incident_is_closed_with_the_word_that_nothing_fails(state: Path) -> None:
    incident("open", "x")
    told = incident("close")
    assert "not known: the configuration names nothing to check" in told
    assert "nothing fails" not in told
    with served([lambda: (200, b"")]) as (address,):
        config = Path(os.environ["XDG_CONFIG_HOME"]) / "lilfox/config.yaml"
        config.write_text(f'services: {{web: {{url: "http://{address}/health"}}}}\n')
        incident("reopen", "INC-1")
        assert "nothing fails at " in incident("close")
    closed = book.read_timeline(state / "INC-1").entries[-1].what
    assert isinstance(closed, Closed)
    assert (closed.failing, closed.not_known) == ((), ())
    assert closed.checked is not None


def test_events_are_shown_in_the_order_of_time(state: Path) -> None:
    made = book.open_incident("web is down")
    before = made.opened - timedelta(minutes=2)
    what = Noticed(subject="service/web", kind="level", level="failing", text="failing: HTTP 502", since=before)
    book.append(made.id, what, by="lilfox")
    for words in (("show",), ("show", "--all")):
        shown = incident(*words)
        assert shown.index("failing: HTTP 502") < shown.index("opened: web is down")


def test_documents_are_as_their_schemas_say(state: Path) -> None:
    assert document("current") == {"incident": None}
    incident("open", "x")
    book.append("INC-1", Closed(summary="x", in_force=("y",)))
    for words in (("current",), ("list", "--all"), ("show", "INC-1"), ("verify", "INC-1")):
        document(*words)
    lines = lilfox("incident", "follow", "INC-1", "--json").stdout.splitlines()
    for line in lines:
        jsonschema.validate(json.loads(line), schema("incident-entry"))
    assert len(lines) == 2


def test_of_several_that_are_open_it_is_said_which_is_the_current_one(state: Path) -> None:
    incident("open", "the", "older")
    assert "INC-1 is also open; from now on, actions are recorded in INC-2" in incident("open", "the", "newer")
    told = incident("list").splitlines()
    assert [line.split()[1:4] for line in told[1:]] == [["INC-2", "current", "SEV-3"], ["INC-1", "also", "open"]]
    listed = document("list")["incidents"]
    assert isinstance(listed, list)
    assert [(each["id"], each["current"]) for each in listed] == [("INC-2", True), ("INC-1", False)]
    closing = incident("close")
    assert "INC-2 is closed" in closing
    assert (
        "INC-1 is also open and is the current incident: from now on, actions are recorded in it\n  SEV-3: the "
        "older" in closing
    )
    assert "INC-1  current" in incident("list", "--all")
    incident("open", "the", "newest")
    assert "INC-3 is also open and is the current incident" in incident("reopen", "INC-2")
    incident("close", "INC-2")
    assert "INC-3 is also open and is the current incident" in incident("close", "INC-1")
    assert "is the current incident" not in incident("close")


@pytest.mark.fault("S23")
def test_what_was_altered_exits_1_and_is_named(state: Path) -> None:
    incident("open", "x")
    incident("note", "y")
    timeline = state / "INC-1/timeline.jsonl"
    timeline.write_bytes(timeline.read_bytes().replace(b'"y"', b'"z"'))
    told = incident("verify", code=1)
    assert "timeline.jsonl:2: this line has changed since it was written" in told
    assert document("verify")["intact"] is False
    assert "**altered**: timeline.jsonl:2" in incident("export")


def test_read_only_reads_and_writes_nothing(state: Path) -> None:
    incident("open", "x")
    for words in (("open", "y"), ("note", "y"), ("close",), ("evidence", "/etc/hostname"), ("take-over",)):
        assert "cannot be changed in read_only mode" in incident(*words, "--read-only", code=1)
    incident("show", "--read-only")
    assert len(book.entries("INC-1")) == 1


@pytest.mark.parametrize(
    "words",
    [
        ("note", "x"),
        ("close",),
        ("show", "INC-9"),
        ("verify", "--known", "x"),
        ("severity", "SEV-9"),
        ("mark", "detected", "--at", "yesteryear"),
        (),
    ],
)
def test_what_makes_no_sense_exits_2(state: Path, words: tuple[str, ...]) -> None:
    incident(*words, code=2)


@contextmanager
def following(output: Path) -> Iterator[subprocess.Popen[bytes]]:
    """It shows what there is; it is gone afterwards."""
    with output.open("wb") as out, subprocess.Popen([*LILFOX, "incident", "follow"], stdout=out) as follower:
        try:
            wait_for(lambda: "opened: x" in output.read_text(), what="it shows what there is")
            yield follower
        finally:
            follower.kill()


def test_a_second_operator_follows_live_until_it_is_closed(state: Path, tmp_path: Path) -> None:
    incident("open", "x")
    output = tmp_path / "out"
    with following(output) as follower:
        incident("note", "from elsewhere \x1b[31m")
        wait_for(lambda: "from elsewhere" in output.read_text(), what="it shows what comes")
        assert follower.poll() is None
        incident("close")
        assert follower.wait(60) == 0
    assert "\x1b" not in output.read_text()


def test_only_new_entries_are_followed_when_asked_for(state: Path, tmp_path: Path) -> None:
    incident("open", "x")
    output = tmp_path / "out"

    def shows_a_note() -> bool:
        incident("note", "it goes on")
        return "it goes on" in output.read_text()

    with output.open("wb") as out, subprocess.Popen([*LILFOX, "incident", "follow", "--new"], stdout=out) as follower:
        try:
            wait_for(shows_a_note, what="it shows what comes")
            incident("close")
            assert follower.wait(60) == 0
        finally:
            follower.kill()
    assert "opened: x" not in output.read_text()
    assert incident("follow", "INC-1", "--new") == ""


def test_following_is_ended_by_ctrl_c(state: Path, tmp_path: Path) -> None:
    incident("open", "x")
    with following(tmp_path / "out") as follower:
        follower.send_signal(signal.SIGINT)
        assert follower.wait(60) == 130


@pytest.mark.fault("S21")
def test_no_secret_is_in_any_file_or_word_of_it(state: Path, tmp_path: Path) -> None:
    secret = " ; ".join(SECRETS)
    told = incident("open", secret, "--cause", secret)
    told += incident("note", secret) + incident("role", secret, secret)
    (tmp_path / "a.log").write_text(f"before\n{secret}\nbehind\n")
    told += incident("evidence", tmp_path / "a.log", "--text", secret)
    told += incident("close", "--summary", secret)
    told += incident("show", "INC-1", "--all") + incident("handover", "INC-1") + incident("export", "INC-1")
    told += incident("export", "INC-1", "--to", tmp_path / "out") + incident("list", "--all")
    assert "S3CRET" not in told
    written = [path for place in (state, tmp_path / "out") for path in place.rglob("*") if path.is_file()]
    assert {path.name for path in written} == {"timeline.jsonl", "head", ".lock", ".register", "a.log", "INC-1.md"}
    for path in written:
        assert b"S3CRET" not in path.read_bytes(), path


def test_follow_ups_have_an_owner_and_a_day_and_are_done_later(state: Path) -> None:
    incident("open", "x")
    words = ("raise", "the", "limit", "--owner", "ann", "--due", "2026-12-09")
    assert "entry 2: follow-up: raise the limit (owner: ann; due 2026-12-09)" in incident("follow-up", *words)
    assert "entry 3: follow-up 2 done: 2 GiB now" in incident("follow-up", "--done", "2", "2 GiB now")
    assert lilfox("incident", "follow-up", "--done", "1").returncode == 2
    assert "expected a day" in lilfox("incident", "follow-up", "x", "--due", "soon").stderr
    assert "- [x] raise the limit (owner: ann; due 2026-12-09; done: 2 GiB now)" in incident("export")
    document("show", "INC-1")
    book.append("INC-1", Closed(summary="x"))
    for line in lilfox("incident", "follow", "INC-1", "--json").stdout.splitlines():
        jsonschema.validate(json.loads(line), schema("incident-entry"))


def test_a_removed_incident_is_named_in_the_list(state: Path) -> None:
    for title in ("one", "two"):
        incident("open", title)
    shutil.rmtree(state / "INC-2")
    assert "INC-3" in incident("open", "three")
    assert re.search(r"INC-2, opened on \d{4}-\d\d-\d\d, was removed", lilfox("incident", "list", "--all").stderr)
    assert "INC-2, the incident before it, was removed" in incident("verify", "INC-3")
