"""Configurations of nginx of versions and kinds that no test starts."""

from __future__ import annotations

import pytest

from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.audit.checks.http.nginx_proxy import CONFIGURATION
from lilfox_tui.audit.model import Found, NotKnown, Target
from lilfox_tui.audit.run import judged
from lilfox_tui.audit.targets.hosts import Printed
from tests.unit.audit.test_checks import outcomes

APP = "upstream app { server 127.0.0.1:8081; %s } server { location / { proxy_pass http://app; %s } }"


def dumped(http: str, version: str = "1.26.3", **files: str) -> Printed:
    text = f"nginx version: nginx/{version}\nnginx: the configuration file /etc/nginx/nginx.conf syntax is ok\n"
    parts = {"nginx.conf": f"events {{ }}\nhttp {{ {http} }}", **files}
    return Printed(text + "".join(f"# configuration file /etc/nginx/{name}:\n{each}\n" for name, each in parts.items()))


VERSIONS = [
    ("1.26.3", "keepalive 8;", "", ["app"]),
    ("1.29.6", "keepalive 8;", "", ["app"]),
    ("1.29.7", "keepalive 8;", "", ["good"]),
    ("1.30.1", "", "", ["good"]),
    ("1.30.1", "", "proxy_http_version 1.0;", ["app"]),
    ("1.30.1", "", "proxy_set_header Connection close;", ["app"]),
    ("1.30.1", "keepalive 0;", "proxy_http_version 1.0;", ["good"]),
    ("1.26.3", "", "", ["good"]),
]


@pytest.mark.parametrize(("version", "upstream", "location", "told"), VERSIONS)
def test_versions_keep_connections_by_themselves(version: str, upstream: str, location: str, told: list[str]) -> None:
    printed = dumped(APP % (upstream, location), version)
    assert outcomes("nginx-upstream-keepalive", {"nginx-configuration": printed}) == told


def test_headers_and_versions_are_inherited_from_included_files() -> None:
    http = "include proxy*.conf; include sites/*; upstream app { server 127.0.0.1:1; keepalive 8; }"
    proxy = 'proxy_http_version 1.1;\nproxy_set_header Connection "";'
    site = "server { location /a { proxy_pass http://app/; } %s }"
    kept = dumped(http, **{"proxy_app.conf": proxy, "sites/a": site % ""})
    assert outcomes("nginx-upstream-keepalive", {"nginx-configuration": kept}) == ["good"]
    own = site % "location /b { proxy_set_header Host $host; proxy_pass http://app/; }"  # which ends inheritance
    lost = dumped(http, **{"proxy_app.conf": proxy, "sites/a": own})
    assert outcomes("nginx-upstream-keepalive", {"nginx-configuration": lost}) == ["app"]


def test_a_server_of_another_host_over_tls_keeps_its_name() -> None:
    printed = dumped("server { location /pay { proxy_pass https://pay.example/v1/; } }")
    checks = chosen(["nginx-upstream-keepalive"])
    (finding,) = judged(Target("host", "web-1"), checks, {"nginx-configuration": printed})
    assert isinstance(finding, Found)
    assert finding.finding.fix.lines == (
        "upstream pay_example { server pay.example:443; keepalive 32; }",
        "proxy_pass https://pay_example/v1/;",
        "proxy_set_header Host pay.example;",
        "proxy_http_version 1.1;",
        'proxy_set_header Connection "";',
        "proxy_ssl_name pay.example;",
    )


@pytest.mark.parametrize(
    "http",
    ["server {", "}", "a } b {", "include nginx.conf;", "a {" * 200 + "}" * 200, "server { location ; { } ", '"'],
)
def test_what_is_no_configuration_is_not_known(http: str) -> None:
    with pytest.raises((NotKnown, ValueError)):
        CONFIGURATION.parse(dumped(http))


def test_files_that_include_each_other_end() -> None:
    files = {f"{number}.conf": "include *.conf;" for number in range(200)}
    with pytest.raises(ValueError, match="conf"):
        CONFIGURATION.parse(dumped("include *.conf;", **files))


@pytest.mark.parametrize("text", ["server;", "keepalive;", "proxy_pass;", "set_real_ip_from;", "proxy_set_header;"])
def test_directives_without_words_end_no_audit(text: str) -> None:
    http = (
        f"{text} upstream app {{ {text} }} server {{ gzip on; {text} location / {{ {text} proxy_pass http://app; }} }}"
    )
    answers = {"nginx-configuration": dumped(http)}
    for check in ("nginx-upstream-keepalive", "nginx-gzip-proxied", "nginx-refused"):
        assert outcomes(check, answers)
