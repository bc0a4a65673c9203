"""Each hazard: a fence that has it, and one that does the same safely, of which it is not said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import lilfox_tui
from lilfox_tui.core.i18n import set_language
from lilfox_tui.runbook.lint import lint
from lilfox_tui.runbook.model import Problem
from lilfox_tui.runbook.parse.document import parse

_MADE = re.compile(
    r"""(?:hazard\(\s*[^"]*?|Problem\(\s*[^"]*?"(?:error|warning)"(?: if [^,]*)?,\s*)"([a-z]+(?:-[a-z]+)*)\""""
)
"""A code where it is made."""
_SAFE = "#!/bin/bash\nset -euo pipefail\numask 077\n"


def _lint(text: str) -> list[Problem]:
    return lint(parse(text.encode(), "/x.md"))


def _fence(text: str, language: str = "bash") -> str:
    return f"```{language}\n{text}\n```\n"


def _codes(text: str) -> set[str]:
    return {problem.code for problem in _lint(text)}


def _step(text: str, info: str = "bash") -> str:
    return f"# T\n\n1. Step\n\n{_fence(text, info)}"


_OF_FENCES = [
    ("pipe-hides-failure", "pg_dump shop | gzip > shop.gz", "set -o pipefail\npg_dump shop | gzip > shop.gz"),
    ("quiet-grep", "set -euo pipefail\nss -ltn | grep -q :80", "set -euo pipefail\nss -ltn | grep :80 >/dev/null"),
    ("quiet-grep", "#!/bin/bash -o pipefail\nps | fgrep -xq a", "#!/bin/bash\nps | fgrep -xq a"),
    ("quiet-grep", "set -o pipefail\nps | grep --quiet a; ls", "set -o pipefail\ngrep -q a b || grep -q c d | wc -l"),
    ("dump-without-roles", "pg_dump shop > shop.sql", "pg_dumpall --globals-only > g.sql\npg_dump shop > shop.sql"),
    ("gunzip-removes", "gunzip shop.sql.gz", "gunzip -c shop.sql.gz > shop.sql"),
    ("psql-goes-on", "psql -d shop < shop.sql", "psql -X -1 -v ON_ERROR_STOP=1 -d shop < shop.sql"),
    ("psql-goes-on", "gunzip -c a.gz | psql -d shop", "gunzip -c a.gz | psql -v ON_ERROR_STOP=1 -d shop"),
    ("asks-password", "psql -U shop -d shop < a.sql", "psql -w -U shop -d shop < a.sql"),
    ("asks-password", "#!/bin/sh\npg_dump -U shop -d shop", "#!/bin/sh\nexport PGPASSFILE=/x\npg_dump -U shop -d shop"),
    ("unpacks-into-root", "tar -xzf a.tar.gz -C /", "tar -xzf a.tar.gz -C /srv/new"),
    ("overwrites-secrets", "cp /backup/env_1 .env", "install -m 0600 /backup/env_1 .env"),
    ("restore-without-preflight", "#!/bin/sh\ntar -xzf $1", "#!/bin/sh\n[ -f $1 ] || exit 1\ntar -xzf $1"),
    (
        "prunes-after-failure",
        "#!/bin/sh\ntar -czf a b\nfind a -mtime +7 -delete",
        _SAFE + "tar -czf a b\nfind a -mtime +7 -delete",
    ),
    ("readable-by-all", "#!/bin/sh\ntar -czf a b", _SAFE + "tar -czf a b"),
    ("no-lock", "#!/bin/sh\ntar -czf a b", "#!/bin/sh\nexec 9>/run/x; flock -n 9\ntar -czf a b"),
    (
        "no-mount-check",
        "#!/bin/sh\nTO=/backup/x\ntar -czf $TO b",
        "#!/bin/sh\nTO=/backup/x\nmountpoint -q /backup\ntar -czf $TO b",
    ),
    ("log-on-same-disk", '#!/bin/sh\nLOG="$BACKUP_ROOT/l"\ntar -czf a b', '#!/bin/sh\nLOG="/var/log/l"\ntar -czf a b'),
    ("never-pruned", "#!/bin/sh\ntar -czf a_$DATE b", "#!/bin/sh\ntar -czf a_$DATE b\nfind . -mtime +7 -delete"),
    (
        "two-clocks",
        "#!/bin/sh\nD=$(date +%H%M%S)\nbash a.sh\ntar -czf a b",
        "#!/bin/sh\nD=$(date +%Y)\nbash a.sh\ntar -czf a b",
    ),
    ("goes-on-after-failure", "#!/bin/sh\ngit pull\ntar -xf a", "#!/bin/sh\nset -e\ngit pull\ntar -xf a"),
    ("success-unchecked", "#!/bin/sh\ntar -xf a\necho 备份完成", "#!/bin/sh\nif tar -xf a; then\n  echo 备份完成\nfi"),
    ("success-unchecked", "#!/bin/sh\ntar -xf a\necho Backup done", "#!/bin/sh\nset -e\ntar -xf a\necho Backup done"),
    ("status-of-another", "bash a.sh\nif [ $? -eq 0 ]; then\n  ls\nfi", "tar -xf a\nif [ $? -eq 0 ]; then\n  ls\nfi"),
    ("failure-passed-over", "#!/bin/sh\nf() {\n  return 1\n}\nf", "#!/bin/sh\nf() {\n  return 1\n}\nf || exit 1"),
    ("relative-path", "#!/bin/sh\ncp .env /x", "#!/bin/sh\ncd /srv\ncp .env /x"),
    ("unquoted-variable", "rm -r $TO", 'rm -r "$TO"'),
    ("unquoted-variable", "rm -r $TO", "rm -r \"old $TO\" '$TO'"),
    (
        "success-unchecked",
        "#!/bin/sh\ntar -xf a # \\\necho Backup done",
        "#!/bin/sh\nif tar -xf a; then\\\necho done\nfi",
    ),
    (
        "log-folder-missing",
        '#!/bin/sh\nLOG="/var/log/x/y.log"',
        '#!/bin/sh\nLOG="/var/log/x/y.log"\nmkdir -p /var/log/x',
    ),
    ("crontab-line", "0 2 * * * /opt/backup.sh", "/opt/backup.sh"),
    ("prompt", "$ ls", "ls"),
    ("sed-matches-nothing", "sed -i s/a/b/ f", "sed -i s/a/b/ f\ngrep -q b f"),
    ("without-sudo", "sed -i s/a/b/ /etc/f\nsudo ls", "sudo sed -i s/a/b/ /etc/f\nsudo ls"),
    ("reload-untested", "sudo nginx -s reload", "sudo nginx -t && sudo nginx -s reload"),
    (
        "state-forgotten",
        "#!/bin/sh\nCURRENT_PORT=1\nf() {\n  CURRENT_PORT=$1\n}",
        "#!/bin/sh\nCURRENT_PORT=$(cat /run/p)\nf() {\n  CURRENT_PORT=$1\n}",
    ),
    ("unpinned", "git pull origin main", "git fetch\ngit checkout 1a2b3c"),
    ("migrates-without-backup", "alembic upgrade head", "lilfox backup run\nalembic upgrade head"),
    ("checkout-alone", "git checkout 1\nsystemctl restart a", "git checkout 1\npip install -r r\nsystemctl restart a"),
    ("value-unused", "#!/bin/sh\nv=$1\necho $v", "#!/bin/sh\nv=$1\ngit checkout $v"),
    (
        "value-unchecked",
        "#!/bin/sh\nv=$1\ngit checkout $v",
        "#!/bin/sh\nv=$1\n[[ $v =~ ^[0-9a-f]+$ ]] || exit 2\ngit checkout $v",
    ),
    (
        "starts-what-was-stopped",
        "#!/bin/sh\nsystemctl is-active a || systemctl restart a",
        "#!/bin/sh\nsystemctl is-enabled a && systemctl is-active a || systemctl restart a",
    ),
    (
        "active-is-not-healthy",
        "#!/bin/sh\nsystemctl restart a\nsystemctl is-active a",
        "#!/bin/sh\nsystemctl restart a\nsystemctl is-active a && curl -f h",
    ),
    ("restart-unchecked", "#!/bin/sh\nsystemctl restart a", "#!/bin/sh\nsystemctl restart a\ncurl -f h"),
    ("secret-in-text", "curl postgresql://u:hunter2@db/x", "curl postgresql://u:$PASSWORD@db/x"),
    ("secret-in-text", "PGPASSWORD=hunter2 psql -l", "PGPASSWORD=$PASSWORD psql -l"),
    ("secret-in-text", 'curl -H "Authorization: Bearer abcdefgh12"', 'curl -H "Authorization: Bearer $TOKEN"'),
]
_OF_PYTHON = [
    ("starttls-unverified", "s.starttls()", "s.starttls(context=c)"),
    ("bare-except", "try:\n  x()\nexcept:\n  pass", "try:\n  x()\nexcept OSError:\n  pass"),
    ("mails-each-time", "s.send_message(m)", "s.send_message(m)\nopen('/var/lib/x', 'w')"),
    (
        "only-this-host",
        "requests.get('http://localhost/')\ns.send_message(m)",
        "requests.get('http://web/')\ns.send_message(m)",
    ),
    ("naive-time", "datetime.utcnow()", "datetime.now(timezone.utc)"),
    ("log-folder-missing", 'open("logs/a.log", "a")', 'open("/var/log/a.log", "a")'),
    ("secret-in-text", "s.login('a@b', 'hunter2')", "s.login('a@b', password())"),
    ("secret-in-text", 'password = "hunter2"', 'password = os.environ["PASSWORD"]'),
]


