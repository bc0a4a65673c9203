"""Services that are no web pages: ports and hosts that are asked whether they answer."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import structs

from lilfox_tui.config.model import ServiceConfig
from lilfox_tui.core.i18n import _

SERVICE_PLACES = ("url", "tcp", "icmp")
"""Keys that say where a service is; it has one of them."""
_ONLY_HTTP = ("headers", "server_errors_percent", "requests", "latency", "inflight")
"""Keys that mean nothing where no HTTP is spoken."""


def normalised(services: Mapping[str, ServiceConfig]) -> dict[str, ServiceConfig]:
    """The services, each with the ``url`` by which it is shown and told apart: ``tcp://HOST:PORT``, ``icmp://HOST``.
    One without HTTP has no metrics endpoint."""
    return {name: _normalised(each) for name, each in services.items()}


def _normalised(service: ServiceConfig) -> ServiceConfig:
    url = place_of(service)
    return service if url is None else structs.replace(service, url=url, health="", metrics=None)


def place_of(service: ServiceConfig) -> str | None:
    """What stands for the address of a service that does not speak HTTP; None of one that does."""
    if service.tcp is not None:
        return f"tcp://{service.tcp}"
    return None if service.icmp is None else f"icmp://{service.icmp}"


def speaks_http(service: ServiceConfig) -> bool:
    """Whether the service is asked over HTTP."""
    return place_of(service) is None


def probe_problems(service: ServiceConfig) -> list[tuple[str, str]]:
    """What is wrong with a service that does not speak HTTP: the key, and why."""
    keys = [key for key in ("tcp", "icmp") if getattr(service, key) is not None]
    problems = [(key, _("use only one of {names}", names=", ".join(keys))) for key in keys[1:]]
    if service.url not in ("", place_of(service)):
        problems.append(("url", _("use only one of {names}", names=f"url, {keys[0]}")))
    fresh = ServiceConfig()
    unused = (key for key in _ONLY_HTTP if getattr(service, key) != getattr(fresh, key))
    what = _("a service with {name} is not asked over HTTP; remove this key", name=keys[0])
    return [*problems, *((key, what) for key in unused)]
