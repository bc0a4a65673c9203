"""The checks of secrets on a whole host: found, never shown, mended by their own fixes, and gone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.audit.model import Report
from lilfox_tui.logs.sources import file
from tests.lab.auditing import audited, found_by, mend, run, write
from tests.lab.machines import Machine, MachineLab
from tests.waiting import wait_for

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.xdist_group("lab")]
SECRET = "tr0ub4dor+3x"


@pytest.fixture(scope="module")
def machine(lab: MachineLab) -> Iterator[Machine]:
    made = lab.machine("app1")
    made.up()
    yield made
    made.kill()


def told(report: Report, check: str) -> dict[str, str]:
    """The subjects of a check's findings with their evidence; none of them has the secret."""
    found = {subject: str(each.evidence) for subject, each in found_by(report, check).items()}
    assert SECRET not in "".join(found.values())
    return found


async def gone(lab: MachineLab, machine: Machine, check: str) -> None:
    after = await audited(lab, machine, check)
    assert (after.found, after.not_checked) == ((), ())


@pytest.mark.provokes("secret-file-readable")
async def test_files_that_everybody_can_read(lab: MachineLab, machine: Machine) -> None:
    await write(machine, "/srv/shop/.env", "# PASSWORD=x", f"DB_PASSWORD={SECRET}", "DEBUG=0")
    await write(machine, "/srv/shop/.env.example", f"DB_PASSWORD={SECRET}")
    await write(machine, "/srv/shop/plain.env", "DEBUG=1", "KEY_FILE=/etc/shop.key")
    await write(machine, "/srv/shop/closed/.env", f"DB_PASSWORD={SECRET}")
    await write(machine, "/srv/shop/hidden/.env", f"DB_PASSWORD={SECRET}")
    await run(
        machine,
        "chmod 600 /srv/shop/closed/.env; chmod 700 /srv/shop/hidden",
        "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=shop -keyout /etc/shop.key -out /etc/shop.pem 2>/dev/null",
        "openssl rsa -aes128 -passout pass:hush1 -in /etc/shop.key -out /etc/hush.key 2>/dev/null",
        "chmod 644 /etc/shop.key /etc/hush.key",
        "ssh-keygen -q -t ed25519 -N '' -f /srv/id_ed25519; ssh-keygen -q -t ed25519 -N hush1 -f /srv/closed.key",
        "chmod 644 /srv/id_ed25519 /srv/closed.key",
    )
    report = await audited(lab, machine, "secret-file-readable")
    assert told(report, "secret-file-readable") == {
        "/srv/shop/.env": "/srv/shop/.env: 644 root:root; sets DB_PASSWORD",
        "/etc/shop.key": "/etc/shop.key: 644 root:root; a private key without a passphrase",
        "/srv/id_ed25519": "/srv/id_ed25519: 644 root:root; a private key without a passphrase",
    }
    for each in report.found:
        await mend(machine, each.finding.fix)
    await gone(lab, machine, "secret-file-readable")
    await run(machine, "rm -r /srv/shop /srv/*.key* /srv/id_* /etc/shop.* /etc/hush.key")


@pytest.mark.provokes("secret-file-served")
async def test_files_in_a_web_root(lab: MachineLab, machine: Machine) -> None:
    server = "server { listen 8080; root /srv/site/public; %s }"
    await write(machine, "/etc/nginx/conf.d/shop.conf", server % "")
    await write(machine, "/srv/site/public/.env", f"DATABASE_URL=postgres://shop:{SECRET}@db/shop")
    await run(machine, "chown root:www-data /srv/site/public/.env; chmod 640 /srv/site/public/.env")
    await run(machine, "mkdir -p /var/log/nginx; nginx")
    report = await audited(lab, machine, "secret-file-served")
    path = "/srv/site/public/.env"
    assert SECRET in machine.ssh("curl -s http://127.0.0.1:8080/.env")
    assert told(report, "secret-file-served") == {path: f"{path}: 640 root:www-data; sets DATABASE_URL"}
    await mend(machine, found_by(report, "secret-file-served")[path].fix)
    await gone(lab, machine, "secret-file-served")
    await run(machine, f"mv /srv/site/.env {path}; chmod 600 {path}")
    await gone(lab, machine, "secret-file-served")  # nginx cannot read it
    rule = "location ~ /\\. { deny all; }"
    await write(machine, "/etc/nginx/conf.d/shop.conf", server % rule)
    await run(machine, f"chmod 644 {path}; nginx -s reload")
    await gone(lab, machine, "secret-file-served")
    await run(machine, "nginx -s stop; rm -r /srv/site /etc/nginx/conf.d/shop.conf")


