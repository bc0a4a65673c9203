"""The checks of nginx's whole configuration: found, mended by their own fixes, and gone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lilfox_tui.audit.model import AuditFinding, Report
from tests.lab.auditing import audited, found_by, run, write
from tests.lab.machines import Machine, MachineLab

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.xdist_group("lab")]
SITE = "/etc/nginx/sites-enabled/default"
CHECKS = ("nginx-refused", "nginx-upstream-keepalive", "nginx-gzip-proxied")
BEHIND = 'server { listen 8081; listen [::1]:8081; location / { return 200 "$connection"; } }'
"""An application that tells by which connection it was asked."""


@pytest.fixture(scope="module")
def machine(lab: MachineLab) -> Iterator[Machine]:
    made = lab.machine("proxy1")
    made.up()
    made.ssh("mkdir -p /var/log/nginx; systemctl start nginx")
    yield made
    made.kill()


async def site(machine: Machine, *lines: str) -> None:
    await write(machine, SITE, *lines, BEHIND)
    await run(machine, "nginx -q -t", "systemctl reset-failed nginx; systemctl restart nginx")


async def found(lab: MachineLab, machine: Machine, check: str) -> dict[str, AuditFinding]:
    report = await audited(lab, machine, *CHECKS)
    assert report.not_checked == ()
    return found_by(report, check)


def connections(machine: Machine) -> int:
    """By how many connections the application is asked for two requests, one after another, to one worker."""
    told = machine.ssh("for turn in 1 2 3 4 5 6 7 8; do curl -sS http://127.0.0.1/; echo; done").split()
    return len(set(told))


def proxy(upstream: str, *lines: str) -> str:
    return f"server {{ listen 80; location / {{ proxy_pass {upstream}; {' '.join(lines)} }} }}"


@pytest.mark.provokes("nginx-upstream-keepalive")
@pytest.mark.parametrize("lines", [(), ("proxy_http_version 1.1;", "proxy_set_header Connection close;")])
async def test_connections_that_are_to_be_kept(lab: MachineLab, machine: Machine, lines: tuple[str, ...]) -> None:
    upstream = "upstream app { server 127.0.0.1:8081; keepalive 16; }"
    await site(machine, upstream, proxy("http://app", *lines))
    assert connections(machine) == 8
    each = (await found(lab, machine, "nginx-upstream-keepalive"))["app"]
    assert "location /" in str(each.evidence)
    assert each.fix.file == SITE
    mended = [line for line in lines if "Connection" not in line]
    await site(machine, upstream, proxy("http://app", *mended, *each.fix.lines))
    assert connections(machine) < 8
    assert await found(lab, machine, "nginx-upstream-keepalive") == {}


@pytest.mark.provokes("nginx-upstream-keepalive")
async def test_another_host_without_an_upstream(lab: MachineLab, machine: Machine) -> None:
    target = f"{machine.address}:8081"
    await site(machine, proxy(f"http://{target}"))
    fix = (await found(lab, machine, "nginx-upstream-keepalive"))[target].fix
    upstream, *inner = fix.lines
    await site(machine, upstream, f"server {{ listen 80; location / {{ {' '.join(inner)} }} }}")
    assert connections(machine) < 8
    assert await found(lab, machine, "nginx-upstream-keepalive") == {}


@pytest.mark.provokes("nginx-upstream-keepalive")
async def test_an_upstream_of_other_hosts(lab: MachineLab, machine: Machine) -> None:
    servers = f"server {machine.address}:8081;"
    await site(machine, f"upstream app {{ {servers} }}", proxy("http://app"))
    first, *inner = (await found(lab, machine, "nginx-upstream-keepalive"))["app"].fix.lines
    await site(machine, f"upstream app {{ {servers} {first} }}", proxy("http://app", *inner))
    assert connections(machine) < 8
    assert await found(lab, machine, "nginx-upstream-keepalive") == {}


UPGRADE = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection"
HEALTHY = (
    "upstream socket { server unix:/run/app.sock; }",
    "upstream kept { server 127.0.0.1:8081; keepalive 8; }",
    "map $http_upgrade $connection_upgrade { default upgrade; '' ''; }",
    "# a \"comment ' {",
    "server { listen 80; gzip on; gzip_proxied any; set_real_ip_from 10.0.0.0/8;",
    "location /1 { proxy_pass http://127.0.0.1:8081; }",
    "location /2 { proxy_pass http://localhost:8081; }",
    "location /3 { proxy_pass http://[::1]:8081; }",
    "location /4 { proxy_pass http://socket/other; }",
    f"location /5 {{ proxy_pass http://kept; {UPGRADE} $connection_upgrade; }}",
    f"location /6 {{ proxy_pass http://10.9.8.7:81; {UPGRADE} upgrade; }}",
    "location /7 { set $there 10.9.8.7; proxy_pass http://$there; }",
    'location ~ "^/a{2}$" { return 200 "{;}"; } if ($arg_a) { return 404; } }',
    "server { listen 8082; gzip on; }",
)


async def test_what_is_well(lab: MachineLab, machine: Machine) -> None:
    await site(machine, *HEALTHY)
    report = await audited(lab, machine, *CHECKS)
    assert (report.found, report.not_checked) == ((), ())
    assert {each.check.id for each in report.passed} == set(CHECKS)


@pytest.mark.provokes("nginx-gzip-proxied")
async def test_compression_for_clients_behind_a_proxy(lab: MachineLab, machine: Machine) -> None:
    def lines(*more: str) -> str:
        text = "a" * 2000
        server = f'server {{ listen 80; server_name shop.example; location / {{ return 200 "{text}"; }} '
        return server + f"default_type text/html; gzip on; set_real_ip_from 10.0.0.0/8; {' '.join(more)} }}"

    def encoding() -> str:
        asked = "curl -sS -o /dev/null -D - -H 'Via: 1.1 cdn' -H 'Accept-Encoding: gzip' http://127.0.0.1/"
        return machine.ssh(asked).partition("Content-Encoding: ")[2][:4]

    await site(machine, lines())
    assert encoding() == ""
    fix = (await found(lab, machine, "nginx-gzip-proxied"))["shop.example"].fix
    await site(machine, lines(*fix.lines))
    assert encoding() == "gzip"
    assert await found(lab, machine, "nginx-gzip-proxied") == {}


@pytest.mark.provokes("nginx-refused")
async def test_a_configuration_with_gzip_twice(lab: MachineLab, machine: Machine) -> None:
    await write(machine, SITE, "server { listen 80; gzip on; gzip on; }")
    report: Report = await audited(lab, machine, *CHECKS)
    refused = found_by(report, "nginx-refused")[SITE]
    assert str(refused.evidence) == f'nginx -t: "gzip" directive is duplicate in {SITE}:1'
    assert str(refused.fix.text).startswith("Remove one of the two.")
    assert {str(each.reason) for each in report.not_checked} == {"nginx refuses its configuration: nginx -t"}
    await site(machine, "server { listen 80; gzip on; }")
    await run(machine, *refused.fix.commands)
    assert await found(lab, machine, "nginx-refused") == {}


async def test_a_host_where_nginx_does_not_run(lab: MachineLab, machine: Machine) -> None:
    await run(machine, "systemctl stop nginx")
    report = await audited(lab, machine, *CHECKS)
    await run(machine, "systemctl start nginx")
    assert (report.found, report.not_checked, report.passed) == ((), (), ())
