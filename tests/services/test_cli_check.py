"""``lilfox check``, ``config`` and ``hosts`` against this machine and real servers."""

from __future__ import annotations

import asyncio
import json
import re
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from lilfox_tui.cli.schemas import schema
from tests.services.http_servers import never, page, serving
from tests.services.lilfox_command import LILFOX, lilfox
from tests.services.sshd import SshdLab, sshd_lab

LOOSE = """\
thresholds:
  hold: 1
  cpu_percent: {warn: null, fail: null}
  load_per_cpu: {warn: null, fail: null}
  pressure_cpu: {warn: null, fail: null}
  pressure_io: {warn: null, fail: null}
  disk_percent: {warn: null, fail: null}
  failed_units: {warn: null, fail: null}
"""
"""A busy machine that runs the tests is good."""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text("hosts: {here: {local: true}}\n" + LOOSE)
    file.chmod(0o600)
    return file


def add(file: Path, text: str) -> None:
    file.write_text(file.read_text() + text)


def add_host(file: Path, text: str) -> None:
    file.write_text(file.read_text().replace("local: true}}", f"local: true}}, {text}}}"))


@pytest.fixture
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        yield made


def test_a_good_machine_exits_0(config: Path) -> None:
    done = lilfox("--config", config, "check")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(r"●  host  here  cpu \d+%  memory \d+%", done.stdout)