@pytest.mark.fault("2.22", "2.24")
@pytest.mark.parametrize(("code", "hazard", "safe"), _OF_FENCES)
def test_a_hazard_of_shell_text_is_named_wherever_it_stands(code: str, hazard: str, safe: str) -> None:
    assert code in _codes(_fence(hazard))
    assert code not in _codes(_fence(safe))


@pytest.mark.parametrize(("code", "hazard", "safe"), _OF_PYTHON)
def test_a_hazard_of_python_is_named(code: str, hazard: str, safe: str) -> None:
    assert code in _codes(_fence(hazard, "python"))
    assert code not in _codes(_fence(safe, "python"))


_CHECKED = 'systemctl restart a\n```\n```bash {"check": true}\ncurl -f h'


@pytest.mark.parametrize(
    ("code", "hazard", "safe"),
    [
        ("follow-first", "tail -f a\nls", "ls\ntail -f a"),
        ("interactive-first", "htop\ndf", "df\nhtop"),
        ("export-no-effect", "export A=1\nsystemctl restart a", "export A=1\n./a"),
        ("iptables-append", "iptables -A INPUT -s 192.0.2.1 -j DROP", "iptables -I INPUT -s 192.0.2.1 -j DROP"),
        ("change-unchecked", "systemctl restart a", _CHECKED),
        ("change-unchecked", "systemctl restart a", "systemctl status a"),
        ("placeholder-untyped", "ping <ip>", "ping 192.0.2.1"),
        ("placeholder-refused", "<program> a", "ls <program>"),
        ("destroys", "rm -rf /srv/x", "ls"),
    ],
)
def test_a_hazard_of_steps_is_named(code: str, hazard: str, safe: str) -> None:
    assert code in _codes(_step(hazard))
    assert code not in _codes(_step(safe))


