"""``lilfox alerts``: lists, acknowledges and silences alerts, shows their history, tests notifiers."""

from __future__ import annotations

import argparse
import asyncio
import os
import pwd
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from lilfox_tui.alerts.alertmanager_file import with_file_receivers
from lilfox_tui.alerts.delivery import open_notifier
from lilfox_tui.alerts.message_template import with_texts
from lilfox_tui.alerts.model import Alert, AlertState, Event, Trouble
from lilfox_tui.alerts.notification_plan import with_external_labels
from lilfox_tui.alerts.notifier import Notification, NotifierSetup, summary
from lilfox_tui.alerts.silences import (
    acknowledge,
    alerts_from_storage,
    check_silence,
    expire,
    format_matchers,
    parse_matchers,
    silence,
    unacknowledge,
    would_silence,
)
from lilfox_tui.alerts.state_folder import state_folder
from lilfox_tui.alerts.storage import DATABASE, AlertDatabase, AlertStorage, EvaluationLock, Outbox
from lilfox_tui.cli.main import Subcommand, subcommands
from lilfox_tui.cli.output import Cell, print_error, print_json, print_line, print_table, warn
from lilfox_tui.cli.parser import duration, load_settings
from lilfox_tui.cli.rule_arguments import add_json, add_lint_arguments, add_routes_arguments, add_test_arguments
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.core.errors import LilFoxError, NotAllowed, UsageError
from lilfox_tui.core.i18n import Message, _, listed, ngettext, tr
from lilfox_tui.core.text import human_duration, short_age
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.export_sections import alert_document

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Alerts, Silence, SilenceMatcher
    from lilfox_tui.config.model import Config, NotifierConfig


# What the LilFox that evaluates has kept, for actions that show or change it.


@contextmanager
def saved_state(args: argparse.Namespace, *, changes: bool = False) -> Iterator[AlertStorage]:
    """The alert state of the configuration that ``args`` names. Raises LilFoxError if there is none, and NotAllowed if
    the block ``changes`` it and changes are forbidden."""
    loaded = load_settings(args)
    if changes and loaded.config.read_only:
        raise NotAllowed(
            tr("alerts cannot be changed in read_only mode"),
            tr("leave out --read-only, or remove read_only from the configuration"),
        )
    folder = state_folder(loaded.path)
    path = None if folder is None else folder / DATABASE
    if path is None or not path.exists():
        raise LilFoxError(
            tr("no rules of this configuration have been evaluated yet"),
            tr("check that the configuration has rules:, then run lilfox or lilfox monitor"),
        )
    database = AlertDatabase(path)
    try:
        yield AlertStorage(database)
    finally:
        database.close()


def alerts_now(saved: AlertStorage) -> Alerts:
    """The current alerts; warns if nobody evaluates the rules any more."""
    now = datetime.now(UTC)
    folder = None if saved.database.path is None else Path(saved.database.path).parent
    lock = EvaluationLock(folder)
    if not lock.is_held():
        newest_ms = max((group.evaluated_ms for group in saved.groups().values()), default=None)
        if newest_ms is None:
            warn(tr("no LilFox process evaluates these rules, and none has evaluated them yet"))
        else:
            age = human_duration(now.timestamp() - newest_ms / 1000)
            warn(tr("no LilFox process evaluates these rules; showing the state from {age} ago", age=age))
    elif (frozen := lock.frozen(now)) is not None:
        alerts = alerts_from_storage(saved, now)
        return replace(alerts, troubles=(*alerts.troubles, Trouble("frozen", frozen, blind=True)))
    return alerts_from_storage(saved, now)


def matchers_of(words: Sequence[str]) -> tuple[SilenceMatcher, ...]:
    """Matchers from the command line; a word without an operator is an alert's name. Raises UsageError."""
    full = [word if any(op in word for op in "=~!") else f'alertname="{word}"' for word in words]
    return tuple(matcher for word in full for matcher in parse_matchers(word))


def user() -> str:
    """The current user, as the system names it."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def labels_text(alert: Alert) -> str:
    """The labels except the name, on one line."""
    return " ".join(f"{name}={value}" for name, value in alert.labels if name != "alertname")


# ``lilfox alerts list``: pending, firing and just resolved alerts, worst first.


_LEVELS = {"FIRING": Level.FAILING, "PENDING": Level.DEGRADED, "RESOLVED": Level.GOOD}


def add_list_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``alerts list``."""
    add_json(parser)


