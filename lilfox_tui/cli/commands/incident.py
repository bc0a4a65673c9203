"""``lilfox incident``: what happens during an incident, and who does what. Its actions are in files beside, a few each,
and imported when one is asked for."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import NamedTuple, Protocol, cast

from lilfox_tui.cli.main import add_everywhere
from lilfox_tui.i18n import Message, tr


class Action(NamedTuple):
    """In which file of ``cli/incidents/`` it is, and what it is for."""

    file: str
    text: Message


ACTIONS = {
    "open": Action("course", tr("open one: from now on what LilFox does is written down")),
    "current": Action("looking", tr("the one that is open; exits 1 where none is")),
    "list": Action("looking", tr("those that are open, or all of them")),
    "show": Action("looking", tr("what is known of one, and its timeline")),
    "handover": Action("looking", tr("what the next one must know, as text")),
    "follow": Action("following", tr("its timeline as it grows, until it is closed")),
    "note": Action("saying", tr("write something down")),
    "decide": Action("saying", tr("write a decision down")),
    "role": Action("saying", tr("say who is lead, communication, scribe …")),
    "severity": Action("saying", tr("say how bad it is")),
    "call": Action("saying", tr("whom to call; that somebody was called, and what came of it")),
    "mark": Action("saying", tr("say when it was detected, acknowledged, mitigated or resolved")),
    "evidence": Action("proof", tr("keep a file of it, secrets masked")),
    "verify": Action("proof", tr("see whether anything was altered; names the first altered line")),
    "export": Action("proof", tr("all of it as Markdown")),
    "take-over": Action("course", tr("say that you act from now on")),
    "close": Action("course", tr("close it; lists the changes that are still in force")),
    "reopen": Action("course", tr("open a closed one again")),
}


class File(Protocol):
    """What each file in ``cli/incidents/`` has."""

    def add_arguments(self, parser: argparse.ArgumentParser, action: str) -> None:
        """Says what ``incident ACTION`` accepts."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Does what ``args.action`` says; gives the exit code. Raises LilFoxError."""
        ...


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what ``incident`` accepts."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, action in ACTIONS.items():
        text = str(action.text)
        sub = actions.add_parser(name, help=text, description=text)
        add_everywhere(sub)
        _file(name).add_arguments(sub, name)


def run(args: argparse.Namespace) -> int:
    """Does what ``args.action`` says."""
    return _file(args.action).run(args)


def _file(action: str) -> File:
    return cast("File", import_module(f"lilfox_tui.cli.incidents.{ACTIONS[action].file}"))
