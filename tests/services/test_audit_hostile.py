"""Hosts that lie: what they print in the place of facts reaches no terminal as more than text, and ends in time."""

from __future__ import annotations

import json
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from lilfox_tui.cli.schemas import schema
from tests.services.lilfox_command import lilfox
from tests.services.sshd import SshdLab, sshd_lab

NASTY = "\x1b]52;c;ZXZpbA==\x07\x1b[2J\x9b31m[red]x[/red]<b>\u202e\u2066\r\x00`id`$(id)|;\x7f'\""
"""Writes the clipboard, clears the screen, colours, is markup of Textual and Markdown, turns the text around."""
LIES = {
    "sshd": f"file /etc/{NASTY}\npasswordauthentication yes\npermitrootlogin yes\nciphers 3des-cbc,{NASTY}\n",
    "ss": f'tcp LISTEN 0 128 0.0.0.0:6379 0.0.0.0:* users:(("{NASTY}",pid=1,fd=3))\n',
    "df": f"Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/{NASTY} 100 99 1 99% /{NASTY}\n",
    "nft": json.dumps({"nftables": [{"chain": {"name": NASTY, "hook": "input", "family": NASTY, "policy": NASTY}}]}),
    "systemctl": f"Id={NASTY}.service\nActiveState=failed\nResult={NASTY}\nEnvironment=PASSWORD={NASTY}\n\n",
    "timedatectl": f"NTP={NASTY}\nNTPSynchronized={NASTY}\n",
    "apt-cache": f" 500 {NASTY} security/main\n{NASTY}:\n  Installed: {NASTY}\n  Candidate: 2\n     2 500\n",
    "dpkg-query": f"{NASTY} {NASTY}\n",
    "ps": f"{NASTY}.service mysql --password={NASTY}\n",
    "find": f"{NASTY}\n",
    "stat": f"{NASTY}\n",
    "sudo": f"{NASTY}\n",
}
ENDLESS = 'ForceCommand while :; do echo "$RANDOM @@LILFOX-FACT@@ 0 0"; done'
SILENT = "ForceCommand exec sleep 600"
GROUPS = [word for group in ("host", "systemd", "secrets", "logs", "stack") for word in ("--only", group)]


def lying(lab: SshdLab, folder: Path) -> str:
    """An option of sshd_config: programs that the audit asks for are found that print :data:`LIES`."""
    programs = folder / "lies"
    programs.mkdir()
    for name, text in LIES.items():
        (programs / f"{name}.txt").write_bytes(text.encode("utf-8", "surrogateescape"))
        (programs / name).write_text(f"#!/bin/sh\nexec /bin/cat {programs}/{name}.txt\n")
        (programs / name).chmod(0o755)
    return f'ForceCommand PATH={programs}:$PATH exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"'


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("hostile")
    with sshd_lab() as lab:
        hosts = {}
        for name, option in (("liar", lying(lab, folder)), ("endless", ENDLESS), ("silent", SILENT)):
            host = lab.host(lab.sshd(option))
            hosts[name] = {"address": host.address, "port": host.port, "user": host.user, "identity": host.identity}
        ssh = {"config_files": [], "known_hosts": [str(lab.known_hosts)]}
        file = folder / "config.yaml"
        file.write_text(json.dumps({"hosts": hosts, "ssh": ssh}))
        file.chmod(0o600)
        yield file


def is_text(printed: str) -> bool:
    """Whether a terminal would only show it: no controls but the ends of lines, and nothing that turns it around."""
    return all(char == "\n" or unicodedata.category(char) not in ("Cc", "Cf", "Co", "Cs") for char in printed)


@pytest.mark.parametrize("form", ["text", "markdown", "sarif", "json"])
def test_what_a_host_prints_is_never_more_than_text(
    config: Path, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    words = ["--json"] if form == "json" else ["--format", form]
    done = lilfox("--language", "en", "--config", config, "audit", *GROUPS, "--host", "liar", *words)
    assert done.returncode == 1, done.stderr
    assert "ssh-password-auth" in done.stdout
    assert "<b>" not in done.stdout, "a secret is not told, nor the rest of one"
    assert is_text(done.stdout), [char for char in done.stdout if not is_text(char)]
    if form == "json":
        jsonschema.validate(json.loads(done.stdout), schema("audit"), format_checker=jsonschema.FormatChecker())
    elif form == "sarif":
        json.loads(done.stdout)


def test_a_host_that_never_ends_costs_no_more_than_its_time(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    began = time.monotonic()
    hosts = ("--host", "endless", "--host", "silent")
    done = lilfox("--language", "en", "--config", config, "audit", *GROUPS, *hosts, "--timeout", "3s", "--json")
    assert done.returncode == 3, done.stderr
    assert time.monotonic() - began < 60
    report = json.loads(done.stdout)
    assert report["findings"] == []
    assert {each["target"]["name"] for each in report["not_checked"]} == {"endless", "silent"}