def run_list(args: argparse.Namespace) -> int:
    """Prints the alerts; returns 1 if one fires unsilenced, or if alerts may be missing or undelivered."""
    if args.json_schema:
        print_schema("alerts-list")
        return 0
    with saved_state(args) as saved:
        alerts, not_told = alerts_now(saved), _not_told(saved)
    if args.json:
        found = [alert_document(alert) for alert in alerts.alerts]
        troubles = [str(each) for each in alerts.troubles]
        print_json(
            {"alerts": found, "failing_rules": _failing_rules(alerts), "not_told": not_told, "troubles": troubles}
        )
    else:
        _print_alerts(alerts)
        for one in not_told:
            print_line(_not_told_text(**one))
    fires = any(one.state.name == "FIRING" and not one.silenced_by for one in alerts.alerts)
    return 1 if fires or alerts.blind or not_told else 0


def _print_alerts(alerts: Alerts) -> None:
    if not alerts.alerts:
        print_line(tr("no alerts") if not alerts.blind else tr("no known alerts, but some may be missing:"))
    rows = []
    for alert in alerts.alerts:
        since = alert.resolved_at or alert.fired_at or alert.active_at
        rows.append(
            [
                Cell(_STATES[alert.state.name](), _LEVELS[alert.state.name]),
                Cell(alert.name),
                Cell(short_age((alerts.at - since).total_seconds()), right=True),
                Cell(_alert_value(alert), right=True),
                Cell(_response_text(alert)),
                Cell(labels_text(alert)),
                Cell(summary(alert)),
            ]
        )
    print_table(rows)
    for rule in _failing_rules(alerts):
        print_line(tr("rule {name} ({group}) fails: {error}", **rule))
    for trouble in alerts.troubles:
        print_line(trouble.text)


_STATES = {"FIRING": lambda: _("firing"), "PENDING": lambda: _("pending"), "RESOLVED": lambda: _("resolved")}


def _alert_value(alert: Alert) -> str:
    value = f"{alert.value:g}"
    return _("was {value}", value=value) if alert.state.name == "RESOLVED" else value


def _response_text(alert: Alert) -> str:
    if alert.silenced_by:
        return alert.suppression or _("silenced")
    return "" if alert.acknowledged is None else _("acknowledged by {name}", name=alert.acknowledged.by)


def _not_told(saved: AlertStorage) -> list[dict[str, Any]]:
    """The notifiers with undelivered messages that were tried at least once."""
    outbox = Outbox(saved.database)
    found: list[dict[str, Any]] = []
    for name in outbox.receivers():
        first = outbox.first_of_groups(name)
        if any(one.tries for one in first):
            since = datetime.fromtimestamp(min(one.made_ms for one in first) / 1000, UTC)
            told = {"notifier": name, "messages": outbox.count(name), "since": since.isoformat(timespec="seconds")}
            found.append(told)
    return found


def _not_told_text(notifier: str, messages: int, since: str) -> str:
    text = ngettext(
        "{notifier}: {count} message undelivered since {since}",
        "{notifier}: {count} messages undelivered since {since}",
        messages, notifier=notifier, since=since,
    )  # fmt: skip
    return _("{said}; to test it: lilfox alerts notify-test {notifier}", said=text, notifier=notifier)


def _failing_rules(alerts: Alerts) -> list[dict[str, str]]:
    return [
        {"name": rule.name, "group": rule.group, "error": str(rule.error)}
        for rule in alerts.rules
        if rule.error is not None
    ]


# ``lilfox alerts ack``: somebody has seen it; no reminders until it resolves.


