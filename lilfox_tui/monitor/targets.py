"""What is watched: what the config names; with nothing in it, this machine and the services that are found here."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping

from lilfox_tui.config.model import Config, HostConfig, ServiceConfig

_NAME_LENGTH = 64


def watched_hosts(config: Config) -> Mapping[str, HostConfig]:
    """The hosts of ``config``, or this machine."""
    return config.hosts or {this_machine(): HostConfig(local=True)}


def watched_services(config: Config) -> Mapping[str, ServiceConfig]:
    """The services of ``config``; where it names neither hosts nor services, those found on this machine."""
    return config.services if names_services(config) else _found_services()


def names_services(config: Config) -> bool:
    """Whether ``config`` says what services there are; else they are found, and only shown: no rule and no other
    program takes a port that happens to be open for something that is to be up."""
    return bool(config.services or config.hosts)


def _found_services() -> Mapping[str, ServiceConfig]:
    from lilfox_tui.metrics.health import find_services

    return find_services()


def this_machine() -> str:
    """This machine's name in a form that a config accepts (``Name``)."""
    cleaned = re.sub(r"[^A-Za-z0-9._-]+", "-", socket.gethostname()).lstrip("._-")
    return cleaned[:_NAME_LENGTH] or "localhost"
