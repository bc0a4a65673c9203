"""What the LilFox that evaluates has kept, for actions that show or change it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lilfox_tui.cli.output import warn
from lilfox_tui.cli.settings import load_settings
from lilfox_tui.errors import LilFoxError, NotAllowed
from lilfox_tui.i18n import tr
from lilfox_tui.text import human_duration

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Alert, Alerts, SilenceMatcher
    from lilfox_tui.alerts.storage import AlertStorage


@contextmanager
def kept(args: argparse.Namespace, *, changes: bool = False) -> Iterator[AlertStorage]:
    """The state of the configuration that ``args`` names. Raises LilFoxError where there is none, and NotAllowed where
    the block ``changes`` it and nothing may be changed."""
    from lilfox_tui.alerts.ownership import DATABASE, state_folder
    from lilfox_tui.alerts.storage import AlertDatabase, AlertStorage

    loaded = load_settings(args)
    if changes and loaded.config.read_only:
        raise NotAllowed(tr("alerts are not changed with read_only"), tr("leave out --read-only"))
    folder = state_folder(loaded.path)
    path = None if folder is None else folder / DATABASE
    if path is None or not path.exists():
        raise LilFoxError(
            tr("no rules of this configuration have been evaluated yet"),
            tr("run lilfox, or lilfox monitor, with rules: in the configuration"),
        )
    database = AlertDatabase(path)
    try:
        yield AlertStorage(database)
    finally:
        database.close()


def alerts_now(saved: AlertStorage) -> Alerts:
    """What is known now; says so where nobody evaluates any more."""
    from msgspec.structs import replace

    from lilfox_tui.alerts.model import Trouble
    from lilfox_tui.alerts.ownership import EvaluationLock
    from lilfox_tui.alerts.views import alerts_from_storage

    now = datetime.now(UTC)
    folder = None if saved.database.path is None else Path(saved.database.path).parent
    lock = EvaluationLock(folder)
    if not lock.is_held():
        newest_ms = max((group.evaluated_ms for group in saved.groups().values()), default=None)
        age = "-" if newest_ms is None else human_duration(now.timestamp() - newest_ms / 1000)
        warn(tr("no LilFox evaluates these rules now; this is how it was {age} ago", age=age))
    elif (frozen := lock.frozen(now)) is not None:
        alerts = alerts_from_storage(saved, now)
        return replace(alerts, troubles=(*alerts.troubles, Trouble("frozen", frozen, blind=True)))
    return alerts_from_storage(saved, now)


def matchers_of(words: Sequence[str]) -> tuple[SilenceMatcher, ...]:
    """Matchers from the command line; a word without an operator is an alert's name. Raises UsageError."""
    from lilfox_tui.alerts.silences import parse_matchers

    full = [word if any(op in word for op in "=~!") else f'alertname="{word}"' for word in words]
    return tuple(matcher for word in full for matcher in parse_matchers(word))


def user() -> str:
    """Who acts, as the system has it."""
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def labels_text(alert: Alert) -> str:
    """Its labels but its name, on one line."""
    return " ".join(f"{name}={value}" for name, value in alert.labels if name != "alertname")
