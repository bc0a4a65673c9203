"""Files that decide what runs and whose secrets are sent: what others may write is not acted on, on each way to it."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lilfox_tui.alerts.rules import read_rule_files
from lilfox_tui.config.loader import load
from lilfox_tui.config.model import HostConfig, SshConfig
from lilfox_tui.core import paths
from lilfox_tui.core.errors import AuthRefused
from lilfox_tui.core.files import NotTrusted
from lilfox_tui.hosts.http import Tls, tls_context
from lilfox_tui.hosts.open import open_host
from lilfox_tui.hosts.ssh.openssh import shell_argv
from lilfox_tui.runbook.run.persistence import request_of_run
from lilfox_tui.runbook.run.protocol import FinishRun
from lilfox_tui.scrape.discovery import read_groups
from tests.services.runbook_lab import RunbookLab, fence
from tests.services.sshd import SshdLab, sshd_lab
from tests.unit.jobs.running import jobs

__all__ = ["jobs"]
STRANGER = 4711
pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")]
RULES = "groups: [{name: g, rules: [{alert: A, expr: vector(1)}]}]\n"


@pytest.fixture(scope="module")
def servers() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        made.sshd()
        yield made


@contextmanager
def stranger_may_write(file: Path, way: str) -> Iterator[None]:
    """Meanwhile: by its mode, its owner, its folder, or a folder's owner."""
    changed = {"mode": file, "owner": file, "folder": file.parent, "folder's owner": file.parent}[way]
    before = changed.stat()
    if way in ("mode", "folder"):
        changed.chmod(before.st_mode | 0o022)
    else:
        os.chown(changed, STRANGER, -1)
    try:
        yield
    finally:
        os.chown(changed, before.st_uid, -1)
        changed.chmod(before.st_mode)


WAYS = ["mode", "owner", "folder", "folder's owner"]
every_way = pytest.mark.parametrize("way", WAYS)


async def connected(config: HostConfig, ssh: SshConfig) -> None:
    host = open_host("there", config, ssh)
    try:
        await host.connect()
    finally:
        await host.close()


@pytest.mark.fault("4.16")
@every_way
@pytest.mark.parametrize("included", [False, True])
async def test_a_proxy_command_of_a_stranger_is_not_run(
    servers: SshdLab, tmp_path: Path, way: str, *, included: bool
) -> None:
    """In the file itself, and in one that it includes; by LilFox's own connection and by the ssh of a shell."""
    canary, evil = tmp_path / "canary", tmp_path / "evil" / "ssh_config"
    evil.parent.mkdir()
    evil.write_text(f"ProxyCommand sh -c 'touch {canary}; exit 1'\n")
    first = tmp_path / "config"
    first.write_text(f"Host *\n  Include {tmp_path}/evil/ssh_c*\n")
    ssh = servers.ssh(config_files=(str(first if included else evil),))
    with stranger_may_write(evil, way):
        with pytest.raises(AuthRefused, match="others can change it"):
            await connected(servers.host(servers.servers[0]), ssh)
        with pytest.raises(NotTrusted):
            shell_argv("there", servers.host(servers.servers[0]), ssh)
        assert not canary.exists()
    assert shell_argv("there", servers.host(servers.servers[0]), ssh)[0] == "ssh", "it is the user's own word now"


@pytest.mark.fault("4.17")
@every_way
async def test_hosts_that_a_stranger_vouches_for_and_keys_of_strangers_are_not_used(
    servers: SshdLab, tmp_path: Path, way: str
) -> None:
    known, key = tmp_path / "ssh" / "known_hosts", tmp_path / "ssh" / "key"
    known.parent.mkdir()
    known.write_bytes(servers.known_hosts.read_bytes())
    key.write_bytes(servers.client_key.read_bytes())
    key.chmod(0o600)
    config = servers.host(servers.servers[0], identity=str(key))
    ssh = servers.ssh(known_hosts=(str(known),))
    await connected(config, ssh)
    for file in (known, key):
        with stranger_may_write(file, way), pytest.raises(AuthRefused, match="others can change it"):
            await connected(config, ssh)