async def test_a_dead_service_and_a_host_that_is_gone_are_named_first(config: Path) -> None:
    async with serving(page(b'{"status": "ok"}')) as good, serving(page(b"no", status="503 No")) as bad:
        add(
            config, f"services: {{fine: {{url: 'http://127.0.0.1:{good}'}}, sick: {{url: 'http://127.0.0.1:{bad}'}}}}\n"
        )
        add_host(config, "gone: {address: 127.0.0.1, port: 1}")
        done = await asyncio.to_thread(lilfox, "--config", config, "check")
    assert (done.returncode, done.stderr) == (1, "")
    named = [line.split()[:3] for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert named == [["✖", "host", "gone"], ["✖", "service", "sick"], ["●", "host", "here"], ["●", "service", "fine"]]
    assert "503" in done.stdout
    assert "refuses the connection" in done.stdout


async def test_a_host_that_keeps_the_round_waiting_makes_no_other_old(config: Path) -> None:
    async with serving(never) as silent:
        add_host(config, f"silent: {{address: 127.0.0.1, port: {silent}}}")
        add(config, "refresh: 1s\nssh: {connect_timeout: 4s}\n")
        done = await asyncio.to_thread(lilfox, "--config", config, "check")
    named = [line.split()[:3] for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert named == [["✖", "host", "silent"], ["●", "host", "here"]], done.stdout


def test_json_is_what_the_schema_says(config: Path) -> None:
    add(config, "services: {dead: {url: 'http://127.0.0.1:1'}}\n")
    done = lilfox("--config", config, "check", "--json")
    document = json.loads(done.stdout)
    told = json.loads(lilfox("check", "--json-schema").stdout)
    jsonschema.Draft202012Validator.check_schema(told)
    jsonschema.validate(document, told)
    assert done.returncode == 1
    assert document["services"]["dead"]["status"] == "error"
    assert document["level"] == "failing"
    assert document["system"]["memory"]["total"] == _total_memory()
    assert document["hosts"]["here"]["link"]["state"] == "up"


def _total_memory() -> int:
    return int(Path("/proc/meminfo").read_text().split()[1]) * 1024


def test_hosts_json_is_what_its_schema_says(config: Path) -> None:
    done = lilfox("--config", config, "hosts", "--json")
    jsonschema.validate(json.loads(done.stdout), schema("hosts"))
    listed = lilfox("--config", config, "hosts", "list")
    assert listed.stdout.startswith("●  here  this machine")


def test_who_never_answers_has_failed_at_the_deadline(config: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        add_host(config, f"mute: {{address: 127.0.0.1, port: {port}}}")
        add(config, f"services: {{hung: {{url: 'http://127.0.0.1:{port}'}}}}\n")
        done = lilfox("--config", config, "check", "--timeout", "2s", timeout_s=10)
    assert done.returncode == 1
    assert re.search(r"✖  host +mute  no answer within 2 s", done.stdout)
    assert re.search(r"✖  service  hung  no answer within 2 s", done.stdout)
    assert re.search(r"●  host +here", done.stdout)


@pytest.mark.parametrize("command", [["check"], ["config", "check"], ["monitor"], ["hosts"]])
def test_a_wrong_config_exits_2_with_file_and_line(config: Path, command: list[str]) -> None:
    config.write_text("hostz: {}\nrefresh: 3x\n")
    done = lilfox("--config", config, *command)
    assert (done.returncode, done.stdout) == (2, "")
    assert [line.split(" ")[0] for line in done.stderr.splitlines()] == [f"{config}:1:", f"{config}:2:"]


def test_config_says_what_is_in_force(config: Path) -> None:
    assert "valid (1 host, 0 services)" in lilfox("--config", config, "config", "check").stdout
    assert "local: true" in lilfox("--config", config, "config", "show").stdout
    assert "cpu" in lilfox("config", "kinds").stdout
    jsonschema.Draft202012Validator.check_schema(json.loads(lilfox("config", "schema").stdout))
    assert "monitors only this machine" in lilfox("config", "check").stdout


def test_nothing_of_the_screen_is_imported(config: Path) -> None:
    code = (
        "import sys, lilfox_tui.__main__ as program; program.main(sys.argv[1:]);"
        "print(sorted({'textual', 'rich', 'asyncssh', 'httpx'} & {*sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--config", str(config), "check", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_check_of_this_machine_costs_little(config: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    lilfox("--config", config, "check")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


def test_a_reader_that_goes_away_ends_it_quietly() -> None:
    process = subprocess.Popen([*LILFOX, "config", "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    told = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=60), told) == (1, b"")


def test_trust_needs_a_yes_and_then_the_host_is_reached(config: Path, lab: SshdLab) -> None:
    server = lab.sshd(known=False)
    known_hosts = config.parent / "known_hosts"
    host = lab.host(server)
    config.write_text(
        f"hosts:\n  web: {{address: {host.address}, port: {host.port}, user: {host.user}, identity: {host.identity}}}\n"
        f"ssh: {{config_files: [], known_hosts: [{known_hosts}]}}\n{LOOSE}"
    )
    unknown = lilfox("--config", config, "check")
    assert unknown.returncode == 1
    assert "SHA256:" in unknown.stdout
    asked = lilfox("--config", config, "hosts", "trust", "web", stdin="yes\n")
    assert (asked.returncode, known_hosts.exists()) == (2, False), "a pipe is nobody who can be asked"
    fingerprint = re.search(r"--fingerprint (SHA256:\S+)", asked.stderr)
    assert fingerprint is not None
    other = lilfox("--config", config, "hosts", "trust", "web", "--fingerprint", "SHA256:" + "A" * 43)
    assert (other.returncode, known_hosts.exists()) == (1, False)
    refused = lilfox("--config", config, "--read-only", "hosts", "trust", "web", "--yes")
    assert (refused.returncode, known_hosts.exists()) == (1, False)
    trusted = lilfox("--config", config, "hosts", "trust", "web", "--fingerprint", fingerprint[1])
    assert (trusted.returncode, trusted.stderr) == (0, "")
    assert "already trusted" in lilfox("--config", config, "hosts", "trust", "web", "--yes").stdout
    good = lilfox("--config", config, "check")
    assert (good.returncode, good.stderr) == (0, ""), good.stdout
    server.rekey()
    changed = lilfox("--config", config, "hosts", "trust", "web", "--yes")
    assert changed.returncode == 1
    assert "ssh-keygen -R" in changed.stderr
    known_hosts.write_text("@revoked " + server.known_line())
    revoked = lilfox("--config", config, "hosts", "trust", "web", "--yes")
    assert revoked.returncode == 1
    assert "revoked key" in revoked.stderr
    assert "ssh-keygen -R" not in revoked.stderr


def test_an_unknown_host_name_says_which_there_are(config: Path) -> None:
    done = lilfox("--config", config, "hosts", "trust", "nobody")
    assert done.returncode == 2
    assert "one of: here" in done.stderr


@pytest.mark.parametrize("shell", ['"$@" >&-', '"$@" >&- 2>&-', '"$@" <&- >/dev/null'])
def test_closed_streams_change_no_answer(config: Path, shell: str) -> None:
    argv = ["sh", "-c", shell, "sh", *LILFOX, "--config", str(config), "check"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_full_disk_under_stdout_is_told_in_one_line(config: Path) -> None:
    with Path("/dev/full").open("w") as full:
        argv = [*LILFOX, "--config", str(config), "check"]
        done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, "lilfox: cannot write the output: No space left on device\n")


def test_an_error_that_nobody_reads_keeps_its_exit_code(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        argv = [*LILFOX, "--config", str(tmp_path / "none.yaml"), "check"]
        done = subprocess.run(argv, stdout=full, stderr=full, timeout=60, check=False)
    assert done.returncode == 2
