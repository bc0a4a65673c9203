"""A certificate that is watched by itself: the key ``certificate`` of a service."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class CertificateConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A certificate in a file, or of a TLS port that does not speak HTTP."""

    file: Annotated[str, Meta(pattern="^/[^\0]*$")] | None = None
    """PEM file on the host in ``from``: the certificate first, then those that have issued it."""
    address: str | None = None
    """Instead: ``HOST:PORT`` that speaks TLS at once. The trust store of this machine judges its chain."""
    names: tuple[Annotated[str, Meta(min_length=1)], ...] = ()
    """Names and addresses that it must be for; of a port also its host."""
    chain: bool = False
    """The file must also have the certificates that have issued the first, as servers need it."""
    sudo: bool = False
    """The file is read as root."""
