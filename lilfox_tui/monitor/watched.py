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
    if config.services or config.hosts:
        return config.services
    from lilfox_tui.metrics.discover import find_services

    return find_services()


def this_machine() -> str:
    """This machine's name in a form that a config accepts (``Name``)."""
    cleaned = re.sub(r"[^A-Za-z0-9._-]+", "-", socket.gethostname()).lstrip("._-")
    return cleaned[:_NAME_LENGTH] or "localhost"
