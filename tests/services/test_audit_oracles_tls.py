"""testssl.sh, sslscan and the audit look at the same two sites on nginx: what they find is equal, or the tables say
why not."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import xml.etree.ElementTree
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from lilfox_tui.audit.model import AuditFinding
from lilfox_tui.audit.targets.tls_hello import WEAK_SUITES
from tests.services.audit_site import NAME, Authority, Site, resolving, told
from tests.waiting import PATIENCE_S

CHECKS = (
    "tls-old-version", "tls-weak-cipher", "tls-certificate-expiry", "tls-certificate-trust", "tls-certificate-name",
    "tls-certificate-key", "http-no-hsts", "browser-headers", "cookie-attributes", "http-versions-told",
)  # fmt: skip
WEAK, KEY = ("tls-weak-cipher", "ciphers"), ("tls-certificate-key", "key")
DAYS, CHAIN = ("tls-certificate-expiry", "certificate"), ("tls-certificate-trust", "chain")
HSTS, COOKIE = ("http-no-hsts", "Strict-Transport-Security"), ("cookie-attributes", "session")
SAME = {
    "SSLv3": [("tls-old-version", "SSL 3.0")],
    "TLS1": [("tls-old-version", "TLS 1.0")],
    "TLS1_1": [("tls-old-version", "TLS 1.1")],
    "cipherlist_NULL": [WEAK],
    "cipherlist_aNULL": [WEAK],
    "cipherlist_EXPORT": [WEAK],
    "cipherlist_LOW": [WEAK],
    "cipherlist_3DES_IDEA": [WEAK],
    "cert_keySize": [KEY],
    "cert_signatureAlgorithm": [KEY],
    "cert_trust": [("tls-certificate-name", NAME)],
    "cert_chain_of_trust": [CHAIN],
    "cert_expirationStatus": [DAYS],
    "cert_notAfter": [DAYS],
    "HSTS": [HSTS],
    "HSTS_time": [HSTS],
    "security_headers": [
        ("browser-headers", name)
        for name in ("X-Content-Type-Options", "frame-ancestors", "Content-Security-Policy", "Referrer-Policy")
    ],
    "banner_server": [("http-versions-told", "server")],
    "cookie_secure": [COOKIE],
    "cookie_httponly": [COOKIE],
}
"""What testssl.sh calls what the audit finds."""
DIFFERENCES = {
    "careful": {
        "cipherlist_OBSOLETED": "old clients need AES-CBC, and patched servers resist what is known against it",
        "cert_revocation": "no check: public authorities end OCSP, and their certificates name a list",
        "cert_expirationStatus": "60 days are usual: certbot renews 30 days before the end, and the audit finds 21",
        "cert_notAfter": "as cert_expirationStatus",
        "HSTS_time": "HSTS is introduced with short times; the audit wants 30 days, testssl.sh 180",
        "cookie_secure": "it counts all cookies; the audit looks at those of sessions, by their names",
        "cookie_httponly": "as cookie_secure",
    },
    "careless": {
        "cipherlist_OBSOLETED": "as above",
        "cert_revocation": "as above",
    },
}
"""What testssl.sh finds at a site and the audit does not, and why. What the audit finds, testssl.sh finds too."""


class Scanned(Struct):
    """What each of the three says of a site."""

    ours: dict[tuple[str, str], AuditFinding]
    testssl: dict[str, dict[str, str]]
    sslscan: xml.etree.ElementTree.Element


def careful(site: Site, authority: Authority) -> None:
    """With what the two judge differently."""
    authority.issue(site.folder, end=timedelta(days=59))
    site.lines = [line for line in site.lines if "Strict-Transport" not in line]
    site.lines += ["add_header Strict-Transport-Security max-age=7776000;", 'add_header Set-Cookie "theme=dark";']


def careless(site: Site, authority: Authority) -> None:
    """With a fault of each kind that this OpenSSL lets one make."""
    begin, end = timedelta(days=-80), timedelta(days=10)
    authority.issue(site.folder, begin=begin, end=end, names=("www.example.com",), own=True, rsa_bits=1024)
    site.lines = [
        "ssl_protocols TLSv1 TLSv1.1 TLSv1.2;",
        "ssl_ciphers ALL:aNULL:eNULL:@SECLEVEL=0;",
        'add_header Set-Cookie "session=abc";',
    ]


SITES = {"careful": careful, "careless": careless}


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Scanned]]:
    """Both sites are scanned at once: testssl.sh mostly waits."""
    folder = tmp_path_factory.mktemp("sites")
    authority = Authority(folder / "authority")
    with pytest.MonkeyPatch.context() as patch, resolving(NAME):
        patch.setenv("SSL_CERT_FILE", str(authority.file))
        yield asyncio.run(scan_all(folder, authority))


async def scan_all(folder: Path, authority: Authority) -> dict[str, Scanned]:
    """What is said of each site, by its name."""

    async def scan(name: str) -> Scanned:
        site = Site(folder / name, authority)
        SITES[name](site, authority)
        with site.running():
            report = await site.audited(*CHECKS)
            assert report.not_checked == ()
            return Scanned(told(report), await ask_testssl(site, authority), await ask_sslscan(site))

    return dict(zip(SITES, await asyncio.gather(*map(scan, SITES)), strict=True))


async def ask_testssl(site: Site, authority: Authority) -> dict[str, dict[str, str]]:
    """What testssl.sh writes of its protocols, ciphers, certificate and headers, by id."""
    file = site.folder / "testssl.json"
    sections = ("--protocols", "--categories", "--server-defaults", "--headers")
    argv = ["testssl", "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--ip", "127.0.0.1"]
    argv += ["--disable-rating", "--add-ca", str(authority.file), "--jsonfile", str(file), *sections]
    await run(*argv, f"https://{NAME}:{site.nginx.port}")
    return {each["id"]: each for each in json.loads(file.read_text())}


async def ask_sslscan(site: Site) -> xml.etree.ElementTree.Element:
    """The document that sslscan prints."""
    argv = ["sslscan", "--xml=-", "--no-heartbleed", "--no-groups", f"--sni-name={NAME}"]
    return xml.etree.ElementTree.fromstring(await run(*argv, f"127.0.0.1:{site.nginx.port}"))


async def run(*argv: str) -> bytes:
    """What a program prints."""
    words: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    async with asyncio.timeout(PATIENCE_S * 3):
        process = await asyncio.create_subprocess_exec(*argv, **words)
        return (await process.communicate())[0]


def is_found(each: dict[str, str]) -> bool:
    """Whether testssl.sh finds fault: for versions of servers and for cookies it has no severity."""
    if each["id"] == "banner_server":
        return re.search(r"/\d", each["finding"]) is not None
    if each["id"] in ("cookie_secure", "cookie_httponly"):
        marked, _slash, every = each["finding"].split()[0].partition("/")
        return marked != every
    return each["severity"] in ("LOW", "MEDIUM", "HIGH", "CRITICAL")


@pytest.mark.parametrize("name", SITES)
def test_testssl_agrees_on_each_item(scanned: dict[str, Scanned], name: str) -> None:
    found = scanned[name]
    theirs = {at for at, each in found.testssl.items() if is_found(each)}
    assert {at for at in theirs if not set(SAME.get(at, [("", "")])) <= found.ours.keys()} == DIFFERENCES[name].keys()
    same = {each for at in theirs - DIFFERENCES[name].keys() for each in SAME[at]}
    assert same == found.ours.keys()
    assert bool(same) == (name == "careless")


@pytest.mark.parametrize("name", SITES)
def test_sslscan_agrees_on_versions_and_each_cipher(scanned: dict[str, Scanned], name: str) -> None:
    found = scanned[name]
    spoken = {
        f"{each.get('type', '').upper()} {each.get('version')}"
        for each in found.sslscan.iter("protocol")
        if each.get("enabled") == "1"
    }
    old = {subject for check, subject in found.ours if check == "tls-old-version"}
    assert spoken - {"TLS 1.2", "TLS 1.3"} == old
    strengths = {int(each.get("id", ""), 16): each.get("strength") for each in found.sslscan.iter("cipher")}
    weak = {suite for suite, strength in strengths.items() if strength not in ("strong", "acceptable")}
    assert weak == strengths.keys() & WEAK_SUITES.keys()
    assert bool(weak) == (WEAK in found.ours)
    if weak:
        assert str(found.ours[WEAK].evidence).removeprefix("the server accepts ") in map(WEAK_SUITES.get, weak)


@pytest.mark.parametrize("name", SITES)
def test_sslscan_agrees_on_the_certificate(scanned: dict[str, Scanned], name: str) -> None:
    ours, scan = scanned[name].ours, scanned[name].sslscan
    end = datetime.strptime(scan.findtext(".//not-valid-after", ""), "%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)
    assert (end - datetime.now(UTC) < timedelta(days=21)) == (DAYS in ours)
    if DAYS in ours:
        assert str(ours[DAYS].evidence).startswith(f"the certificate expires on {end:%Y-%m-%d %H:%M UTC}")
    key = scan.find(".//pk")
    assert key is not None
    assert (key.get("type") == "RSA" and int(key.get("bits", "0")) < 2048) == (KEY in ours)
    assert (f"DNS:{NAME}" not in scan.findtext(".//altnames", "")) == (("tls-certificate-name", NAME) in ours)
    assert (scan.findtext(".//self-signed") == "true") == (CHAIN in ours)
