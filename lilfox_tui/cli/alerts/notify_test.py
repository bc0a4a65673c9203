"""``lilfox alerts notify-test``: sends a test to those who are told of alerts."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from lilfox_tui.cli.output import print_error, print_line
from lilfox_tui.cli.settings import load_settings
from lilfox_tui.errors import LilFoxError, UsageError
from lilfox_tui.i18n import _, listed, tr

if TYPE_CHECKING:
    from lilfox_tui.alerts.notifier import Notification
    from lilfox_tui.config.model import Config, NotifierConfig

_VALID_S = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what ``alerts notify-test`` accepts."""
    names = tr("the name of a notifier in the configuration; default: all")
    parser.add_argument("names", nargs="*", metavar="NAME", help=str(names))


def run(args: argparse.Namespace) -> int:
    """Tells each once, without retries; 1 where one could not be told. What waits for one that was told goes out."""
    loaded = load_settings(args)
    config = loaded.config
    if not config.notifiers:
        raise UsageError(tr("the configuration has no notifiers"), tr("write them into the section notifiers:"))
    unknown = [name for name in args.names if name not in config.notifiers]
    if unknown:
        known = listed(config.notifiers)
        raise UsageError(tr("no notifier is named {name}", name=unknown[0]), tr("one of: {kinds}", kinds=known))
    wanted = {name: options for name, options in config.notifiers.items() if not args.names or name in args.names}
    told = asyncio.run(_tell(config, wanted))
    _release(told, loaded.path)
    return 0 if len(told) == len(wanted) else 1


def _release(told: Collection[str], config_file: Path | None) -> None:
    from lilfox_tui.alerts.ownership import DATABASE, state_folder
    from lilfox_tui.alerts.storage import AlertDatabase, Outbox

    folder = state_folder(config_file)
    if folder is None or not (folder / DATABASE).exists():
        return
    database = AlertDatabase(folder / DATABASE)
    try:
        for name in told:
            Outbox(database).release(name)
    finally:
        database.close()


async def _tell(config: Config, wanted: Mapping[str, NotifierConfig]) -> list[str]:
    errors = await asyncio.gather(*(_tell_one(config, name, options) for name, options in wanted.items()))
    for name, error in zip(wanted, errors, strict=True):
        if error is None:
            print_line(tr("{name}: told", name=name))
        else:
            print_error(LilFoxError(tr("{name}: {error}", name=name, error=error), error.hint))
    return [name for name, error in zip(wanted, errors, strict=True) if error is None]


async def _tell_one(config: Config, name: str, options: NotifierConfig) -> LilFoxError | None:
    from lilfox_tui.alerts.delivery import open_notifier
    from lilfox_tui.alerts.notifier import NotifierSetup

    notifier = open_notifier(name, options, NotifierSetup())
    try:
        async with asyncio.timeout(options.timeout):
            await notifier.tell(_notice(config, name))
    except TimeoutError:
        return LilFoxError(tr("no answer within {seconds:g} s", seconds=options.timeout))
    except LilFoxError as error:
        return error
    finally:
        await notifier.close()
    return None


def _notice(config: Config, receiver: str) -> Notification:
    import uuid

    from lilfox_tui.alerts.model import Alert, AlertState
    from lilfox_tui.alerts.notification_plan import with_external_labels
    from lilfox_tui.alerts.notifier import Notification

    now = datetime.now(UTC)
    labels = (("alertname", "LilFoxTest"), ("severity", "none"))
    summary = (("summary", _("a test of LilFox; nothing is wrong")),)
    alert = with_external_labels(
        Alert(labels, summary, AlertState.FIRING, now, 0.0, now), config.alerts.external_labels
    )
    number = uuid.uuid4().hex
    return Notification(
        number, number, now, receiver, "test", labels[:1], firing=(alert,),
        valid_until=now + timedelta(seconds=_VALID_S), external_url=config.alerts.external_url,
    )  # fmt: skip
