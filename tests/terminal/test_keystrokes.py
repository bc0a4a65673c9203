"""What is done most at night takes few keys: counted on a real terminal."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lilfox_tui import demo
from lilfox_tui.demo.database import server_programs
from tests.terminal.console import Console
from tests.terminal.test_demo_backup import backed_up

pytestmark = pytest.mark.xdist_group("demo")  # one worker: two demos that start at once want the same ports

HOSTS = ("ash", "birch", "cedar", "elm", "fir")


class Keys:
    """Presses keys, each once what the one before it leads to is seen, and counts them."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.count = 0

    def press(self, key: str, until: str | Callable[[str], bool]) -> str:
        self.count += 1
        self._console.press(key)
        return self._console.until(until)


def at_home(console: Console) -> None:
    """From wherever it is to the first screen."""
    console.press("1")
    console.until(" Hosts ")


def error_rate_fires(text: str) -> bool:
    """Whether it fires now: where the machine is busy, the demo's clients may rest for a while."""
    return re.search(r"backend.*firing.*HighErrorRate", text) is not None


def test_what_is_done_in_an_incident(tmp_path: Path) -> None:
    with Console(["demo"], home=tmp_path, columns=120, rows=40) as console:
        console.until(lambda text: re.search(r"● +backend", text) is not None)
        console.until(r"Processes of vm")  # the busiest processes, with their command lines: no key
        console.until(lambda text: "uvicorn" in text or "python" in text)
        console.press("F")
        console.until("Inject a fault")
        console.press("backend 5xx")
        console.until("every response is 500")
        console.press("\r")
        console.until(error_rate_fires)

        keys = Keys(console)
        keys.press("E", lambda text: re.search(r"level ≥ ERROR +10m", text) is not None)
        assert keys.count <= 3, "errors of the last ten minutes of all logs"
        console.until(lambda text: re.search(r"✖ ERROR +backend", text) is not None)

        keys = Keys(console)  # one request across the services, from a record of it
        keys.press("=", lambda text: "request_id=" in text and re.search(r"level ≥ ERROR +10m", text) is None)
        assert keys.count <= 1

        at_home(console)
        console.press("/vm\r")
        keys = Keys(console)
        keys.press("l", lambda text: " Hosts " not in text and "follow ●" in text)
        assert keys.count <= 1, "the log of a host"

        at_home(console)
        console.press("\x1b")
        console.until(lambda text: "/vm/" not in text and error_rate_fires(text))
        keys = Keys(console)
        keys.press(
            "!", lambda text: re.search(r"^ *▲ HighErrorRate +firing(?s:.*) r runbook", text, re.MULTILINE) is not None
        )
        keys.press("A", "acknowledged; A adds a note")
        assert keys.count <= 2, "acknowledge"

        keys = Keys(console)
        keys.press("r", "A demo service fails")
        keys.press("\r", "open an incident")
        keys.press("\r", "step 2 on")
        assert keys.count <= 3, "the first step of a runbook, which only reads, has run"

        console.press("X")
        console.until("enter end the run")
        console.press("\r")
        console.until("last run, by")
        console.press(":close\r")
        console.until("Close INC-1")
        console.press("\x1b[B\r")  # anyway, if something fails
        console.until("is closed")
        at_home(console)
        keys = Keys(console)
        keys.press("I", "Open an incident")
        console.press("the shop is down")
        keys.press("\r", "INC-2")
        assert keys.count <= 2, "an incident, besides its title"
        console.press("q")
        console.until("INC-2 stays open")
        console.press("q")
        assert console.ended_within() == 0


def test_five_hosts_over_each_other_and_the_restart_of_a_unit(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    hosts = "\n".join(f"  {name}: {{local: true}}" for name in HOSTS)
    unit = "recovery:\n  shop:\n    host: ash\n    unit: lilfox-no-such.service\n"
    config.write_text(f"hosts:\n{hosts}\n{unit}", "utf-8")
    with Console(["--config", str(config)], home=tmp_path, columns=160, rows=48) as console:
        console.until(lambda text: all(re.search(rf"━ ?{name}", text) for name in HOSTS[:3]))  # no key at all
        console.press("/ash\r")
        console.until("/ash/")
        keys = Keys(console)
        keys.press("a", "restart lilfox-no-such.service")
        text = keys.press("\r", "enter restart")
        assert "systemctl restart -- lilfox-no-such.service" in text
        assert keys.count + 1 <= 4, "with the enter that would do it"
        console.press("\x1b")
        console.until(lambda text: "enter restart" not in text)
        console.press("q")
        assert console.ended_within() == 0


def psql(folder: Path, database: str, sql: str) -> str:
    """What the demo's own server answers."""
    programs = server_programs()
    assert programs is not None, "PostgreSQL is not installed: tests/install_packages"
    argv = [str(programs / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", str(folder / "db")]
    argv += ["-U", "lilfox", "-d", database]
    done = subprocess.run(argv, cwd="/", input=sql, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def copied_tables(folder: Path) -> None:
    """Another database on the demo's server, with the tables of the first and no rows."""
    schema = Path(demo.__file__).with_name("schema.sql").read_text("utf-8").partition("INSERT INTO")[0]
    psql(folder, "postgres", "CREATE DATABASE shop_copy")
    psql(folder, "shop_copy", schema)


def one_table(console: Console) -> Keys:
    """The table of users is chosen from the newest set."""
    keys = Keys(console)
    keys.press("B", "What to restore?")
    keys.press("/", "Restore one table")
    keys.press("u", "public.users")
    keys.press("s", lambda text: "public.users" in text and "public.messages" not in text)
    keys.press("\r", "Where to?")
    return keys


def test_one_table_is_restored_into_its_database_and_into_another(tmp_path: Path) -> None:
    with Console(["demo"], home=tmp_path, columns=120, rows=40) as console:
        folder = backed_up(console)
        copied_tables(folder)

        keys = one_table(console)
        keys.press(" ", "Where to restore database?")
        console.until("shop_copy")
        keys.press("\r", "No check blocks the restore")
        keys.press("\r", "type shop_copy and press enter")
        assert psql(folder, "shop_copy", "SELECT count(*) FROM users") == "0", "nothing is written before the word"
        console.press("shop_copy")
        keys.press("\r", "is restored, compared and in place")
        assert keys.count <= 10, "one table into another database, besides the name of that"
        digest = "SELECT count(*), sum(hashtext(u::text)) FROM users u"
        whole = psql(folder, "lilfox", digest)
        assert whole.startswith("2000|")
        assert psql(folder, "shop_copy", digest) == whole
        assert psql(folder, "shop_copy", "SELECT count(*) FROM messages") == "0", "that table alone"
        console.press("\r")
        console.until("Plans")

        psql(folder, "lilfox", "UPDATE users SET name = 'lost'")
        keys = one_table(console)
        keys.press("\r", "No check blocks the restore")
        keys.press("\r", "type lilfox and press enter")
        console.press("lilfox")
        keys.press("\r", "is restored, compared and in place")
        assert keys.count <= 10, "one table back, besides the name of its database"
        assert psql(folder, "lilfox", digest) == whole
        console.press("\x1b")
        console.until(lambda text: "Logs" in text.splitlines()[1] and "restore" not in text.splitlines()[1])
        console.press("q")
        assert console.ended_within() == 0
