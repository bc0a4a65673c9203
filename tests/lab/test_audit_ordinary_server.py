"""A server as a careful administrator sets it up, with distribution services and an application: nothing is found."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.logs.sources import file
from tests.lab.auditing import audited, run, write
from tests.lab.machines import Machine, MachineLab

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.xdist_group("lab")]
UNIT = """[Service]
User=shop
ExecStart=/bin/sh -c 'echo begun; exec sleep infinity'
EnvironmentFile=/srv/shop/.env
Environment=LANG=C PGPASSFILE=/srv/shop/.pgpass
Restart=on-failure
MemoryMax=512M
StandardOutput=append:/var/log/shop/app.log
[Install]
WantedBy=multi-user.target"""
ROTATION = "/var/log/shop/*.log {\n    su shop shop\n    daily\n    rotate 7\n    copytruncate\n}"
SITE = "server { listen 80 default_server; root /var/www/html; location / { try_files $uri =404; } }"


@pytest.fixture(scope="module")
def machine(lab: MachineLab) -> Iterator[Machine]:
    made = lab.machine("ordinary")
    made.up()
    yield made
    made.kill()


async def test_nothing_is_found_on_an_ordinary_server(lab: MachineLab, machine: Machine) -> None:
    await write(machine, "/etc/systemd/system/shop.service", UNIT)
    await write(machine, "/etc/logrotate.d/shop", ROTATION)
    await write(machine, "/etc/nginx/sites-enabled/default", SITE)
    await write(machine, "/var/www/html/index.html", "welcome")
    await write(machine, "/srv/shop/.env", "SECRET_KEY=k7d0s9f8g7h6j5k4")
    await write(machine, "/srv/shop/.env.example", "SECRET_KEY=change-me")
    await write(machine, "/srv/shop/.gitignore", ".env")
    await run(
        machine,
        "useradd shop; mkdir -p /var/log/shop /var/log/nginx /var/log/redis",
        "chown shop:shop /var/log/shop /srv/shop/.env; chmod 600 /srv/shop/.env",
        "chown redis:redis /var/log/redis; cd /srv/shop; git init -q; git add .",
        "fallocate -l 60M /var/log/shop/app.log; chown shop:shop /var/log/shop/app.log",
        "systemctl daemon-reload; systemctl enable --now -q shop logrotate.timer; systemctl start nginx redis-server",
        "for path in / /nosuch '/?q=..%2F..%2Fetc%2Fpasswd' '/?id=1%27%20OR%201%3D1--' /.env;"
        " do curl -s -o /dev/null http://127.0.0.1$path; done",
    )
    logs = {"shop": file.Options(host=machine.name, path="/var/log/shop/*.log")}
    report = await audited(lab, machine, "secrets", "systemd", "logs", logs=logs)
    assert [(each.check.id, str(each.finding.evidence)) for each in report.found] == []
    assert [(each.check.id, str(each.reason)) for each in report.not_checked] == []
    assert {each.check.id for each in report.passed} == {each.id for each in chosen(["secrets", "systemd", "logs"])}
    checks = ("kernel-limits", "swapping", "nginx-refused", "nginx-upstream-keepalive", "nginx-gzip-proxied")
    report = await audited(lab, machine, *checks, "repository-too-old")
    assert [(each.check.id, str(each.finding.evidence)) for each in report.found] == []
    assert [(each.check.id, str(each.reason)) for each in report.not_checked] == []
    assert {each.check.id for each in report.passed} == {*checks} - {"nginx-upstream-keepalive"}  # it is no proxy