@pytest.mark.parametrize("attribute", ['"risk": "destroy"', '"confirm": "typed"'])
def test_what_destroys_is_a_hazard_only_where_nobody_types_its_hosts(attribute: str) -> None:
    text = "# rm -rf all\nls; rm -rf /srv/x"
    page = _step(text)
    line = page[: page.index("ls; rm")].count("\n") + 1
    assert [problem.line for problem in _lint(page) if problem.code == "destroys"] == [line]
    assert "destroys" not in _codes(_step(text, f"bash {{{attribute}}}"))


@pytest.mark.fault("4.7")
@pytest.mark.parametrize(
    ("confirm", "said"), [("none", ["error"]), ("once", ["warning"]), ("typed", []), ("", [])]
)  # fmt: skip
def test_a_weaker_confirmation_of_what_destroys_is_named_once_for_its_fence(confirm: str, said: list[str]) -> None:
    attributes = '{"risk": "destroy"' + (f', "confirm": "{confirm}"' if confirm else "") + "}"
    page = _step("rm -rf /srv/x\nrm -rf /srv/y", f"bash {attributes}")
    line = page[: page.index("rm -rf /srv/x")].count("\n") + 1
    found = [each for each in _lint(page) if each.code == "confirm-too-weak"]
    assert [(each.line, each.severity) for each in found] == [(line, severity) for severity in said]


def test_the_refused_placeholder_is_named() -> None:
    assert [problem.text for problem in _lint(_step("<program> a")) if problem.code == "placeholder-refused"] == [
        "<program>: a value cannot be the name of a command"
    ]


def test_a_rollback_stands_for_a_check() -> None:
    text = _step("systemctl stop a", 'bash {"name": "stop"}') + _fence(
        "systemctl start a", 'bash {"rollback-of": "stop"}'
    )

    assert "change-unchecked" not in _codes(text)


def test_a_type_of_a_placeholder_is_enough() -> None:
    assert "placeholder-untyped" not in _codes("---\nvars:\n  ip: ip\n---\n" + _step("ping <ip>"))