@pytest.mark.provokes("secret-in-arguments", "secret-in-unit")
async def test_what_ps_and_systemctl_show(lab: MachineLab, machine: Machine) -> None:
    unit = "/etc/systemd/system/listener.service"
    command = "ExecStart=redis-cli %s subscribe news"
    await run(machine, "redis-server --daemonize yes --dir /tmp --port 6379 --save ''")
    await write(machine, unit, "[Service]", command % f"--no-auth-warning -a {SECRET}")
    await run(
        machine, f"redis-cli config set requirepass {SECRET}", "systemctl daemon-reload; systemctl start listener"
    )
    report = await audited(lab, machine, "secret-in-arguments", "secret-in-unit")
    assert told(report, "secret-in-arguments") == {"listener.service: -a": "ps: redis-cli --no-auth-warning -a *** …"}
    assert "REDISCLI_AUTH" in str(report.found[0].finding.fix.text)
    environment = f'Environment=LANG=C "REDISCLI_AUTH={SECRET}" GREETING=hello'
    await write(machine, unit, "[Service]", command % "", environment)
    await run(machine, "systemctl daemon-reload; systemctl restart listener")
    report = await audited(lab, machine, "secret-in-arguments", "secret-in-unit")
    assert told(report, "secret-in-arguments") == {}
    assert told(report, "secret-in-unit") == {
        "listener.service": f"systemctl show listener.service: Environment= sets REDISCLI_AUTH ({unit})"
    }
    await mend(machine, report.found[0].finding.fix)
    await gone(lab, machine, "secret-in-arguments")
    await gone(lab, machine, "secret-in-unit")
    assert machine.ssh("systemctl show -p Environment --value listener").split() == ["LANG=C", "GREETING=hello"]
    started = lambda: "news" in machine.ssh(f"REDISCLI_AUTH={SECRET} redis-cli pubsub channels")  # noqa: E731
    await asyncio.to_thread(wait_for, started, what="the listener logs in with the secret of its file")
    await run(machine, f"systemctl stop listener; REDISCLI_AUTH={SECRET} redis-cli shutdown nosave; rm {unit}")


@pytest.mark.provokes("secret-in-git")
async def test_a_repository_with_secrets(lab: MachineLab, machine: Machine) -> None:
    git = "git -C /srv/repo -c user.name=a -c user.email=a@b.invalid"
    await write(machine, "/srv/repo/.env", f"SECRET_KEY={SECRET}")
    await write(machine, "/srv/repo/deploy/prod.env", f"DB_PASSWORD={SECRET}")
    await write(machine, "/srv/repo/deploy/test.env", "DEBUG=1")
    await write(machine, "/srv/repo/local/.env", f"SECRET_KEY={SECRET}")
    await run(machine, f"{git} init -q; {git} add .env deploy; {git} commit -qm begin; chmod -R go= /srv/repo")
    report = await audited(lab, machine, "secret-in-git")
    assert told(report, "secret-in-git") == {
        "/srv/repo/.env": "/srv/repo/.git/index tracks .env, which sets SECRET_KEY",
        "/srv/repo/deploy/prod.env": "/srv/repo/.git/index tracks deploy/prod.env, which sets DB_PASSWORD",
    }
    await run(machine, f"{git} config user.name a; {git} config user.email a@b.invalid")
    for each in report.found:
        await mend(machine, each.finding.fix)
    await gone(lab, machine, "secret-in-git")
    assert machine.ssh(f"{git} status --porcelain").split() == ["??", "local/"]
    await run(machine, "rm -r /srv/repo")


