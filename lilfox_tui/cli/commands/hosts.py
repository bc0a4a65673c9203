"""``lilfox hosts``: the connection status of each host, and the trusted keys."""

from __future__ import annotations

import argparse
import asyncio
import sys

import msgspec

from lilfox_tui.cli.main import add_everywhere
from lilfox_tui.cli.output import Cell, ask_line, print_json, print_line, print_table, shape
from lilfox_tui.cli.parser import duration, load_settings
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.config.model import Config
from lilfox_tui.core.errors import HostKeyChanged, NotAllowed, UsageError
from lilfox_tui.core.i18n import _, clauses, listed, tr
from lilfox_tui.hosts.base import OfferedKey
from lilfox_tui.hosts.open import offered_key, trust
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.export import report
from lilfox_tui.monitor.model import Overview
from lilfox_tui.monitor.monitor import Monitor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``hosts``."""
    _add_list_arguments(parser, first=True)
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    listing = actions.add_parser("list", help=_("connection status and health of each host"))
    _add_list_arguments(listing, first=False)
    trusting = actions.add_parser("trust", help=_("trust the key that a host presents"))
    for action in (listing, trusting):
        add_everywhere(action)
    trusting.add_argument("name", metavar="NAME", help=_("the host's name in the config"))
    how = trusting.add_mutually_exclusive_group()
    how.add_argument("--fingerprint", metavar="SHA256:…", help=_("accept only the key with this fingerprint"))
    how.add_argument(
        "--yes",
        action="store_true",
        help=_("accept a new host key without asking; a changed or revoked key is still rejected"),
    )


def _add_list_arguments(parser: argparse.ArgumentParser, *, first: bool) -> None:
    def default(value: object) -> object:
        return value if first else argparse.SUPPRESS

    parser.add_argument(
        "--json", action="store_true", default=default(False), help=_("print the result as one JSON document")
    )
    parser.add_argument(
        "--json-schema",
        action="store_true",
        default=default(False),
        help=_("print the JSON schema of that document and exit"),
    )
    parser.add_argument(
        "--timeout",
        type=duration,
        default=default(15.0),
        metavar="DURATION",
        help=_("time limit for all checks together"),
    )


def run(args: argparse.Namespace) -> int:
    """Lists the hosts or trusts a key."""
    if args.json_schema:
        print_schema("hosts")
        return 0
    config = load_settings(args).config
    if args.action == "trust":
        return asyncio.run(_trust(config, args))
    return _list(config, args)


def _list(config: Config, args: argparse.Namespace) -> int:
    only_hosts = msgspec.structs.replace(config, services={})
    overview = asyncio.run(Monitor(only_hosts).check_once(args.timeout))
    if args.json:
        print_json({"hosts": report(overview)["hosts"]})
    else:
        _print_hosts(overview)
    return 1 if any(view.level is Level.FAILING for view in overview.hosts.values()) else 0


def _print_hosts(overview: Overview) -> None:
    rows = []
    for view in overview.hosts.values():
        config = view.config
        address = _("this machine") if config.local else config.address or view.name
        why = clauses(map(str, view.reasons))
        rows.append([shape(view.level), Cell(view.name), Cell(address), Cell(" ".join(config.tags)), Cell(why)])
    print_table(rows)


async def _trust(config: Config, args: argparse.Namespace) -> int:
    host = config.hosts.get(args.name)
    if host is None:
        known = listed(config.hosts) or "-"
        raise UsageError(tr("{host}: no such host in the config", host=args.name), tr("one of: {names}", names=known))
    if config.read_only:
        raise NotAllowed(
            tr("host keys cannot be accepted in read_only mode"),
            tr("leave out --read-only, or remove read_only from the configuration"),
        )
    key = await offered_key(args.name, host, config.ssh)
    if key.known == "trusted":
        print_line(tr("{host} is already trusted: {key}", host=args.name, key=_shown(key)))
        return 0
    if key.known in ("changed", "revoked"):
        raise _refused(args.name, key)
    fingerprint = args.fingerprint or key.fingerprint
    if not args.fingerprint and not args.yes and not _agreed(args.name, key):
        return 1
    trusted = await trust(args.name, host, config.ssh, fingerprint)
    print_line(
        tr("{host} is now trusted: {key}, saved in {file}", host=args.name, key=_shown(trusted), file=trusted.file)
    )
    return 0


def _refused(name: str, key: OfferedKey) -> HostKeyChanged:
    known = listed(key.known_fingerprints) or "-"
    revoked = key.known == "revoked"
    if revoked:
        message = tr("{host} presents a revoked key: {key}", host=name, key=_shown(key))
        hint = tr("Do not connect: whoever has the revoked key can pose as the host. Give the host a new key.")
    else:
        message = tr(
            "{host} presents a different key than before: {key}, known: {known}",
            host=name,
            key=_shown(key),
            known=known,
        )
        hint = tr(
            "possible man-in-the-middle attack; if the host was reinstalled, first run: "
            "ssh-keygen -R '{place}' -f {file}",
            place=key.place,
            file=key.file,
        )
    return HostKeyChanged(name, message, hint, fingerprint=key.fingerprint, known=known, revoked=revoked)


def _shown(key: OfferedKey) -> str:
    return f"{key.key_type} {key.fingerprint}"


def _agreed(name: str, key: OfferedKey) -> bool:
    """Asks at the terminal whether to trust the key; returns whether the user typed the whole word. Raises UsageError
    if there is no terminal."""
    print_line(tr("{host} presents an unknown key: {key}", host=name, key=_shown(key)))
    if not sys.stdin.isatty():
        raise UsageError(
            tr("cannot ask whether to trust {host}: stdin is not a terminal", host=name),
            tr(
                "verify the fingerprint with the host's owner, then run: lilfox hosts trust {host} --fingerprint "
                "{fingerprint}",
                host=name,
                fingerprint=key.fingerprint,
            ),
        )
    answer = ask_line(tr("Compare the fingerprint with the one from the host's owner. To trust this key, type yes:"))
    if (answer or "").strip() == "yes":
        return True
    print_line(tr("not trusted"))
    return False