def test_a_default_that_its_type_refuses() -> None:
    assert "default-refused" in _codes("---\nvars:\n  ip: {type: ip, default: web}\n---\n" + _step("ping <ip>"))
    assert "default-refused" not in _codes("---\nvars:\n  n: {type: int, default: 3}\n---\n" + _step("ping -c <n> a"))


def test_the_documents_name_every_code_and_no_other() -> None:
    package = Path(lilfox_tui.__file__).parent
    files = [*(package / "runbook").rglob("*.py"), package / "cli" / "commands" / "runbook.py"]
    made = {code for file in files for code in _MADE.findall(file.read_text())}
    table = (package.parent / "docs" / "runbooks.md").read_text().split("| code |")[1]
    named = {
        code
        for line in table.split("\n")
        for code in re.findall("`([a-z-]+)`", line.split("|")[1] if "|" in line else "")
    }

    assert made == named


@pytest.mark.fault("2.27")
@pytest.mark.parametrize("attributes", ['{"expect": "/up/"}', '{"expect": 3}', '{"capture": {"a": "(.*)"}}'])
def test_what_is_expected_of_a_fence_of_several_commands_holds_for_each(attributes: str) -> None:
    (found,) = [each for each in _lint(_step("uptime\ndf -h", f"bash {attributes}")) if each.code == "of-each-command"]
    assert (found.line, "each of the 2 commands" in found.text) == (6, True)
    assert "of-each-command" not in _codes(_step("uptime", f"bash {attributes}"))
    assert "of-each-command" not in _codes(_step("uptime\ndf -h"))
    assert "of-each-command" not in _codes(_step("#!/bin/bash\nuptime\ndf -h", f"bash {attributes}"))


def test_another_language_in_a_step_is_a_step_by_hand() -> None:
    assert "edit-in-no-process" in _codes(_step("LIMIT = 10", "python"))
    assert "edit-in-no-process" not in _codes(_fence("LIMIT = 10", "python"))


def test_an_image_without_a_version() -> None:
    assert "unpinned" in _codes(_fence("image: web:latest", "yaml"))
    assert "unpinned" not in _codes(_fence("image: web:1.2", "yaml"))


_KEEPS = '#!/bin/sh\nTO="/backup/config"\ncp .env $TO/env_$DATE\nfind $TO -mtime +{days} -delete'


@pytest.mark.fault("2.20", "2.21")
def test_what_only_shows_in_the_whole_file() -> None:
    restore = '#!/bin/sh\nROOT="/backup"\ncp $ROOT/env_$DATE .env'
    text = _fence(_KEEPS.format(days=7)) + _fence(_KEEPS.format(days=30)) + _fence(restore)

    found = {(problem.code, problem.line) for problem in _lint(text)}

    assert {("restored-from-elsewhere", 4), ("nobody-writes-it", 16), ("retention-differs", 11)} <= found
    assert "retention-differs" not in _codes(_fence(_KEEPS.format(days=7)) * 2)


@pytest.mark.fault("2.20")
def test_a_port_of_a_switch_that_another_service_has() -> None:
    switch = _fence("#!/bin/sh\nBLUE_PORT=8000\nGREEN_PORT=8001")

    assert "port-taken" in _codes(switch + _fence('{"Model": "http://localhost:8001"}', "json"))
    assert "port-taken" not in _codes(switch + _fence('{"Web": "http://localhost:8000"}', "json"))


def test_a_text_that_is_read_as_an_object() -> None:
    writes = _fence('data["exception"] = self.formatException(info)', "python")
    reads = _fence('log.get("exception", {}).get("type")', "python")

    assert "exception-is-text" in _codes(writes + reads)
    assert "exception-is-text" not in _codes(reads)


def test_comments_are_no_hazard() -> None:
    assert _codes(_fence("# gunzip a.gz\nls # why")) == set()


def test_problems_are_told_in_the_language_in_force() -> None:
    english = _lint(_fence("gunzip a.gz"))
    set_language("zh_CN")
    chinese = _lint(_fence("gunzip a.gz"))

    assert [(each.line, each.code) for each in english] == [(each.line, each.code) for each in chinese]
    assert all(one.text != other.text for one, other in zip(english, chinese, strict=True))


def test_no_secret_is_repeated() -> None:
    assert all(
        "hunter2" not in problem.text for problem in _lint(_fence("PGPASSWORD=hunter2 psql postgresql://a:hunter2@b"))
    )
