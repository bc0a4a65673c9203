"""The engine as a process that is killed: real mail, a webhook and a real Alertmanager hear each thing once."""

from __future__ import annotations

import contextlib
import json
import random
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest

from lilfox_tui.alerts.silences import acknowledge, alerts_from_storage, parse_matchers, silence
from lilfox_tui.alerts.storage import Outbox
from tests.services.alert_lab import Lab
from tests.services.alertmanager import AlertmanagerServer
from tests.services.http_stand_in import Reply, StandIn
from tests.services.mail_server import Authority, Box, mail_server
from tests.unit.alerts.made import at
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


def heard(hook: StandIn, path: str) -> list[tuple[str, str]]:
    """Status and instance of each alert that arrived at ``path``."""
    documents = [json.loads(one.body) for one in hook.requests if one.path == path]
    return [(one["status"], one["labels"]["instance"]) for each in documents for one in each["alerts"]]


async def test_mail_webhook_and_alertmanager_hear_firing_once_and_resolved_once_over_kill_9(
    lab: Lab, hook: StandIn, tmp_path_factory: pytest.TempPathFactory
) -> None:
    authority = Authority(tmp_path_factory.mktemp("ca"))
    box = Box()
    with contextlib.ExitStack() as servers:
        am = servers.enter_context(AlertmanagerServer(tmp_path_factory.mktemp("am"), f"{hook.url}/from-am"))
        async with mail_server(box, authority.server) as port:
            lab.configure(
                f"{{mail: {{kind: smtp, server: localhost, port: {port}, ca: {authority.ca}, from: a@b.example, "
                f"to: [c@d.example]}}, chat: {{kind: webhook, url: '{hook.url}/chat'}}, "
                f"am: {{kind: alertmanager, url: '{am.url}'}}}}",
                resend="30s",
            )
            lab.values(a=0)
            first = lab.start()
            firing = [("firing", "a")]
            await until(lambda: heard(hook, "/chat") == firing, what="the webhook")
            await until(lambda: len(box.mails) == 1, what="the mail")
            await until(lambda: heard(hook, "/from-am") == firing, what="Alertmanager's own webhook")
            outbox = Outbox(lab.saved().database)
            await until(lambda: outbox.count("mail") + outbox.count("chat") == 0, what="it is known that they have it")
            await until(lambda: outbox.told("am"), what="so it is of Alertmanager")
            first.kill()
            second = lab.start()
            await until(lambda: second.alerts() == {"a": "firing"}, what="it goes on")
            asked = [one.path for one in hook.requests]
            await until(lambda: second.now()["evaluates"] and am.alerts())
            lab.values(a=1)
            both = [("firing", "a"), ("resolved", "a")]
            await until(lambda: heard(hook, "/chat") == both, what="the webhook hears the end")
            await until(lambda: len(box.mails) == 2, what="the mail of the end")
            await until(lambda: heard(hook, "/from-am") == both, what="Alertmanager tells the end")
            await until(lambda: outbox.count("mail") + outbox.count("chat") == 0, what="it is known that they have it")
            second.kill()
            third = lab.start()
            await until(lambda: third.now().get("evaluates"))
            lab.values(a=1, b=0)
            await until(lambda: heard(hook, "/chat")[2:] == [("firing", "b")], what="a new one")
            await until(lambda: len(box.mails) == 3, what="its mail")
            third.kill()
    assert sorted(asked) == ["/chat", "/from-am"]
    subjects = [str(mail["Subject"]) for mail in box.mails]
    assert subjects == ["[FIRING 1] Down", "[RESOLVED 1] Down", "[FIRING 1] Down"]
    assert box.mails[0]["References"] == box.mails[1]["References"] != box.mails[2]["References"]
    assert len({mail["Message-ID"] for mail in box.mails}) == 3