def add_ack_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``alerts ack``."""
    matchers = tr('alert name, or label matchers: instance=a:9100, team=~"web|db"')
    parser.add_argument("matchers", nargs="+", metavar="MATCHER", help=str(matchers))
    parser.add_argument("--note", default="", metavar="TEXT", help=str(tr("note for other responders")))
    parser.add_argument("--by", metavar="NAME", help=str(tr("name to record as the author; default: the login name")))
    parser.add_argument("--undo", action="store_true", help=str(tr("withdraw the acknowledgement")))


def run_ack(args: argparse.Namespace) -> int:
    """Acknowledges every pending or firing alert that matches all matchers."""
    wanted, by = matchers_of(args.matchers), args.by or user()
    with saved_state(args, changes=True) as saved:
        alerts = would_silence(wanted, alerts_now(saved).alerts)
        live = [one for one in alerts if one.state is not AlertState.RESOLVED]
        if not live:
            raise LilFoxError(tr("no pending or firing alert matches"), tr("see: lilfox alerts list"))
        for alert in live:
            if args.undo:
                unacknowledge(saved, alert, by, datetime.now(UTC))
                print_line(tr("no longer acknowledged: {name} {labels}", name=alert.name, labels=labels_text(alert)))
            else:
                acknowledge(saved, alert, by, args.note, datetime.now(UTC))
                print_line(tr("acknowledged: {name} {labels}", name=alert.name, labels=labels_text(alert)))
    return 0


# ``lilfox alerts silence``: nobody is told of what fits, for a time.


def add_silence_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``alerts silence``."""
    matchers = tr('alert name, or label matchers: instance=a:9100, team=~"web|db"')
    parser.add_argument("matchers", nargs="+", metavar="MATCHER", help=str(matchers))
    how_long = parser.add_mutually_exclusive_group()
    how_long.add_argument(
        "--for",
        dest="for_s",
        type=duration,
        default=3600.0,
        metavar="DURATION",
        help=str(tr("how long, such as 4h; default: 1h")),
    )
    how_long.add_argument(
        "--until-resolved", action="store_true", help=str(tr("until no alert matches any more, at most 30 days"))
    )
    parser.add_argument(
        "--preview", action="store_true", help=str(tr("show which alerts it would silence; change nothing"))
    )
    parser.add_argument("--comment", default="", metavar="TEXT", help=str(tr("why")))
    parser.add_argument("--by", metavar="NAME", help=str(tr("name to record as the author; default: the login name")))


def run_silence(args: argparse.Namespace) -> int:
    """Creates a silence, or shows what it would silence."""
    wanted = matchers_of(args.matchers)
    check_silence(wanted)
    with saved_state(args, changes=not args.preview) as saved:
        found = [one for one in would_silence(wanted, alerts_now(saved).alerts) if one.state is not AlertState.RESOLVED]
        for alert in found:
            print_line(f"{alert.name} {labels_text(alert)}")
        count = ngettext("{count} alert matches now", "{count} alerts match now", len(found))
        if args.preview:
            print_line(f"{format_matchers(wanted)}: {count}")
            return 0
        for_s = None if args.until_resolved else args.for_s
        made = silence(saved, wanted, for_s, args.by or user(), args.comment, datetime.now(UTC))
        print_line(_silenced(made))
        print_line(tr("{count}; silence id: {id}", count=count, id=made.id))
    return 0


def _silenced(made: Silence) -> Message:
    end, matchers = made.ends_at, format_matchers(made.matchers)
    if made.until_resolved:
        return tr(
            "silenced until resolved, at most until {end:%Y-%m-%d %H:%M:%S} UTC: {matchers}", end=end, matchers=matchers
        )
    return tr("silenced until {end:%Y-%m-%d %H:%M:%S} UTC: {matchers}", end=end, matchers=matchers)


# ``lilfox alerts silences``: those in force, and those that have ended within five days.


def add_silences_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``alerts silences``."""
    parser.add_argument("--all", action="store_true", help=str(tr("include ended silences")))
    add_json(parser)


def run_silences(args: argparse.Namespace) -> int:
    """Prints the silences, the one that ends last first."""
    if args.json_schema:
        print_schema("alerts-silences")
        return 0
    now = datetime.now(UTC)
    with saved_state(args) as saved:
        silences = [one for one in saved.silences() if args.all or now < one.ends_at]
    if args.json:
        print_json(
            {
                "silences": [
                    {
                        "id": one.id, "matchers": format_matchers(one.matchers), "starts_at": one.starts_at.isoformat(),
                        "ends_at": one.ends_at.isoformat(), "created_by": one.created_by, "comment": one.comment,
                        "until_resolved": one.until_resolved,
                    }
                    for one in silences
                ]
            }
        )  # fmt: skip
        return 0
    if not silences:
        print_line(tr("no silences"))
    rows = []
    for one in silences:
        left_s = (one.ends_at - now).total_seconds()
        left = _("ended {age} ago", age=human_duration(-left_s)) if left_s <= 0 else human_duration(left_s)
        ends = _("until resolved") if one.until_resolved and left_s > 0 else left
        rows.append(
            [Cell(one.id), Cell(ends), Cell(format_matchers(one.matchers)), Cell(one.created_by), Cell(one.comment)]
        )
    print_table(rows)
    return 0


# ``lilfox alerts expire``: ends silences.


def add_expire_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``alerts expire``."""
    parser.add_argument("ids", nargs="+", metavar="ID", help=str(tr("silence id, or its first characters")))
    parser.add_argument("--by", metavar="NAME", help=str(tr("name to record as the author; default: the login name")))


