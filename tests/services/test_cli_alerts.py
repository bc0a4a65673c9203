"""``lilfox alerts``: what people see and do from the command line, beside an engine that runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lilfox_tui.alerts.state_folder import state_folder
from lilfox_tui.alerts.storage import DATABASE, AlertDatabase, Outbox
from lilfox_tui.cli.schemas import schema
from tests.services.alert_lab import Lab
from tests.services.http_stand_in import Reply, StandIn
from tests.services.lilfox_command import lilfox
from tests.waiting import until


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    made.end()


@pytest.fixture
async def hook() -> AsyncIterator[StandIn]:
    server = StandIn(lambda _request: Reply(200))
    async with server.running():
        yield server


def alerts(lab: Lab, *argv: str, code: int = 0) -> str:
    """What ``lilfox alerts`` prints."""
    done = lilfox("--config", lab.folder / "config.yaml", "alerts", *argv)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code != 2 else done.stderr


def document(lab: Lab, action: str, *argv: str, code: int = 0) -> dict[str, Any]:
    """What it prints as JSON, which follows its schema."""
    found: dict[str, Any] = json.loads(alerts(lab, action, *argv, "--json", code=code))
    jsonschema.validate(found, schema(f"alerts-{action}"))
    return found


async def test_people_see_acknowledge_and_silence_what_another_lilfox_evaluates(lab: Lab) -> None:
    lab.configure("{}")
    lab.values(**{"a:1": 0, "b:1": 0})
    engine = lab.start()
    await until(lambda: engine.alerts() == {"a:1": "firing", "b:1": "firing"})
    shown = alerts(lab, "list", code=1)
    assert shown.splitlines()[0].startswith("firing")
    assert "instance=a:1" in shown
    assert "acknowledged: Down instance=a:1" in alerts(
        lab, "ack", "Down", "instance=a:1", "--note", "on it", "--by", "kim"
    )
    await until(lambda: engine.now()["acknowledged"] == ["a:1"], what="the engine notices")
    assert "no longer acknowledged" in alerts(lab, "ack", "Down", "--undo")
    await until(lambda: engine.now()["acknowledged"] == [], what="the engine notices")
    preview = alerts(lab, "silence", "--preview", 'instance=~"a.*"', "--for", "2h")
    assert preview.splitlines() == ["Down instance=a:1", 'instance=~"a.*": 1 alert matches now']
    assert document(lab, "silences") == {"silences": []}
    alerts(lab, "silence", "Down", "--for", "2h", "--comment", "deploy", "--by", "pat")
    await until(lambda: engine.now()["silenced"] == ["a:1", "b:1"], what="the engine notices")
    assert {one["labels"]["instance"]: len(one["silenced_by"]) for one in document(lab, "list")["alerts"]} == {
        "a:1": 1, "b:1": 1,
    }  # fmt: skip
    (silence,) = document(lab, "silences")["silences"]
    assert (silence["matchers"], silence["created_by"], silence["comment"]) == ('alertname="Down"', "pat", "deploy")
    alerts(lab, "expire", silence["id"][:8])
    await until(lambda: engine.now()["silenced"] == [], what="the engine notices")
    assert "ended" in alerts(lab, "silences", "--all")
    kinds = [event["kind"] for event in document(lab, "history")["events"]]
    assert kinds[:5] == ["expired", "silenced", "unacknowledged", "unacknowledged", "acknowledged"]
    assert sorted(kinds[5:]) == ["fired", "fired"]
    assert "Down" in alerts(lab, "history", "--since", "1h", "--limit", "1")
    engine.kill()
    after = lilfox("--config", lab.folder / "config.yaml", "alerts", "list")
    assert "no LilFox process evaluates these rules" in after.stderr


def never_evaluated(lab: Lab) -> None:
    """Makes an empty state, as a LilFox does that begins."""
    lab.configure("{}")
    folder = state_folder(lab.folder / "config.yaml")
    assert folder is not None
    folder.mkdir(parents=True, exist_ok=True)
    AlertDatabase(folder / DATABASE).close()


def test_the_end_of_a_silence_is_said_as_it_was_asked_for(lab: Lab) -> None:
    never_evaluated(lab)
    assert alerts(lab, "silence", "Down", "--for", "2h").startswith("silenced until 2")
    assert alerts(lab, "silence", "Down", "--until-resolved").startswith("silenced until resolved, at most until 2")


def test_of_rules_that_nobody_has_evaluated_no_age_is_told(lab: Lab) -> None:
    never_evaluated(lab)
    done = lilfox("--config", lab.folder / "config.yaml", "alerts", "list")
    assert done.stderr == "no LilFox process evaluates these rules, and none has evaluated them yet\n"


def test_without_a_state_and_with_wrong_words_it_says_what_to_do(lab: Lab) -> None:
    lab.configure("{}")
    assert alerts(lab, "list", code=1) == ""
    for argv in (("silence", "a=~("), ("silence", "a="), ("silence", "Down", "--for", "soon"), ("notify-test",)):
        alerts(lab, *argv, code=2)
    refused = lilfox("--config", lab.folder / "config.yaml", "--read-only", "alerts", "ack", "Down")
    assert refused.returncode == 1
    assert "read_only" in refused.stderr


def test_config_check_reads_rules_and_matchers(lab: Lab) -> None:
    lab.configure("{}")
    config = lab.folder / "config.yaml"
    assert lilfox("--config", config, "config", "check").returncode == 0
    lab.configure("{chat: {kind: webhook, url: 'http://h', only: ['severity']}}")
    wrong = lilfox("--config", config, "config", "check")
    assert (wrong.returncode, "option only of notifier chat: " in wrong.stderr) == (2, True)
    lab.configure("{}", wait="soon")
    wrong = lilfox("--config", config, "config", "check")
    assert (wrong.returncode, "rules.yml:6: g/Down" in wrong.stderr) == (2, True), wrong.stderr
    (lab.folder / "rules.yml").unlink()
    assert "rules: no file matches " in lilfox("--config", config, "config", "check").stdout


async def test_a_test_goes_to_each_notifier_and_says_which_was_not_told(
    lab: Lab, hook: StandIn, tmp_path: Path
) -> None:
    got = tmp_path / "got"
    lab.configure(
        f"{{chat: {{kind: webhook, url: '{hook.url}/chat'}}, gone: {{kind: webhook, url: 'http://127.0.0.1:1/T0KEN'}}, "
        f"pager: {{kind: command, argv: [tee, '{got}']}}}}"
    )
    done = await asyncio.to_thread(lilfox, "--config", lab.folder / "config.yaml", "alerts", "notify-test")
    assert done.returncode == 1
    assert sorted(done.stdout.splitlines()) == ["chat: test notification sent", "pager: test notification sent"]
    assert "gone: the request to http://127.0.0.1:1 failed" in done.stderr
    assert "T0KEN" not in done.stderr
    for body in (hook.requests[0].body, await asyncio.to_thread(got.read_bytes)):
        told = json.loads(body)
        assert (told["reason"], told["alerts"][0]["labels"]["alertname"]) == ("test", "LilFoxTest")
    one = await asyncio.to_thread(lilfox, "--config", lab.folder / "config.yaml", "alerts", "notify-test", "chat")
    assert (one.returncode, len(hook.requests)) == (0, 2)
    wrong = await asyncio.to_thread(lilfox, "--config", lab.folder / "config.yaml", "alerts", "notify-test", "chta")
    assert wrong.returncode == 2
    assert "chta" in wrong.stderr


async def test_the_list_says_who_is_not_told(lab: Lab, hook: StandIn) -> None:
    lab.configure(
        f"{{chat: {{kind: webhook, url: '{hook.url}/chat'}}, pager: {{kind: webhook, url: 'http://127.0.0.1:1'}}}}"
    )
    lab.values(a=0)
    engine = lab.start()
    await until(lambda: hook.requests and "pager" in " ".join(engine.now()["troubles"]), what="both tried")
    (one,) = document(lab, "list", code=1)["not_told"]
    assert (one["notifier"], one["messages"]) == ("pager", 1)
    assert alerts(lab, "list", code=1).splitlines()[-1].startswith("pager: 1 message undelivered since 20")


@pytest.mark.fault("4.64")
async def test_a_test_that_reaches_a_receiver_lets_what_waits_for_it_go_out(lab: Lab) -> None:
    answers = [Reply(503)]
    hook = StandIn(lambda _request: answers[0])
    async with hook.running():
        lab.configure(f"{{chat: {{kind: webhook, url: '{hook.url}/chat'}}}}")
        lab.values(a=0)
        engine = lab.start()
        await until(lambda: "chat" in " ".join(engine.now().get("troubles", ())), what="it is away")
        outbox = Outbox(lab.saved().database)
        await until(lambda: outbox.first_of_groups("chat")[0].tries > 0, what="it waits")
        with outbox._database.transaction() as write:  # as after many tries
            write.execute("UPDATE outbox SET tries = 9, next_ms = next_ms + 500000")
        answers[0] = Reply(200)
        await asyncio.to_thread(alerts, lab, "notify-test")
        await until(lambda: outbox.count("chat") == 0, what="what waited is told")
