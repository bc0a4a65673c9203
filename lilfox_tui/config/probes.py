"""Services that are no web pages: ports and hosts that must answer, jobs that must report, certificates, log lines."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from msgspec import structs

from lilfox_tui.config.cron import read_cron
from lilfox_tui.config.model import LogConfig, ServiceConfig
from lilfox_tui.config.service_probes import CertificateConfig, DeadlineConfig
from lilfox_tui.config.values import Seconds
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import _

SERVICE_PLACES = ("url", "tcp", "icmp", "deadline", "certificate", "lines")
"""Keys that say where a service is; it has one of them."""
LINES_EVERY = Seconds(15)
"""How often lines are counted."""
CERTIFICATE_EVERY = Seconds(300)
"""How often a certificate is looked at."""
DEADLINE_EVERY = Seconds(10)
"""How often a deadline is looked at."""
_ONLY_HTTP = ("headers", "server_errors_percent", "requests", "latency", "inflight")
"""Keys that mean nothing where no HTTP is spoken."""


def normalised(services: Mapping[str, ServiceConfig], logs: Mapping[str, LogConfig]) -> dict[str, ServiceConfig]:
    """The services, each with the ``url`` by which it is shown and told apart: ``tcp://HOST:PORT``, ``icmp://HOST``,
    ``deadline://NAME``, ``certificate://PLACE``,
    ``lines://LOG``. One without HTTP has no metrics endpoint."""
    return {name: _normalised(name, each, logs) for name, each in services.items()}


def _normalised(name: str, service: ServiceConfig, logs: Mapping[str, LogConfig]) -> ServiceConfig:
    url = place_of(name, service)
    if url is None:
        return service
    made = structs.replace(service, url=url, health="", metrics=None)
    if service.certificate is not None:
        return structs.replace(made, down_after=1, up_after=1, every=service.every or CERTIFICATE_EVERY)
    if service.lines is not None:
        host = None if service.lines.log not in logs else logs[service.lines.log].host
        return structs.replace(made, from_=host, down_after=1, up_after=1, every=service.every or LINES_EVERY)
    if service.deadline is None:
        return made
    return structs.replace(made, slow=None, down_after=1, up_after=1, every=service.every or DEADLINE_EVERY)


def place_of(name: str, service: ServiceConfig) -> str | None:
    """What stands for the address of a service that does not speak HTTP; None of one that does."""
    if service.tcp is not None:
        return f"tcp://{service.tcp}"
    if service.icmp is not None:
        return f"icmp://{service.icmp}"
    if service.certificate is not None:
        return f"certificate://{service.certificate.address or service.certificate.file}"
    if service.lines is not None:
        return f"lines://{service.lines.log}"
    return None if service.deadline is None else f"deadline://{service.deadline.file or name}"


def speaks_http(service: ServiceConfig) -> bool:
    """Whether the service is asked over HTTP."""
    return all(getattr(service, key) is None for key in SERVICE_PLACES[1:])


def probe_problems(name: str, service: ServiceConfig) -> list[tuple[str, str]]:
    """What is wrong with a service that does not speak HTTP: the key, and why."""
    keys = [key for key in SERVICE_PLACES[1:] if getattr(service, key) is not None]
    problems = [(key, _("use only one of {names}", names=", ".join(keys))) for key in keys[1:]]
    if service.url not in ("", place_of(name, service)):
        problems.append(("url", _("use only one of {names}", names=f"url, {keys[0]}")))
    fresh = ServiceConfig()
    unused = (key for key in _ONLY_HTTP if getattr(service, key) != getattr(fresh, key))
    what = _("a service with {name} is not asked over HTTP; remove this key", name=keys[0])
    problems += ((key, what) for key in unused)
    if service.lines is not None and (why := _filter_problem(service.lines.where)):
        problems.append(("lines", why))
    if service.certificate is not None:
        problems += _certificate_problems(service.certificate)
    return problems if service.deadline is None else [*problems, *_deadline_problems(service.deadline)]


def _filter_problem(where: str) -> str:
    """What is wrong with a filter of log lines; its language is imported only where there is one."""
    syntax = importlib.import_module("lilfox_tui.logs.filter.syntax")
    try:
        syntax.parse_filter(where, now=datetime.now(UTC), zone=UTC)
    except UsageError as error:
        return f"where: {error.message}"
    return ""


def _certificate_problems(certificate: CertificateConfig) -> Iterator[tuple[str, str]]:
    if (certificate.file is None) == (certificate.address is None):
        yield "certificate", _("set either file or address")
    if certificate.address is not None:
        if not re.fullmatch(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s/@:\[\]]+):\d{1,5}", certificate.address):
            yield "certificate", _("address: write HOST:PORT")
        for key in (key for key in ("chain", "sudo") if getattr(certificate, key)):
            yield "certificate", _("{name} is for a file; remove it", name=key)


def _deadline_problems(deadline: DeadlineConfig) -> list[tuple[str, str]]:
    problems = []
    if (deadline.period is None) == (deadline.schedule is None):
        problems.append(("deadline", _("set either period or schedule")))
    if deadline.schedule is not None:
        try:
            read_cron(deadline.schedule)
        except UsageError as error:
            problems.append(("deadline", f"{error.message}; {error.hint}"))
    if deadline.file is not None and deadline.token is not None:
        problems.append(("deadline", _("use only one of {names}", names="file, token")))
    return problems
