"""Messages on their way: a receiver that is away for an hour, hangs, refuses; a crash before and after sending."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from lilfox_tui.alerts.delivery import (
    GIVEN_UP_AFTER_S,
    LONGEST_WAIT_S,
    NotificationDispatcher,
    ReceiverDelivery,
    back_off_s,
)
from lilfox_tui.alerts.model import Alert, AlertState
from lilfox_tui.alerts.notifier import (
    MOST_ALERTS,
    Notification,
    NotifierSetup,
    PartialDelivery,
    fingerprint,
    group_key,
    webhook_payload,
)
from lilfox_tui.alerts.notifiers import alertmanager, bell
from lilfox_tui.alerts.storage import AlertDatabase, AlertStorage, Outbox
from lilfox_tui.config.model import AlertsConfig, Config
from lilfox_tui.config.values import Seconds, Wait
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import tr
from tests.unit.alerts.made import alert, notice
from tests.unit.alerts.running import Clock
from tests.waiting import until

SLOW, OTHER = (("alertname", "Slow"),), (("alertname", "Other"),)


class Receiver:
    """Takes what it is told, unless ``fails`` or ``hangs``."""

    tells_all = False

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.tries = 0
        self.fails: Callable[[Notification], Exception | None] = lambda _: None
        self.hangs = False

    async def tell(self, given: Notification) -> None:
        self.tries += 1
        if self.hangs:
            await asyncio.Event().wait()
        error = self.fails(given)
        if error is None or isinstance(error, PartialDelivery):
            self.heard.append(f"{given.group[0][1]} {given.reason}")
        if error is not None:
            raise error

    async def close(self) -> None:
        pass


class Way:
    """The way to one receiver on a clock that the test moves."""

    def __init__(self, folder: Path, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.receiver = Receiver()
        self.saved = AlertStorage(AlertDatabase(folder / "alerts.db"))
        self.outbox = Outbox(self.saved.database)
        self.sending = ReceiverDelivery("them", self.receiver, 0.05, self.saved, now=self.clock.now)

    def put(self, *notices: Notification) -> None:
        self.outbox.put("them", notices, [], [])

    def error(self) -> str:
        """Why the receiver is not reached; empty while it is."""
        return "" if self.sending.outage is None else str(self.sending.outage.error)

    async def go_on(self, seconds: float) -> int:
        """Sends whenever something is due for so long; gives how often the receiver was asked."""
        before, end = self.receiver.tries, self.clock.seconds + seconds
        while True:
            wait_s = await self.sending.send_due()
            if wait_s is None or self.clock.seconds + wait_s > end:
                self.clock.seconds = end
                return self.receiver.tries - before
            self.clock.go_on(wait_s)


def away(_: Notification) -> Exception:
    return LilFoxError(tr("nobody is there"))


async def test_a_receiver_that_is_away_for_an_hour_is_told_all_in_order_and_once(tmp_path: Path) -> None:
    way = Way(tmp_path)
    way.receiver.fails = away
    way.put(notice(), notice(group=OTHER))
    assert 10 <= await way.go_on(1800) <= 30, "it is not hammered"
    way.put(notice("resolved"))
    await way.go_on(1800)
    assert way.receiver.heard == []
    assert way.error() == "nobody is there"
    way.receiver.fails = lambda _: None
    await way.go_on(LONGEST_WAIT_S * 1.2)
    assert [one for one in way.receiver.heard if one.startswith("Slow")] == ["Slow firing", "Slow resolved"]
    assert sorted(way.receiver.heard) == ["Other firing", "Slow firing", "Slow resolved"]
    assert way.error() == ""
    assert await way.go_on(86_400) == 0
    assert [event.kind for event in way.saved.events(9)] == ["told"] * 3


@pytest.mark.fault("4.64")
async def test_the_first_that_is_taken_releases_all_that_wait(tmp_path: Path) -> None:
    way = Way(tmp_path)
    way.receiver.fails = away
    groups = [(("alertname", f"A{number}"),) for number in range(20)]
    way.put(*(notice(group=group) for group in groups))
    await way.go_on(7200)
    way.receiver.fails = lambda _: None
    way.put(notice(group=OTHER))  # it is due at once, and tells that the receiver is back
    await way.go_on(0.0)
    assert sorted(way.receiver.heard) == sorted([*(f"A{number} firing" for number in range(20)), "Other firing"])
    assert way.error() == ""


@pytest.mark.fault("4.64")
async def test_what_is_released_while_the_receiver_comes_and_goes_waits_little(tmp_path: Path) -> None:
    way = Way(tmp_path)
    way.receiver.fails = away
    way.put(*(notice(group=(("alertname", f"A{number}"),)) for number in range(5)))
    await way.go_on(7200)
    takes = iter([None, away(notice())] * 3)
    way.receiver.fails = lambda _: next(takes, None)
    way.put(notice(group=OTHER))
    await way.go_on(20)
    assert len(way.receiver.heard) == 6


@pytest.mark.fault("4.64")
async def test_one_that_is_refused_is_not_tried_with_each_that_is_taken(tmp_path: Path) -> None:
    way = Way(tmp_path)
    way.receiver.fails = lambda given: away(given) if given.group == SLOW else None
    way.put(notice())
    await way.go_on(0.0)
    for number in range(100):
        way.put(notice(group=(("alertname", f"A{number}"),)))
        await way.go_on(0.1)
    assert len(way.receiver.heard) == 100
    assert way.receiver.tries - 100 < 8


async def test_what_waits_is_there_after_a_restart(tmp_path: Path) -> None:
    before = Way(tmp_path)
    before.receiver.fails = away
    before.put(notice())
    await before.go_on(60)
    after = Way(tmp_path, before.clock)
    await after.go_on(LONGEST_WAIT_S)
    assert after.receiver.heard == ["Slow firing"]
    assert after.outbox.count("them") == 0


async def test_one_message_that_is_refused_holds_up_no_other_group(tmp_path: Path) -> None:
    way = Way(tmp_path)
    way.receiver.fails = lambda given: away(given) if given.group == SLOW else None
    way.put(notice(), notice("resolved"), notice(group=OTHER))
    await way.go_on(600)
    assert way.receiver.heard == ["Other firing"]


async def test_one_that_hangs_is_left_in_time(tmp_path: Path) -> None:
    way = Way(tmp_path)
    way.receiver.hangs = True
    way.put(notice())
    assert await way.go_on(1) == 1
    assert "no answer within 0.05 s" in way.error()


async def test_a_fault_of_ours_is_an_error_too(tmp_path: Path) -> None:
    way = Way(tmp_path)
    way.receiver.fails = lambda _: KeyError("x")
    way.put(notice())
    await way.go_on(1)
    assert "internal error in LilFox: KeyError" in way.error()


async def test_who_is_partly_told_is_not_told_again(tmp_path: Path) -> None:
    way = Way(tmp_path)
    way.receiver.fails = lambda _: PartialDelivery(tr("b@example.net is refused"))
    way.put(notice())
    await way.go_on(86_400)
    assert way.receiver.heard == ["Slow firing"]
    assert str(way.sending.note) == "b@example.net is refused"
    (event,) = way.saved.events(9)
    assert (event.kind, event.note) == ("told", "firing: b@example.net is refused")


async def test_after_three_days_a_message_is_given_up_and_that_is_kept(tmp_path: Path) -> None:
    way = Way(tmp_path)
    way.receiver.fails = away
    way.put(notice())
    await way.go_on(GIVEN_UP_AFTER_S - 1)
    assert way.outbox.count("them") == 1
    await way.go_on(LONGEST_WAIT_S * 1.2 + 1)
    assert way.outbox.count("them") == 0
    assert str(way.sending.note) == "a notification was dropped after three days: nobody is there"
    (event,) = way.saved.events(9)
    assert (event.kind, event.by, event.note) == ("not told", "them", "firing: nobody is there")


async def test_a_clock_that_is_set_back_does_not_hold_up_a_try(tmp_path: Path) -> None:
    way = Way(tmp_path)
    way.receiver.fails = away
    way.put(notice())
    await way.go_on(1)
    way.clock.seconds -= 86_400
    way.receiver.fails = lambda _: None
    assert await way.go_on(0) == 1


def test_waits_double_up_to_a_limit_and_differ() -> None:
    for tries, wait_s in ((0, 5), (1, 10), (3, 40), (7, 600), (10**6, 600)):
        waits = {back_off_s(tries) for _ in range(20)}
        assert all(wait_s * 0.8 <= one <= wait_s * 1.2 for one in waits)
        assert len(waits) > 10


def is_long(found: list[Notification], count: int) -> bool:
    return len(found) == count


async def test_one_notifier_that_hangs_holds_up_neither_the_others_nor_the_plan(tmp_path: Path) -> None:
    rang: list[Notification] = []
    saved = AlertStorage(AlertDatabase(tmp_path / "alerts.db"))
    config = Config(
        notifiers={"one": bell.Options(timeout=Seconds(3600)), "two": bell.Options(resolved=True)},
        alerts=AlertsConfig(group_wait=Wait(0.1)),
    )
    receivers = NotificationDispatcher(config, saved, NotifierSetup(rang.append))
    hanging = Receiver()
    hanging.hangs = True
    receivers._routes[0].sending.notifier = hanging
    running = asyncio.create_task(receivers.run())
    try:
        now = receivers._now()
        for count, state in enumerate((AlertState.FIRING, AlertState.RESOLVED), 1):
            await asyncio.to_thread(receivers.plan, [alert(state=state)], now, 15.0)
            receivers.wake()
            await until(partial(is_long, rang, count), what="the other is told")
        assert [each.reason for each in rang] == ["firing", "resolved"]
        assert hanging.tries == 1
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert Outbox(saved.database).count("one") == 1, "its end is not told where it is not wanted"


async def test_an_alertmanager_that_is_away_for_an_hour_is_told_how_it_is_then(tmp_path: Path) -> None:
    clock = Clock()
    config = Config(notifiers={"am": alertmanager.Options(url="http://127.0.0.1:1")})
    receivers = NotificationDispatcher(
        config, AlertStorage(AlertDatabase(tmp_path / "alerts.db")), NotifierSetup(), now=clock.now
    )
    (route,) = receivers._routes
    heard: list[tuple[list[str], list[str]]] = []

    class Manager(Receiver):
        tells_all = True

        async def tell(self, given: Notification) -> None:
            self.tries += 1
            if error := self.fails(given):
                raise error
            heard.append(([one.name for one in given.firing], [one.name for one in given.resolved]))

    route.sending.notifier = manager = Manager()

    async def go_on(seconds: float, *alerts: Alert) -> None:
        end = clock.seconds + seconds
        receivers.plan(alerts, clock.now(), 15.0)
        while clock.seconds < end:
            wait_s = await receivers.tell_all_once(route)
            clock.go_on(min(seconds if wait_s is None else wait_s, end - clock.seconds))

    one, other = alert("One"), alert("Other")
    await go_on(61, one)
    assert heard == [(["One"], [])] * 2
    manager.fails = away
    tries = manager.tries
    await go_on(3600, one, other)
    assert 50 <= manager.tries - tries <= 90
    assert "notifier am has been failing since" in str(receivers.troubles()[0])
    manager.fails = lambda _: None
    await go_on(80, alert("One", AlertState.RESOLVED), other)
    assert heard[2] == (["Other"], ["One"])
    assert set(map(str, heard[3:])) <= {str((["Other"], []))}
    assert receivers.troubles() == ()


# The document that webhooks get: Alertmanager's names for alerts, and no more of them than anybody reads.


def test_a_fingerprint_is_fnv_1a_over_names_and_values_with_a_byte_that_no_text_has_behind_each() -> None:
    assert fingerprint(()) == "cbf29ce484222325"
    found = 0xCBF29CE484222325
    for byte in b"alertname\xffDown\xffinstance\xffa:1\xff":
        found = (found ^ byte) * 0x100000001B3 % 2**64
    assert fingerprint((("alertname", "Down"), ("instance", "a:1"))) == f"{found:016x}"


def test_of_very_many_alerts_the_first_are_sent_and_the_others_counted() -> None:
    firing = tuple(alert("Down", instance=f"i{number}") for number in range(MOST_ALERTS + 3))
    made = webhook_payload(notice(firing=firing, resolved=(alert("Old", AlertState.RESOLVED),)))
    assert (len(made["alerts"]), made["truncatedAlerts"]) == (MOST_ALERTS, 4)
    assert made["alerts"][-1]["labels"]["instance"] == f"i{MOST_ALERTS - 1}"


def test_a_group_is_named_as_alertmanager_does() -> None:
    assert group_key((("alertname", 'a"b\\c\n'), ("job", "j"))) == r'{}:{alertname="a\"b\\c\n", job="j"}'
