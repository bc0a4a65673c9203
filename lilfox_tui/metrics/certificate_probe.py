"""Looks at certificates in files and of ports: when they end, who has issued them, and for which names they are."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from msgspec.structs import replace

from lilfox_tui.config.model import HostConfig, ServiceConfig
from lilfox_tui.config.service_probes import CertificateConfig
from lilfox_tui.core.errors import HostError
from lilfox_tui.core.i18n import Message, listed, tr
from lilfox_tui.core.text import clean, human_age
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.metrics.health import ServiceProbe, reason_of
from lilfox_tui.metrics.model import CertificateTimes, Health, HealthCheck, ServiceState

_LIMIT_BYTES = 1024 * 1024
_CERTIFICATES = "/^-----BEGIN CERTIFICATE-----/,/^-----END CERTIFICATE-----/p"
"""A key that is in the same file stays on its host."""


class _Seen(NamedTuple):
    """The certificates, the first that of the server, and why they are not trusted; how long asking took."""

    chain: list[x509.Certificate]
    fault: Message | None = None
    took_s: float | None = None


class CertificateProbe(ServiceProbe):
    """``host`` reads the file, or is the way to the port; None for this machine."""

    def __init__(self, name: str, config: ServiceConfig, host: Host | None, *, period_s: float) -> None:
        super().__init__(name, config, config.url, period_s=period_s)
        assert config.certificate is not None
        self._wanted = config.certificate
        self._host = host or LocalHost(str(tr("this machine")), HostConfig(local=True))
        self._times: CertificateTimes | None = None

    def _completed(self, state: ServiceState) -> ServiceState:
        return replace(state, certificate=self._times)

    async def _check(self) -> HealthCheck:
        at, where = datetime.now(UTC), self._wanted.address or str(self._wanted.file)
        try:
            seen = await (self._of_file(where) if self._wanted.file else self._of_port(where))
        except HostError as error:
            reason = tr("cannot read {file} on {host}: {reason}", file=where, host=error.host, reason=error.message)
            return HealthCheck(at, Health.ERROR, None, None, reason)
        except TimeoutError:
            seconds = f"{self.config.timeout:g}"
            reason = tr("no answer from {where} within {seconds} s", where=where, seconds=seconds)
            return HealthCheck(at, Health.ERROR, None, None, reason)
        except (OSError, UnicodeError) as error:
            return HealthCheck(at, Health.ERROR, None, None, reason_of(error, where))
        except ValueError:
            reason = tr("{where} has a certificate that cannot be read", where=where)
            return HealthCheck(at, Health.ERROR, None, None, reason)
        if not seen.chain:
            return HealthCheck(at, Health.ERROR, None, None, seen.fault or tr("{file} has no certificate", file=where))
        ends = min(seen.chain, key=lambda each: each.not_valid_after_utc)
        self._times = CertificateTimes(ends.not_valid_before_utc, ends.not_valid_after_utc)
        fault = fault_of_chain(seen.chain, self._wanted, at) or seen.fault
        return HealthCheck(at, Health.HEALTHY if fault is None else Health.UNHEALTHY, None, seen.took_s, fault)

    async def _of_file(self, file: str) -> _Seen:
        done = await self._host.run(
            ("sed", "-n", _CERTIFICATES, "--", file),
            timeout_s=self.config.timeout, limit_bytes=_LIMIT_BYTES, sudo=self._wanted.sudo,
        )  # fmt: skip
        if not done.ok:
            why = clean(done.stderr.decode("utf-8", "replace")).strip().rpartition(": ")[2] or str(done.ending)
            return _Seen([], tr("cannot read {file} on {host}: {reason}", file=file, host=self._host.name, reason=why))
        return _Seen(x509.load_pem_x509_certificates(done.stdout) if done.stdout.strip() else [])

    async def _of_port(self, address: str) -> _Seen:
        """The certificate that a port shows, and why this machine does not trust it."""
        host, _colon, port = address.rpartition(":")
        host = host.strip("[]")
        trusting = ssl.create_default_context()
        began = time.perf_counter()
        try:
            return _Seen([await self._shown(host, int(port), trusting)], None, time.perf_counter() - began)
        except ssl.SSLCertVerificationError as error:
            fault = reason_of(error, address)
        trusting.check_hostname = False
        trusting.verify_mode = ssl.CERT_NONE
        return _Seen([await self._shown(host, int(port), trusting)], fault)

    async def _shown(self, host: str, port: int, context: ssl.SSLContext) -> x509.Certificate:
        async with asyncio.timeout(self.config.timeout), self._host.forward(port, host) as (near, near_port):
            _reader, writer = await asyncio.open_connection(near, near_port, ssl=context, server_hostname=host)
            try:
                der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            finally:
                writer.transport.abort()
        return x509.load_der_x509_certificate(der)


def fault_of_chain(chain: Sequence[x509.Certificate], wanted: CertificateConfig, at: datetime) -> Message | None:
    """Return what is wrong with certificates, the server's first: their time, who has issued them, their names."""
    for each in chain:
        if at > each.not_valid_after_utc:
            age = human_age((at - each.not_valid_after_utc).total_seconds())
            return tr("the certificate of {name} expired {age} ago", name=_name(each.subject), age=age)
        if at < each.not_valid_before_utc:
            return tr("the certificate of {name} is not valid yet", name=_name(each.subject))
    for each, issuer in pairwise(chain):
        try:
            each.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            return tr(
                "the chain is broken: {issuer} issued the certificate of {name}, but that of {other} follows",
                name=_name(each.subject), issuer=_name(each.issuer), other=_name(issuer.subject),
            )  # fmt: skip
    first = chain[0]
    if wanted.chain and len(chain) == 1 and first.issuer != first.subject:
        return tr("the chain is not complete: the certificate of {issuer} is missing", issuer=_name(first.issuer))
    missing = [name for name in wanted.names if not is_for(first, name)]
    if missing:
        return tr("the certificate is not for {names}", names=listed(missing))
    return None


def is_for(certificate: x509.Certificate, name: str) -> bool:
    """Whether a certificate is for a name or an address, as RFC 6125 compares them."""
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    try:
        return ipaddress.ip_address(name) in alternatives.get_values_for_type(x509.IPAddress)
    except ValueError:
        pass
    said = name.lower().rstrip(".")
    below = said.partition(".")[2]
    known = [each.lower() for each in alternatives.get_values_for_type(x509.DNSName)]
    return said in known or (bool(below) and f"*.{below}" in known)


def _name(name: x509.Name) -> str:
    """The common name, else the whole name."""
    common = name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return clean(str(common[0].value)) if common else clean(name.rfc4514_string()) or "?"