async def test_kill_9_between_outbox_and_sending_loses_nothing_and_the_id_stays(lab: Lab, hook: StandIn) -> None:
    lab.configure(f"{{chat: {{kind: webhook, url: '{hook.url}/chat'}}}}")
    lab.values(a=0)
    hook.silent = True
    first = lab.start()
    await until(lambda: hook.requests, what="it is being sent")
    first.kill()
    outbox = Outbox(lab.saved().database)
    assert outbox.count("chat") == 1
    lab.values(a=1)
    hook.silent = False
    second = lab.start()
    await until(lambda: len(hook.requests) == 3, what="firing again, and its end")
    ids = [one.headers["idempotency-key"] for one in hook.requests]
    assert ids[0] == ids[1] != ids[2]
    assert heard(hook, "/chat") == [("firing", "a"), ("firing", "a"), ("resolved", "a")]
    await until(lambda: outbox.count("chat") == 0, what="the outbox is empty")
    second.kill()


async def test_kill_9_in_the_middle_of_for_and_what_people_said_is_there(lab: Lab) -> None:
    lab.configure("{}", wait="4s")
    lab.values(a=0, b=0)
    first = lab.start()
    await until(lambda: first.alerts() == {"a": "pending", "b": "pending"})
    begun = first.now()["active_at"]["a"]
    saved = lab.saved()
    one, other = alerts_from_storage(saved, at(0)).alerts
    acknowledge(saved, one, "kim", "on it", at(0))
    silence(saved, parse_matchers(f'instance="{other.label("instance")}"'), 10**7, "kim", "", one.active_at)
    await until(lambda: first.now()["acknowledged"] == ["a"] and first.now()["silenced"] == ["b"])
    await until(lambda: time.time() - begun > 2, what="half of the time")
    first.kill()
    killed = time.time()
    second = lab.start()
    await until(lambda: second.alerts() == {"a": "pending", "b": "pending"})
    restarted = time.time()
    await until(lambda: second.alerts() == {"a": "firing", "b": "firing"})
    fired_after = time.time() - restarted
    assert fired_after < 4 - (killed - begun) + 1.5, "the timer went on"
    shown = second.now()
    assert (shown["acknowledged"], shown["silenced"]) == (["a"], ["b"])
    second.kill()


async def test_one_evaluates_the_others_show_it_and_take_over(lab: Lab, hook: StandIn) -> None:
    lab.configure(f"{{chat: {{kind: webhook, url: '{hook.url}/chat'}}}}")
    lab.values(a=0)
    first = lab.start()
    await until(lambda: first.now().get("evaluates"), what="the first evaluates")
    second = lab.start()
    await until(lambda: second.alerts() == {"a": "firing"}, what="the second shows it")
    assert second.now()["evaluates"] is False
    await until(lambda: heard(hook, "/chat") == [("firing", "a")], what="the webhook")
    outbox = Outbox(lab.saved().database)
    await until(lambda: outbox.count("chat") == 0, what="it is known that it has it")
    first.kill()
    await until(lambda: second.now()["evaluates"], what="it takes over")
    lab.values(a=1)
    both = [("firing", "a"), ("resolved", "a")]
    await until(lambda: heard(hook, "/chat") == both, what="the end is told")
    second.kill()


def is_past(moment: float) -> bool:
    return time.monotonic() >= moment


async def test_killed_at_any_moment_each_firing_has_its_end_and_what_comes_twice_is_known_by_its_id(
    lab: Lab, hook: StandIn
) -> None:
    lab.configure(f"{{chat: {{kind: webhook, url: '{hook.url}/chat'}}}}")
    chance = random.Random(7)
    for turn in range(10):
        lab.values(a=turn % 2)
        engine = lab.start()
        await until(engine.now, what="it shows something")
        await until(partial(is_past, time.monotonic() + chance.uniform(0, 0.6)))
        engine.kill()
    lab.values(a=1)
    last = lab.start()
    outbox = Outbox(lab.saved().database)
    await until(lambda: last.now().get("evaluates") and last.alerts().get("a") != "firing", what="it is over")
    await until(lambda: outbox.count("chat") == 0 and not outbox.told("chat"), what="all is told")
    once = {one.headers["idempotency-key"]: json.loads(one.body) for one in hook.requests}
    statuses = [alert["status"] for each in once.values() for alert in each["alerts"]]
    assert len(statuses) >= 2
    assert statuses == ["firing", "resolved"] * (len(statuses) // 2)
