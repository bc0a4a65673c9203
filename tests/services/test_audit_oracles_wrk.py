"""wrk and the audit ask the same servers: which keep connections, refuse requests, and are slow."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from lilfox_tui.audit.checks.http.latency import quantile
from lilfox_tui.config.audit import AuditConfig, AuditServiceConfig
from lilfox_tui.config.model import ServiceConfig
from lilfox_tui.config.values import Seconds
from tests.services.audit_site import NAME, Authority, Site, audited, resolving, told
from tests.services.http_servers import serving
from tests.services.nginx import Nginx

_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}
LIMIT, BURST = 60, 15


class Load(Struct):
    """What wrk prints: requests that were answered, how many of them with an error, and percentiles in seconds."""

    requests: int
    refused: int
    percentiles: dict[int, float]


async def wrk(url: str, *words: str) -> Load:
    """One second of requests over two connections, unless ``words`` say otherwise."""
    argv = ["wrk", "-t", "1", "-c", "2", "-d", "1s", "--latency", *words, url]
    process = await asyncio.create_subprocess_exec(*argv, stdout=subprocess.PIPE)
    async with asyncio.timeout(60):
        text = (await process.communicate())[0].decode()
    requests = re.search(r"(\d+) requests in", text)
    assert requests is not None, text
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    shares = re.findall(r"(\d+)%\s+([\d.]+)(us|ms|s|m)\n", text)
    return Load(
        int(requests[1]),
        0 if refused is None else int(refused[1]),
        {int(share): float(value) * _UNITS[unit] for share, value, unit in shares},
    )


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    with resolving(NAME):
        yield Authority(tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize(
    ("line", "kept"),
    [("", True), ("keepalive_timeout 0;", False), ("keepalive_requests 1;", False)],
)
async def test_wrk_needs_a_connection_for_each_request_where_none_is_kept(
    authority: Authority, tmp_path: Path, line: str, kept: bool
) -> None:
    site = Site(tmp_path / "site", authority, tls=False)
    site.lines += [line, "location = /stub_status { stub_status; }"]
    with site.running():
        found = told(await site.audited("http-keep-alive"))
        _active, before, *_rest = await asyncio.to_thread(site.nginx.stub_status)
        load = await wrk(site.nginx.url)
        _active, after, *_rest = await asyncio.to_thread(site.nginx.stub_status)
    assert (load.refused, load.requests > 20) == (0, True)
    assert (after - before < load.requests / 2) == kept == (not found)


ZONE = f"limit_req_zone $binary_remote_addr zone=clients:1m rate={LIMIT}r/m;"
LIMITED = f"limit_req zone=clients burst={BURST} nodelay;"


@pytest.mark.parametrize(
    ("lines", "limited"),
    [
        ("", False),
        (f"{LIMITED} limit_req_status 429;", True),
        (LIMITED, True),
        (f"{LIMITED} limit_req_dry_run on;", False),
    ],
)
async def test_wrk_is_refused_where_the_audit_is(tmp_path: Path, lines: str, limited: bool) -> None:
    """By nginx with 503, unless it is told to return 429."""
    place = f"location / {{{{ {lines} root {tmp_path}; }}}}"
    (tmp_path / "index.html").write_text("hello")
    with Nginx(tmp_path / "nginx", f"{ZONE} server {{{{ listen 127.0.0.1:{{port}}; {place} }}}}") as nginx:
        audit = AuditConfig(services={"shop": AuditServiceConfig(limit=LIMIT)})
        report = await audited(ServiceConfig(url=nginx.url), "no-rate-limit", audit=audit, active=True)
        load = await wrk(nginx.url)
    assert report.not_checked == ()
    assert bool(told(report)) == (load.refused == 0) == (not limited)
    assert load.requests > LIMIT
    assert (load.requests - load.refused <= LIMIT) == limited


async def test_wrk_puts_routes_in_the_same_order_by_latency() -> None:
    """The application counts what it does itself, and wrk waits for the way as well: the order is compared."""
    registry = CollectorRegistry()
    seconds = Histogram("http_request_duration_seconds", "Time to an answer.", ["handler"], registry=registry)
    pauses = {"/quick": 0.0, "/slow": 0.11, "/slower": 0.6}

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
            began = asyncio.get_running_loop().time()
            if pauses.get(path):
                done = asyncio.Event()
                asyncio.get_running_loop().call_later(pauses[path], done.set)
                await done.wait()
            if path in pauses:
                seconds.labels(path).observe(asyncio.get_running_loop().time() - began)
            body = generate_latest(registry) if path == "/metrics" else b"hello"
            head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()

    async with serving(talk) as port:
        url = f"http://127.0.0.1:{port}"
        loads = await asyncio.gather(*(wrk(url + path, "-c", "32") for path in pauses))
        found = told(await audited(ServiceConfig(url=url, slow=Seconds(0.1)), "slow-route"))
    assert [subject for _check, subject in found] == ["/slow", "/slower"]
    buckets: dict[str, dict[float, float]] = {path: {} for path in pauses}
    for each in seconds.collect():
        for sample in each.samples:
            if sample.name.endswith("_bucket"):
                buckets[sample.labels["handler"]][float(sample.labels["le"])] = sample.value
    by_audit = sorted(pauses, key=lambda path: quantile(buckets[path]))
    by_wrk = sorted(zip(pauses, loads, strict=True), key=lambda each: each[1].percentiles[50])
    assert by_audit == [path for path, _load in by_wrk] == list(pauses)
    for load in loads[1:]:  # what the audit finds is slow for wrk as well
        assert load.percentiles[50] >= 0.1