@pytest.mark.provokes("key-beside-data")
async def test_keys_beside_what_they_decrypt(lab: MachineLab, machine: Machine) -> None:
    await write(machine, "/srv/backup/key.txt", "# created: today", "AGE-SECRET-KEY-1" + "Q" * 58)
    await write(machine, "/srv/backup/shop-1.sql.age", "age-encryption.org/v1")
    await write(machine, "/srv/backup/shop-2.sql.age", "age-encryption.org/v1")
    await write(machine, "/srv/keys/key.txt", "AGE-SECRET-KEY-1" + "Q" * 58)
    await write(machine, "/srv/pgp/backup.key", "-----BEGIN PGP PRIVATE KEY BLOCK-----")
    await write(machine, "/srv/pgp/shop.sql.pgp", "x")
    await run(machine, "for n in $(seq 300); do mkdir -p /srv/copies/$n/.git; done")  # they take nobody's place
    report = await audited(lab, machine, "key-beside-data")
    assert told(report, "key-beside-data") == {
        "/srv/backup/key.txt": "/srv/backup/key.txt contains a key; /srv/backup has 2 encrypted files",
        "/srv/pgp/backup.key": "/srv/pgp/backup.key contains a key; /srv/pgp has 1 encrypted file",
    }
    for each in report.found:
        await mend(machine, each.finding.fix)
    await gone(lab, machine, "key-beside-data")
    await run(machine, "rm -r /srv/backup /srv/keys /srv/pgp /srv/copies")


@pytest.mark.provokes("secret-in-log")
async def test_secrets_in_logs(lab: MachineLab, machine: Machine) -> None:
    lines = (
        f"2026-12-01 INFO login user=ann password={SECRET}",
        "2026-12-01 ERROR password=*** token=[FILTERED] Failed password for root from 10.0.0.1 port 22 ssh2",
        f'10.0.0.1 - - [01/Dec/2026:10:00:00 +0000] "GET /login?password={SECRET} HTTP/1.1" 404 162 "-" "curl"',
    )
    await write(machine, "/var/log/shop.log", *lines)
    await write(machine, "/var/log/dpkg.log", "2026-12-01 status installed passwd:amd64 1:4.17.4-2")
    await write(machine, "/srv/shop/app.log", f"connect postgres://shop:{SECRET}@db/shop")
    await run(machine, f"systemd-run -q --wait --description=pay --unit=pay echo token=Xa7{'q1' * 10}")
    logs = {"shop": file.Options(host=machine.name, path="/srv/shop/*.log")}
    report = await audited(lab, machine, "secret-in-log", logs=logs)
    found = told(report, "secret-in-log")
    assert found.keys() == {
        "/var/log/shop.log: password",
        "/srv/shop/app.log: postgres://",
        "journal: pay.service: token",
    }
    assert found["/var/log/shop.log: password"] == (
        "/var/log/shop.log: 1 line, the last one: 2026-12-01 INFO login user=ann password=***"
    )
    await run(machine, f"sed -i 's/{SECRET}/***/' /var/log/shop.log", "rm /srv/shop/app.log", "journalctl --rotate -q")
    await run(machine, "journalctl -q --vacuum-time=1us")
    after = await audited(lab, machine, "secret-in-log", logs=logs)
    assert (after.found, after.not_checked) == ((), ())


async def test_nothing_is_found_on_a_host_as_it_is_installed(lab: MachineLab, machine: Machine) -> None:
    report = await audited(lab, machine, "secrets")
    assert [(each.finding.subject, str(each.finding.evidence)) for each in report.found] == []
    assert report.not_checked == ()
    assert {each.check.id for each in report.passed} >= {each.id for each in chosen(["secrets"])} - {
        "secret-file-served",
        "secret-in-git",
    }
