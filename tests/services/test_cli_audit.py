"""``lilfox audit`` as it is run, against real servers."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lilfox_tui.audit.kept import KeptResult
from lilfox_tui.audit.model import Target
from lilfox_tui.cli.schemas import schema
from tests.services.lilfox_command import LILFOX, lilfox, started
from tests.services.sshd import SshdLab, sshd_lab
from tests.waiting import PATIENCE_S

CHECK = "ssh-password-auth"


@pytest.fixture(scope="module")
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        yield made


class Console:
    """A configuration with the hosts of a lab: ``bad`` accepts passwords, ``good`` does not."""

    def __init__(self, lab: SshdLab, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.bad, self.good = lab.sshd("PasswordAuthentication yes"), lab.sshd()
        self._lab = lab
        self.accept: list[dict[str, str]] = []
        self.services: dict[str, Any] = {}
        self.hosts: dict[str, Any] = {"bad": self._host(self.bad), "good": self._host(self.good)}
        monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))

    def _host(self, server: Any) -> dict[str, Any]:
        host = self._lab.host(server)
        return {"address": host.address, "port": host.port, "user": host.user, "identity": host.identity}

    def run(self, *words: str, anew: bool = False) -> subprocess.CompletedProcess[str]:
        file = self.folder / "config.yaml"
        ssh = {"config_files": [], "known_hosts": [str(self._lab.known_hosts)]}
        audit = {"accept": self.accept}
        file.write_text(json.dumps({"hosts": self.hosts, "services": self.services, "ssh": ssh, "audit": audit}))
        file.chmod(0o600)
        return (started if anew else lilfox)("--language", "en", "--config", file, "audit", *words)

    def document(self, *words: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("--json", "--only", CHECK, *words).stdout)
        jsonschema.validate(found, schema("audit"), format_checker=jsonschema.FormatChecker())
        return found


@pytest.fixture
def console(lab: SshdLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Console:
    return Console(lab, tmp_path, monkeypatch)


def test_exit_codes_tell_findings_from_checks_that_could_not_be_made(console: Console) -> None:
    assert console.run("--only", CHECK).returncode == 1
    assert console.run("--only", CHECK, "--host", "good").returncode == 0
    assert console.run("--only", CHECK, "--fail-on", "critical").returncode == 0
    assert console.run("--only", "nosuch").returncode == 2
    assert console.run("--host", "nosuch").returncode == 2
    console.hosts["gone"] = {"address": "127.0.0.1", "port": 1}
    assert console.run("--only", CHECK, "--host", "gone").returncode == 3
    assert console.run("--only", CHECK).returncode == 1  # a finding says more


def test_a_finding_has_its_evidence_and_its_fix(console: Console) -> None:
    lines = console.run("--only", CHECK).stdout.splitlines()
    file = console.bad.folder / "sshd_config"
    assert lines == [
        "✖  high  bad  ssh-password-auth  PasswordAuthentication  new",
        f"   sshd accepts passwords: sshd -T -f {file}: passwordauthentication yes",
        f"   fix: Put these lines at the top of {file}, then reload sshd.",
        "       PasswordAuthentication no",
        "       $ sshd -t",
        "       $ systemctl reload ssh || systemctl reload sshd",
        "1 high; 1 passed",
    ]


def test_json_says_what_is_new_unchanged_and_gone(console: Console) -> None:
    first, second = console.document(), console.document()
    assert [each["state"] for each in (*first["findings"], *second["findings"])] == ["new", "unchanged"]
    assert second["findings"][0]["first_seen"] == first["findings"][0]["first_seen"]
    assert console.document("--host", "good")["gone"] == []  # bad was not looked at
    console.hosts["bad"] = console.hosts["good"]
    assert [each["target"]["name"] for each in console.document()["gone"]] == ["bad"]
    assert console.document()["gone"] == []


def test_an_accepted_finding_comes_back_on_the_day_after(console: Console) -> None:
    today = datetime.now(UTC).date()
    console.accept = [{"id": CHECK, "target": "bad", "why": "until the keys are there", "until": today.isoformat()}]
    done = console.run("--only", CHECK)
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == (
        f"●  high  bad  ssh-password-auth  PasswordAuthentication  accepted until {today}: until the keys are there"
    )
    yesterday = (today - timedelta(days=1)).isoformat()
    console.accept[0]["until"] = yesterday
    done = console.run("--only", CHECK)
    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == (
        "✖  high  bad  ssh-password-auth  PasswordAuthentication  "
        f"no longer accepted since {yesterday}: until the keys are there"
    )
    console.accept[0]["until"] = "2027-02-30"
    done = console.run("--only", CHECK)
    assert (done.returncode, "there is no such day" in done.stderr) == (2, True)


def test_a_finding_is_accepted_by_a_command_and_no_longer(console: Console) -> None:
    until = datetime.now(UTC).date().isoformat()
    named = (CHECK, "--target", "bad")
    done = console.run("accept", *named, "--why", "until the keys are there", "--until", until)
    assert (done.returncode, done.stdout) == (0, f"accepted until {until}: bad {CHECK}\n")
    assert "no earlier run" in done.stderr
    done = console.run("--only", CHECK)
    assert (done.returncode, f"accepted until {until}: until the keys are there" in done.stdout) == (0, True)
    assert console.document()["findings"][0]["accepted"] == {"why": "until the keys are there", "until": until}
    done = console.run("accept", *named, "--remove")
    assert (done.returncode, done.stdout) == (0, f"no longer accepted: bad {CHECK}\n")
    assert console.run("--only", CHECK).returncode == 1
    console.accept = [{"id": CHECK, "why": "everywhere", "until": until}]
    done = console.run("accept", *named, "--remove")
    assert (done.returncode, "Remove it there." in done.stderr) == (2, True)


def test_what_cannot_be_accepted_is_refused(console: Console) -> None:
    reason, day = ("--why", "known"), ("--until", "2999-12-31")
    for words, code in {
        (CHECK, "--target", "bad", *day): 2,
        (CHECK, "--target", "bad", *reason): 2,
        (CHECK, *reason, *day): 2,
        (CHECK, "--target", "bad", *reason, "--until", "2020-01-01"): 2,
        (CHECK, "--target", "nosuch", *reason, *day): 2,
        ("host", "--target", "bad", *reason, *day): 2,
        (CHECK, "--target", "bad", *reason, *day, "--read-only"): 1,
    }.items():
        done = console.run("accept", *words)
        assert (done.returncode, done.stdout) == (code, ""), words
    assert console.run("--only", CHECK).returncode == 1


def test_check_adds_the_audit_to_its_result(console: Console) -> None:
    console.run("list")  # writes the configuration
    command = ("--language", "en", "--config", console.folder / "config.yaml", "check", "--timeout", "100s")
    without = json.loads(lilfox(*command, "--json").stdout)
    assert without["audit"] is None
    done = lilfox(*command, "--audit", "--json")
    document = json.loads(done.stdout)
    jsonschema.validate(document, schema("check"), format_checker=jsonschema.FormatChecker())
    assert (done.returncode, document["level"]) == (1, "failing")
    found = {(each["id"], each["target"]) for each in document["audit"]["findings"]}
    assert {target for check, target in found if check == CHECK} == {"bad"}
    text = lilfox(*command, "--audit").stdout
    assert re.search(rf"bad +high  {CHECK}: sshd accepts passwords", text)


QUICK = {CHECK, "ssh-root-login", "ssh-weak-algorithms", "sudo-nopasswd", "firewall", "host-without-rule"}
"""Checks whose result does not change while the machine is busy."""


def test_check_tells_the_same_as_the_audit_and_keeps_no_result_of_its_own(console: Console) -> None:
    whole = json.loads(console.run("--json").stdout)
    state = console.folder / "state" / "lilfox" / "audit"
    (kept,) = state.glob("result-*.json")
    before = kept.read_bytes()
    command = ("--language", "en", "--config", console.folder / "config.yaml", "check", "--timeout", "100s")
    found = json.loads(lilfox(*command, "--audit", "--json").stdout)["audit"]
    assert kept.read_bytes() == before
    told = {
        (each["id"], each["kind"], each["target"], each["subject"], each["severity"], each["accepted"])
        for each in found["findings"]
        if each["id"] in QUICK
    }
    assert told == {
        (each["id"], *each["target"].values(), each["subject"], each["severity"], each["state"] == "accepted")
        for each in whole["findings"]
        if each["id"] in QUICK
    }
    assert (CHECK, "host", "bad", "PasswordAuthentication", "high", False) in told
    blind = {(each["id"], each["target"]) for each in found["not_checked"] if each["id"] in QUICK}
    assert blind == {(each["id"], each["target"]["name"]) for each in whole["not_checked"] if each["id"] in QUICK}


def test_the_result_is_kept_for_the_console_and_a_part_replaces_its_part(console: Console) -> None:
    def kept() -> set[tuple[str, str]]:
        names = [Target("host", "bad"), Target("host", "good")]
        report = KeptResult(console.folder / "config.yaml", console.folder / "state" / "lilfox" / "audit").read(names)
        return set() if report is None else {(each.check.id, each.target.name) for each in report.found}

    console.document()
    assert kept() == set(), "a part alone is no result"
    console.run()
    assert (CHECK, "bad") in kept()
    others = kept() - {(CHECK, "bad")}
    console.hosts["bad"] = console.hosts["good"]
    console.document("--host", "good")
    assert (CHECK, "bad") in kept(), "bad was not checked again"
    console.document()
    assert kept() == others


def test_a_damaged_result_is_told_of_and_replaced(console: Console) -> None:
    console.run()
    (path,) = (console.folder / "state" / "lilfox" / "audit").glob("result-*.json")
    path.write_text("[{")
    done = console.run("--only", CHECK)
    assert (done.returncode, "not a result of the audit; not used" in done.stderr) == (1, True)
    assert "not used" not in console.run().stderr
    assert len(path.read_text()) > 100


def test_a_baseline_leaves_only_what_is_new(console: Console) -> None:
    baseline = console.folder / "baseline.json"
    assert console.run("--only", CHECK, "--write-baseline", str(baseline)).returncode == 1
    assert console.run("--only", CHECK, "--baseline", str(baseline)).returncode == 0
    console.hosts["other"] = console.hosts["bad"]
    assert [each["target"]["name"] for each in console.document("--baseline", str(baseline))["findings"]] == ["other"]
    baseline.write_text("{}")
    done = console.run("--only", CHECK, "--baseline", str(baseline))
    assert (done.returncode, "not a baseline" in done.stderr) == (2, True)


def test_sarif_is_the_same_in_two_runs(console: Console) -> None:
    quick = (CHECK, "ssh-root-login", "ssh-weak-algorithms", "sudo-nopasswd", "firewall", "oom-kills")
    only = [word for check in quick for word in ("--only", check)]  # a list of packages takes too long at times
    argv = ("--format", "sarif", *only)
    first, second = (json.loads(console.run(*argv, anew=True).stdout) for _run in range(2))  # with two seeds of hashes
    assert first == second
    (run,) = first["runs"]
    rules = [each["id"] for each in run["tool"]["driver"]["rules"]]
    assert len(rules) > 5  # also those that found nothing
    found = [each for each in run["results"] if each["ruleId"] == CHECK]
    assert len(found) == 1
    assert rules[found[0]["ruleIndex"]] == CHECK
    assert str(console.bad.port) not in json.dumps(found[0]["partialFingerprints"])


def test_only_a_service_is_checked(console: Console) -> None:
    assert console.run("--only", CHECK, "--service", "nosuch").returncode == 2
    console.services = {"shop": {"url": "http://127.0.0.1:1"}}
    done = console.run("--only", CHECK, "--service", "shop")
    assert (done.returncode, done.stdout) == (0, "no findings; 0 passed\n")
    assert console.run("--only", CHECK, "--service", "shop", "--host", "bad").returncode == 1


def test_a_terminal_shows_what_the_audit_waits_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    config = tmp_path / "config.yaml"
    config.write_text("name: prod\naudit: {folders: [/srv]}\n")
    config.chmod(0o600)
    argv = [*LILFOX, "--language", "en", "--config", str(config), "audit", "--only", "data-without-backup", "--json"]
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs, timeout=PATIENCE_S, check=False
        )
        shown = os.read(ours, 100_000).decode()
    finally:
        os.close(theirs)
        os.close(ours)
    assert (done.returncode, json.loads(done.stdout)["findings"][0]["target"]["name"]) == (1, "prod")
    assert shown.split("\x1b[K")[0] == "\raudit: 0 of 1; waiting for prod"
    assert shown.endswith("\r\x1b[K")
    assert "audit:" not in subprocess.run(argv, capture_output=True, text=True, check=False).stderr


def test_checks_are_listed_and_explained(console: Console) -> None:
    assert [line.split()[:3] for line in console.run("list").stdout.splitlines() if CHECK in line] == [
        ["host", CHECK, "high"]
    ]
    told = console.run("explain", CHECK).stdout
    assert "A key cannot be guessed." in told
    assert '"$sshd" -T' in told
    assert console.run("explain", "nosuch").returncode == 2
    assert json.loads(console.run("--json-schema").stdout) == schema("audit")
