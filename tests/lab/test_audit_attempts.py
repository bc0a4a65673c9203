"""Attacks in the access log of a real nginx, before an application that is broken, and after it is mended."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.lab.auditing import audited, found_by, run, write
from tests.lab.machines import Machine, MachineLab
from tests.waiting import wait_for

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.xdist_group("lab")]
NGINX = """
events {}
http {
    access_log /var/log/nginx/access.log combined;
    server { listen 80; location = / { return 200 "welcome"; } location / { proxy_pass http://127.0.0.1:8000; } }
}
"""
SHOP = """
import http.server, pathlib, sqlite3, sys, urllib.parse
mended = sys.argv[1] == "mended"
database = sqlite3.connect(":memory:", check_same_thread=False)
database.execute("CREATE TABLE items (name TEXT)")
database.executemany("INSERT INTO items VALUES (?)", [("fox",), ("hen",), ("owl",)])
files = pathlib.Path("/srv/files")
class Shop(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        value = urllib.parse.parse_qs(url.query).get("q", [""])[0]
        status, text = 404, "no such page"
        try:
            if url.path == "/items" and mended:
                status, text = 200, str(database.execute("SELECT name FROM items WHERE name = ?", (value,)).fetchall())
            elif url.path == "/items":
                status, text = 200, str(database.execute(f"SELECT name FROM items WHERE name = '{value}'").fetchall())
            elif url.path == "/file":
                path = (files / value).resolve()
                if not mended or path.is_relative_to(files):
                    status, text = 200, path.read_text()
        except Exception as error:
            status, text = 500, "fault"
        self.send_response(status); self.end_headers(); self.wfile.write(text.encode())
    def log_message(self, *words): pass
http.server.ThreadingHTTPServer(("127.0.0.1", 8000), Shop).serve_forever()
"""
ASKED = (
    "/items?q=fox",
    "/file?q=menu.txt",
    "/?q=..%2F..%2Fetc%2Fpasswd",
    "/?id=1%27%20OR%201%3D1--",
    "/items?q=%27",
    "/items?q=x%27%20OR%20%271%27%3D%271",
    "/items?q=x%27%20OR%201%3D1)",
    "/file?q=..%2F..%2F..%2Fetc%2Fpasswd",
    "/nosuch?q=../../etc/passwd",
)


@pytest.fixture(scope="module")
def machine(lab: MachineLab) -> Iterator[Machine]:
    made = lab.machine("web1")
    made.up()
    yield made
    made.kill()


async def ask(machine: Machine, state: str) -> None:
    """Starts the shop anew and asks it everything, into a new access log."""
    await run(
        machine,
        ": >/var/log/nginx/access.log; systemctl stop shop 2>/dev/null; systemctl reset-failed shop 2>/dev/null; true",
        f"systemd-run -q --unit=shop /usr/bin/python3 /srv/shop.py {state}",
    )
    up = lambda: "hen" in machine.ssh("curl -s 'http://127.0.0.1:8000/items?q=hen'", check=False)  # noqa: E731
    await asyncio.to_thread(wait_for, up, what="the shop answers")
    await run(machine, "; ".join(f"curl -s --path-as-is -o /dev/null 'http://127.0.0.1{each}'" for each in ASKED))


@pytest.mark.provokes("attack-answered")
async def test_attacks_that_were_answered(lab: MachineLab, machine: Machine) -> None:
    await write(machine, "/etc/nginx/nginx.conf", NGINX)
    await write(machine, "/srv/shop.py", SHOP)
    await write(machine, "/srv/files/menu.txt", "menu")
    await run(machine, "mkdir -p /var/log/nginx; nginx </dev/null >/dev/null 2>&1")
    await ask(machine, "broken")
    report = await audited(lab, machine, "attack-answered")
    found = found_by(report, "attack-answered")
    assert {subject: str(each.evidence).rpartition(", ")[2] for subject, each in found.items()} == {
        "/items: SQL injection": "answered 500",
        "/file: path traversal": "answered 200",
    }
    await ask(machine, "mended")
    after = await audited(lab, machine, "attack-answered")
    assert (after.found, after.not_checked) == ((), ())
    assert [each.check.id for each in after.passed] == ["attack-answered"]


async def test_a_log_in_another_format_is_not_passed(lab: MachineLab, machine: Machine) -> None:
    await write(machine, "/var/log/nginx/access.log", '{"status": 200, "path": "/items?q=%27"}')
    report = await audited(lab, machine, "attack-answered")
    assert [str(each.reason) for each in report.not_checked] == [
        "/var/log/nginx/access.log is not in the format common or combined"
    ]