def run_expire(args: argparse.Namespace) -> int:
    """Ends the silences now."""
    with saved_state(args, changes=True) as saved:
        for wanted in args.ids:
            ended = expire(saved, wanted, args.by or user(), datetime.now(UTC))
            print_line(tr("silence ended: {matchers}", matchers=format_matchers(ended.matchers)))
    return 0


# ``lilfox alerts history``: what fired, resolved, was told, acknowledged and silenced, the newest first.


_KINDS: Mapping[str, tuple[Message, Level | None]] = {
    "fired": (tr("fired"), Level.FAILING),
    "resolved": (tr("resolved"), Level.GOOD),
    "acknowledged": (tr("acknowledged"), None),
    "unacknowledged": (tr("no longer acknowledged"), None),
    "silenced": (tr("silenced"), None),
    "expired": (tr("silence ended"), None),
    "told": (tr("notified"), None),
    "not told": (tr("not notified"), Level.DEGRADED),
}


def add_history_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``alerts history``."""
    parser.add_argument("--since", type=duration, metavar="DURATION", help=str(tr("how far back to look, such as 1d")))
    parser.add_argument(
        "--limit", type=int, default=100, metavar="COUNT", help=str(tr("maximum number of entries; default: 100"))
    )
    add_json(parser)


def run_history(args: argparse.Namespace) -> int:
    """Prints the history."""
    if args.json_schema:
        print_schema("alerts-history")
        return 0
    since = None if args.since is None else datetime.now(UTC) - timedelta(seconds=args.since)
    with saved_state(args) as saved:
        events = saved.events(max(0, args.limit), since=since)
    if args.json:
        print_json({"events": [_event_document(event) for event in events]})
    elif not events:
        print_line(tr("no events in the history"))
    else:
        print_table([_event_row(event) for event in events])
    return 0


def _event_document(event: Event) -> dict[str, Any]:
    value = event.value if event.value is not None and abs(event.value) < float("inf") else None
    return {
        "at": event.at.isoformat(), "kind": event.kind, "labels": dict(event.labels), "rule": event.rule,
        "value": value, "lasted_s": event.lasted_s, "by": event.by, "note": event.note,
    }  # fmt: skip


def _event_row(event: Event) -> list[Cell]:
    text, level = _KINDS[event.kind]
    lasted = "" if event.lasted_s is None else _("after {lasted}", lasted=human_duration(event.lasted_s))
    value = "" if event.value is None else f"{event.value:g}"
    labels = " ".join(f"{name}={found}" for name, found in event.labels if name != "alertname")
    name = dict(event.labels).get("alertname", "")
    said = " ".join(part for part in (lasted, event.by, event.note) if part)
    at = event.at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return [Cell(at), Cell(str(text), level), Cell(name), Cell(value, right=True), Cell(labels), Cell(said)]


# ``lilfox alerts notify-test``: sends a test to those who are told of alerts.


_VALID_S = 60.0


def add_notify_test_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``alerts notify-test``."""
    names = tr("the name of a notifier in the configuration; default: all")
    parser.add_argument("names", nargs="*", metavar="NAME", help=str(names))


_TEST_NAME = (("alertname", "LilFoxTest"),)


