"""A whole night at the console, on a real host with sudo, and then a look for what was secret: in files, in the words
and environments of processes, on the screen, in the export."""

from __future__ import annotations

import re
import secrets
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from lilfox_tui.jobs.listing import list_jobs
from tests.lifetime import ending_with_us
from tests.services.accounts import account, as_account, set_password, sudoers
from tests.services.lilfox_command import lilfox
from tests.services.runbook_lab import RunbookLab, fence
from tests.services.sshd import SshdLab, sshd_lab
from tests.terminal.console import Console
from tests.unit.jobs.running import jobs

__all__ = ["jobs"]
pytestmark = pytest.mark.root
ROOT = Path(__file__).parents[2]
FRONT = "lilfox: {version: 1, id: night, title: Night}\nvars:\n  pw: secret"
BY_SUDO = '{"sudo":true,"risk":"change"}'
SAID = """\
DATABASE_URL=postgresql://lilfox:{0}@db:5432/lilfox
API_TOKEN={0}
db_password: '{0} {0}'
Authorization: Bearer {0}
redis://:\x1b[31m{0}\x1b[0m@cache/0
AKIA{1}
aws_secret_access_key = {0}
eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.{0}
-----BEGIN OPENSSH PRIVATE KEY-----
{0}
{0}
-----END OPENSSH PRIVATE KEY-----
\x1b[1mpass\x1b[0mword={0}
"""
"""What a careless ``.env`` and its program print, with their colours."""


class Canaries:
    """Secrets that are nowhere else, by where they come from."""

    def __init__(self) -> None:
        self.sudo, self.variable, self.said = (f"Canary{secrets.token_hex(8)}" for _each in range(3))
        self.key = secrets.token_hex(8).upper()

    def found_in(self, data: bytes) -> list[str]:
        """Those that ``data`` has."""
        return [name for name, value in vars(self).items() if value.encode() in data]


@contextmanager
def processes_watched(canaries: Canaries) -> Iterator[set[str]]:
    """What the words of a process had of them meanwhile, and its environment of sudo's."""
    seen: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.01):
            for folder in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):
                    words = (folder / "cmdline").read_bytes()
                    seen.update(f"{name} in {words[:200]!r}" for name in canaries.found_in(words))
                with suppress(OSError):
                    if canaries.sudo.encode() in (folder / "environ").read_bytes():
                        seen.add(f"sudo's in the environment of {folder.name}")

    watching = threading.Thread(target=look)
    watching.start()
    try:
        yield seen
    finally:
        over.set()
        watching.join()


def files_with(canaries: Canaries, places: Iterable[Path]) -> list[str]:
    """Files that hold one of them."""
    return [
        f"{name} in {path}"
        for place in places
        for path in place.rglob("*")
        if path.is_file() and not path.is_symlink()
        for name in canaries.found_in(path.read_bytes())
    ]


def said(*words: str | Path) -> bytes:
    """All that ``lilfox`` prints."""
    done = lilfox(*words)
    return (done.stdout + done.stderr).encode()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.fixture
def servers(stack: ExitStack) -> SshdLab:
    lab = stack.enter_context(sshd_lab())
    lab.sshd()
    return lab


@pytest.fixture
def user(stack: ExitStack, servers: SshdLab) -> str:
    return stack.enter_context(account("/bin/bash"))


