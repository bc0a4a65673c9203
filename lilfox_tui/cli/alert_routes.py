"""``lilfox alerts routes``: the routes of ``alertmanager_config``, and which ones an alert takes."""

from __future__ import annotations

import argparse

from lilfox_tui.alerts.alertmanager_file import check_notifications, matcher_text, notification_rules
from lilfox_tui.alerts.routing import AlertRoute, RouteTree
from lilfox_tui.cli.output import print_line, print_text
from lilfox_tui.cli.parser import load_settings
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import _, tr
from lilfox_tui.core.text import human_duration
from lilfox_tui.metrics.model import Labels
from lilfox_tui.monitor.watchers.alert import with_rules_of_prometheus


def run_routes(args: argparse.Namespace) -> int:
    """Prints the tree of routes, or the receivers of an alert with the labels of the command line, in the order of
    their routes."""
    config = with_rules_of_prometheus(load_settings(args).config)
    tree = notification_rules(config).tree
    if tree is None:
        raise UsageError(
            tr("the configuration has no alertmanager_config"),
            tr("name the alertmanager.yml: alertmanager_config: /etc/alertmanager/alertmanager.yml"),
        )
    if args.labels:
        _print_receivers(tree, _labels(args.labels))
        return 0
    for depth, route in tree.root.walk():
        print_text("  " * depth + _route_text(route) + "\n")
    for note in check_notifications(config):
        print_line(note)
    return 0


def _print_receivers(tree: RouteTree, labels: Labels) -> None:
    names = [route.receiver for route in tree.match(labels)]
    print_text(",".join(names) + "\n")


def _labels(words: list[str]) -> Labels:
    found: dict[str, str] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not name or not sign:
            raise UsageError(
                tr("{word} is not a label", word=word),
                tr("write labels as NAME=VALUE: alertname=HostDown severity=page"),
            )
        found[name] = value
    return tuple(sorted(found.items()))


def _route_text(route: AlertRoute) -> str:
    """A route on one line: what it takes, where that goes, and how it is grouped."""
    how = route.grouping
    matchers = "{" + ",".join(matcher_text(each) for each in route.matchers) + "}"
    by = "..." if how.group_by is None else ", ".join(how.group_by)
    words = [
        matchers,
        f"→ {route.receiver}",
        f"group_by [{by}]",
        f"wait {human_duration(how.wait_s)}",
        f"interval {human_duration(how.interval_s)}",
        f"repeat {human_duration(how.remind_s or 0)}",
    ]
    if route.proceed:
        words.append("continue")
    words += [_("muted by {name}", name=name) for name in how.mute]
    words += [_("muted outside {name}", name=name) for name in how.active]
    return "  ".join(words)
