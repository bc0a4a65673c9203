"""What the actions of ``lilfox incident`` share: which incident is meant, who writes, and whether anything may be
written."""

from __future__ import annotations

import argparse
import socket
from pathlib import Path

from lilfox_tui.cli.commands.jobs import settings
from lilfox_tui.errors import NotAllowed
from lilfox_tui.i18n import _, tr
from lilfox_tui.incident.incidents import chosen, myself


def add_id(parser: argparse.ArgumentParser) -> None:
    """The incident as a word of its own."""
    parser.add_argument("incident", nargs="?", metavar="INC-N", help=_("which; the current one when not given"))


def add_incident(parser: argparse.ArgumentParser) -> None:
    """The incident as an option, where other words are wanted."""
    parser.add_argument("--incident", metavar="INC-N", help=_("which; the current one when not given"))


def add_by(parser: argparse.ArgumentParser) -> None:
    """Who writes."""
    parser.add_argument("--by", metavar="NAME", help=_("who it is; the name of the login when not given"))


def add_json(parser: argparse.ArgumentParser) -> None:
    """A document instead of lines."""
    parser.add_argument("--json", action="store_true", help=_("one JSON document"))
    parser.add_argument("--json-schema", action="store_true", help=_("the schema of that document"))


def folder(args: argparse.Namespace) -> Path:
    """Where the incident that is meant lies. Raises NoSuchIncident."""
    return chosen(args.incident)


def writes(args: argparse.Namespace) -> str:
    """Who writes; takes language and colours from the configuration. Raises NotAllowed with ``--read-only``."""
    if settings(args):
        raise NotAllowed(tr("an incident cannot be changed with read_only"), tr("leave out --read-only"))
    name = args.by or ""
    if not name:
        return myself()
    return name if "@" in name else f"{name}@{socket.gethostname()}"