@pytest.mark.fault("S18", "S19", "S20", "S21", "S22", "S35", "2.25")
def test_after_a_run_with_sudo_no_secret_is_in_any_file_screen_argv_or_export(
    servers: SshdLab, user: str, stack: ExitStack, jobs: Path, own_folders: Path, tmp_path: Path
) -> None:
    canaries, home = Canaries(), Path(f"~{user}").expanduser()
    set_password(user, canaries.sudo)
    stack.enter_context(sudoers(f"{user} ALL=(ALL) ALL"))
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "sudo").write_text(canaries.sudo)
    (kept / "sudo").chmod(0o600)
    (home / ".env").write_text(SAID.format(canaries.said, canaries.key))
    lab = RunbookLab(tmp_path, servers)
    lab.configure(web1={"user": user, "sudo_password": f"file:{kept / 'sudo'}"})
    lab.write(
        fence("cat ~/.env"),
        fence(f"id -u; cat {home}/.env; echo <pw>; sleep 0.2", BY_SUDO),
        fence("cat; printf '[sudo] password for %s: ' $USER >&2; read -r -t 1 x; echo \"got:$x:\"", BY_SUDO),
        fence("printf '%s' <pw> | sha256sum; sleep 0.2; echo <pw>; false", '{"risk":"change"}'),
        front=FRONT,
    )
    state = own_folders / "state"
    env = {"PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(state)}
    words = ["--config", str(lab.config), "runbook", "run", str(lab.path), "--host", "web1", "--yes"]
    told = said("incident", "open", f"no access: password={canaries.said}", "--severity", "SEV-2")
    with processes_watched(canaries) as seen:
        with Console(words, home=tmp_path, env=env, rows=200) as console:
            console.until("<pw>:")
            console.press(f"{canaries.variable}\n")
            assert console.ended_within(60) == 3
            told += bytes(console.raw)
        (job,) = list_jobs()
        told += said("attach", job.id)
        told += said("incident", "show", "--all") + said("incident", "export") + said("incident", "handover")
        told += said("incident", "export", "--to", tmp_path / "out")
    told += said("incident", "note", f"tried token={canaries.said}") + said("incident", "verify")
    assert b"got::" in told, "nothing was answered to the false prompt, and no password is input"
    assert re.search(rb"(?m)^0\r?$", told), "it was root"
    assert b"postgresql://lilfox:***@db" in told
    assert b"intact" in told
    assert seen == set()
    assert canaries.found_in(told) == []
    assert files_with(canaries, [state, tmp_path / "out"]) == []
    (home / ".env").unlink()
    assert files_with(canaries, [home, servers.folder]) == []


@pytest.mark.fault("S35", "S40")
def test_from_cron_without_root_nothing_is_for_others_and_sudo_runs_what_its_rules_name(
    user: str, stack: ExitStack
) -> None:
    stack.enter_context(sudoers(f"{user} ALL=(root) NOPASSWD: /usr/bin/id -u"))
    home = Path(f"~{user}").expanduser()
    (home / "c.yaml").write_text("hosts:\n  here: {local: true}\n")
    (home / "c.yaml").chmod(0o600)
    (home / "night.md").write_text(
        "# Night\n\n1. Look\n\n   ```bash\n   id -u\n   sudo -n /usr/bin/id -u\n   echo 用户\n   ```\n\n"
        "2. More than it may\n\n   ```bash\n   sudo -n cat /etc/shadow\n   ```\n"
    )
    for path in home.iterdir():
        shutil.chown(path, user, user)
    main = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from lilfox_tui.__main__ import main; sys.exit(main())"
    cron = [*as_account(user, Path(sys.base_prefix), ROOT), "env", "-i", f"HOME={home}", f"LOGNAME={user}",
            "SHELL=/bin/sh", "PATH=/usr/bin:/bin"]  # fmt: skip
    words = ["--config", "c.yaml", "runbook", "run", "night.md", "--host", "here", "--yes", "--incident", "new"]
    done = subprocess.run(
        ["sh", "-c", 'umask 0; exec "$@"', "sh", *cron, sys.executable, "-c", main, *words],
        cwd=home, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr.decode()
    assert done.stdout.decode().splitlines()[:3] == [str((home / "c.yaml").stat().st_uid), "0", "用户"]
    assert b"root:" not in done.stdout
    assert b"Traceback" not in done.stderr
    kept = list((home / ".local/state/lilfox").rglob("*"))
    assert {path.name for path in kept} >= {"timeline.jsonl", "events.jsonl"}
    assert [path for path in kept if path.stat().st_mode & 0o077] == []


RACER = """
import asyncio, sys
from pathlib import Path
from lilfox_tui.runbook.run.protocol import OrderRefused, RunOne, send

async def race(folder, sha256, steps):
    for step in range(int(steps)):
        while True:
            try:
                await send(Path(folder), RunOne(step=step, command=0, sha256=sha256))
                print(step)
            except OrderRefused as refused:
                if "already" in str(refused):
                    break

asyncio.run(race(*sys.argv[1:]))
"""
STEPS = 5


@pytest.mark.fault("S38")
def test_of_two_operators_at_each_step_one_runs_it(servers: SshdLab, jobs: Path, tmp_path: Path) -> None:
    lab = RunbookLab(tmp_path, servers)
    lab.write(*(fence(f"echo {step} >>{tmp_path}/ran", '{"risk":"change"}') for step in range(STEPS)))
    job = lab.begin(hosts="web1")
    words = [sys.executable, "-c", RACER, str(lab.job_folder(job)), lab.sha256, str(STEPS)]
    racers = [subprocess.Popen(ending_with_us(*words), stdout=subprocess.PIPE, text=True, cwd=ROOT) for _each in "ab"]
    try:
        taken = [racer.communicate(timeout=60)[0].split() for racer in racers]
    finally:
        for racer in racers:
            racer.kill()
            racer.wait()
    assert [racer.returncode for racer in racers] == [0, 0]
    assert sorted(map(int, taken[0] + taken[1])) == list(range(STEPS)), "each was taken from one of them"
    assert (tmp_path / "ran").read_text().split() == [str(step) for step in range(STEPS)]