@pytest.mark.fault("4.14")
@every_way
def test_a_prometheus_yml_of_a_stranger_sends_nobodys_secret(tmp_path: Path, way: str, own_folders: Path) -> None:
    """Its ``credentials_file`` names a file of root's, its target the stranger's own server."""
    heard: list[str] = []

    class Evil(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.headers.get("Authorization", ""))
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Nothing."""

    secret, file = tmp_path / "secret", tmp_path / "prometheus" / "prometheus.yml"
    file.parent.mkdir()
    secret.write_text("kanarienvogel")
    secret.chmod(0o600)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Evil) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        job = {
            "job_name": "x",
            "authorization": {"credentials_file": str(secret)},
            "static_configs": [{"targets": [f"127.0.0.1:{server.server_port}"]}],
        }
        file.write_text(json.dumps({"scrape_configs": [job]}))
        config = tmp_path / "config.yaml"
        config.write_text(f"prometheus_config: {file}\n")
        config.chmod(0o600)

        def check() -> subprocess.CompletedProcess[str]:
            argv = [sys.executable, "-m", "lilfox_tui", "--config", str(config), "query", "up"]
            return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)

        with stranger_may_write(file, way):
            done = check()
        assert not heard
        assert "others can change it" in done.stdout + done.stderr
        check()
        server.shutdown()
    assert heard[:1] == ["Bearer kanarienvogel"], "it is the user's own word now"


def rules(file: Path) -> None:
    for error in read_rule_files([str(file)], file.parent).broken.values():
        raise error


def certificates(file: Path) -> None:
    tls_context(Tls(ca_file=str(file)))


@pytest.mark.fault("4.15")
@every_way
@pytest.mark.parametrize("read", [rules, read_groups, load, certificates])
def test_what_a_stranger_may_write_is_read_by_none(tmp_path: Path, way: str, read: Callable[[Path], object]) -> None:
    file = tmp_path / "named" / "file.yml"
    file.parent.mkdir()
    file.write_text(RULES)
    with stranger_may_write(file, way), pytest.raises(NotTrusted, match="others can change it") as caught:
        read(file)
    assert ("to a folder of your own" if "owner" in way else "chmod go-w ") in str(caught.value.hint)


@pytest.mark.fault("4.15")
def test_rules_are_read_again_once_nobody_else_may_write_them(tmp_path: Path) -> None:
    file = tmp_path / "rules.yml"
    file.write_text(RULES)
    file.chmod(0o666)
    broken = read_rule_files([str(file)], tmp_path)
    assert [*broken.broken] == [str(file)]
    file.chmod(0o644)
    good = read_rule_files([str(file)], tmp_path)
    assert good.stamp != broken.stamp, "who looks for changes sees one"
    assert not good.broken


@pytest.mark.fault("4.18")
def test_a_state_folder_that_leads_into_a_folder_of_others_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as ``/etc``, which is root's own: its files are not among LilFox's. Nothing is made there."""
    state, etc, own = tmp_path / "state", tmp_path / "etc", tmp_path / "own"
    for folder, mode in ((state, 0o755), (etc, 0o755), (own, 0o700)):
        folder.mkdir()
        folder.chmod(mode)
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    (state / "lilfox").symlink_to(etc)
    with pytest.raises(paths.FolderRefused, match=f"is a symbolic link to {etc}, which others can access"):
        paths.own_folder("jobs")
    assert [*etc.iterdir()] == []
    (state / "lilfox").unlink()
    (state / "lilfox").symlink_to(own)
    assert paths.own_folder("jobs").is_dir(), "on another disk, and its own"
    (own / "incidents").symlink_to(etc)
    with pytest.raises(paths.FolderRefused, match="is a symbolic link to"):
        paths.own_folder("incidents")


@pytest.mark.fault("4.18")
@every_way
def test_a_state_folder_of_a_stranger_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    state = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    (state / "lilfox").mkdir(parents=True)
    with stranger_may_write(state / "lilfox", way), pytest.raises(paths.FolderRefused, match="others can change it"):
        paths.own_folder("jobs")
    assert [*(state / "lilfox").iterdir()] == []


@pytest.mark.fault("4.19")
def test_a_run_of_somebody_else_is_not_gone_on_with(jobs: Path, tmp_path: Path, servers: SshdLab) -> None:
    """What its folder says would run with our rights, under the name of a file that we have chosen."""
    lab = RunbookLab(tmp_path, servers)
    lab.write(fence("uptime"))
    job = lab.begin()
    lab.order(job, FinishRun(abort=True))
    lab.ended(job)
    assert request_of_run(job).path == str(lab.path)
    folder = lab.job_folder(job)
    for place in (folder, folder / "request.json"):
        os.chown(place, STRANGER, -1)
        with pytest.raises(NotTrusted, match=f"{place} is owned by {STRANGER}"):
            request_of_run(job)
        os.chown(place, 0, -1)