def run_notify_test(args: argparse.Namespace) -> int:
    """Sends a test message to each notifier once, without retries; returns 1 if one failed. After a success, messages
    that wait for the notifier are sent too."""
    loaded = load_settings(args)
    config = with_file_receivers(loaded.config)
    if not config.notifiers:
        raise UsageError(tr("the configuration has no notifiers"), tr("add them under notifiers: in the configuration"))
    unknown = [name for name in args.names if name not in config.notifiers]
    if unknown:
        known = listed(config.notifiers)
        raise UsageError(tr("no notifier named {name}", name=unknown[0]), tr("one of: {kinds}", kinds=known))
    wanted = {name: options for name, options in config.notifiers.items() if not args.names or name in args.names}
    told = asyncio.run(_send_tests(config, wanted))
    try:
        _record(told, loaded.path)
    except LilFoxError as error:  # the test arrived, its record does not
        warn(str(error))
    return 0 if len(told) == len(wanted) else 1


def _record(told: Collection[str], config_file: Path | None) -> None:
    """Records the tests that arrived, for the history and ``lilfox audit``, and makes what waits for these notifiers
    due."""
    folder = state_folder(config_file)
    if folder is None or not told:
        return
    database = AlertDatabase(folder / DATABASE)
    try:
        now = datetime.now(UTC)
        AlertStorage(database).add_events(Event(now, "told", _TEST_NAME, by=name, note="test") for name in told)
        for name in told:
            Outbox(database).release(name)
    finally:
        database.close()


async def _send_tests(config: Config, wanted: Mapping[str, NotifierConfig]) -> list[str]:
    errors = await asyncio.gather(*(_send_test(config, name, options) for name, options in wanted.items()))
    for name, error in zip(wanted, errors, strict=True):
        if error is None:
            print_line(tr("{name}: test notification sent", name=name))
        else:
            print_error(LilFoxError(tr("{name}: {error}", name=name, error=error), error.hint))
    return [name for name, error in zip(wanted, errors, strict=True) if error is None]


async def _send_test(config: Config, name: str, options: NotifierConfig) -> LilFoxError | None:
    notifier = open_notifier(name, options, NotifierSetup())
    try:
        async with asyncio.timeout(options.timeout):
            await notifier.tell(with_texts(_test_notice(config, name), options))
    except TimeoutError:
        return LilFoxError(tr("no answer within {seconds:g} s", seconds=options.timeout))
    except LilFoxError as error:
        return error
    finally:
        await notifier.close()
    return None


def _test_notice(config: Config, receiver: str) -> Notification:
    now = datetime.now(UTC)
    labels = (*_TEST_NAME, ("severity", "none"))
    summary = (("summary", _("LilFox test notification; nothing is wrong")),)
    alert = with_external_labels(
        Alert(labels, summary, AlertState.FIRING, now, 0.0, now), config.alerts.external_labels
    )
    number = uuid.uuid4().hex
    return Notification(
        number, number, now, receiver, "test", labels[:1], firing=(alert,),
        valid_until=now + timedelta(seconds=_VALID_S), external_url=config.alerts.external_url,
    )  # fmt: skip


# ``lilfox alerts lint | test``: what they need (PromQL, numpy, YAML) is imported when they run.


def run_on_rules(args: argparse.Namespace) -> int:
    """Runs ``alerts lint``, ``alerts test`` or ``alerts routes``."""
    from lilfox_tui.cli.alert_rules import RUNS

    return RUNS[args.action](args)


ACTIONS = {
    "list": Subcommand(
        tr("list pending, firing and recently resolved alerts, worst first"), add_list_arguments, run_list
    ),
    "ack": Subcommand(tr("acknowledge alerts: no reminders until they resolve"), add_ack_arguments, run_ack),
    "silence": Subcommand(tr("silence matching alerts for a while"), add_silence_arguments, run_silence),
    "silences": Subcommand(tr("list silences"), add_silences_arguments, run_silences),
    "expire": Subcommand(tr("end silences"), add_expire_arguments, run_expire),
    "history": Subcommand(
        tr("show the history: fired, resolved, notified, acknowledged, silenced"), add_history_arguments, run_history
    ),
    "notify-test": Subcommand(
        tr("send a test notification through each notifier"), add_notify_test_arguments, run_notify_test
    ),
    "routes": Subcommand(tr("show the routes of alertmanager_config"), add_routes_arguments, run_on_rules),
    "lint": Subcommand(tr("check rule files for errors and misleading rules"), add_lint_arguments, run_on_rules),
    "test": Subcommand(
        tr("run unit tests of rules, in the format of promtool test rules"), add_test_arguments, run_on_rules
    ),
}

add_arguments, run = subcommands(ACTIONS)
