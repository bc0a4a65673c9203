"""What the first frame does not wait for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.log_files import logs_app
from tests.app.still import screen_text
from tests.waiting import until

CODE = """
import asyncio, sys
from lilfox_tui.app.start import build_app
from lilfox_tui.cli.main import parse
from lilfox_tui.config.loader import load
from lilfox_tui.monitor.watchers import scrape
from pathlib import Path

scrape.AFTER_FIRST_FRAME_S = 3600  # however slow this machine is

# of recovery its package alone names a file
OURS = ("scrape", "promql", "alerts", "backup", "jobs", "runbook", "incident", "operations", "recovery.")

async def first_frame():
    app = build_app(load(Path(sys.argv[1])).config, parse(["--config", sys.argv[1]]))
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        heavy = ("numpy", "promql_parser", "sqlite3", "re2", "h11", "redis", "psycopg", "textual.fuzzy")
        ours = tuple(f"lilfox_tui.{name}" for name in OURS)
        found = (name for name in sys.modules if name in heavy or name.startswith(ours))
        print(sorted(name for name in found if name not in sys.argv[2:]))

asyncio.run(first_frame())
"""


def test_nothing_of_scraping_rules_jobs_and_the_palette_is_imported_for_the_first_frame(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    settings = {
        "hosts": {"here": {"local": True}},
        "scrape": {"web": {"targets": ["127.0.0.1:9"]}},
        "rules": ["rules.yml"],
        "prometheus_config": "prometheus.yml",
    }
    assert imported(config, settings) == "[]\n"


def test_keys_of_its_own_cost_the_first_frame_no_more(tmp_path: Path) -> None:
    settings = {"hosts": {"here": {"local": True}}, "keys": {"zoom": "Z"}}
    words = ("lilfox_tui.backup", "lilfox_tui.backup.checks")  # of sets, in the Backup pane: a file that needs no other
    assert imported(tmp_path / "config.yaml", settings, *words) == "[]\n"


def test_of_backup_plans_the_first_frame_needs_their_options_alone(tmp_path: Path) -> None:
    sources = {
        "db": {"kind": "postgresql", "url": "postgresql:///lilfox"},
        "uploads": {"kind": "files", "path": "/srv/lilfox/uploads"},
        "conf": {"kind": "config", "root": "/srv/lilfox"},
    }
    settings = {
        "hosts": {"here": {"local": True}},
        "backup": {
            "stores": {"disk": {"path": str(tmp_path)}, "nas": {"kind": "sftp", "host": "here", "path": "/backup"}},
            "plans": {"nightly": {"sources": sources, "store": "disk", "copies": ["nas"]}},
        },
    }
    backup = "lilfox_tui.backup"
    light = [backup, f"{backup}.sources", f"{backup}.stores", f"{backup}.options"]
    assert imported(tmp_path / "config.yaml", settings, *light) == "[]\n"


def imported(config: Path, settings: dict[str, object], *but: str) -> str:
    """What the first frame has imported of what it does not need, beside ``but``."""
    config.write_text(json.dumps(settings))
    config.chmod(0o600)
    argv = [sys.executable, "-c", CODE, str(config), *but]
    return subprocess.run(argv, capture_output=True, text=True, check=True, cwd=config.parent).stdout


@pytest.mark.parametrize("keys", [["1"], ["left_square_bracket", "1"], ["at", "escape", "1"]], ids=" ".join)
async def test_beside_a_file_the_hosts_are_there_as_soon_as_they_are_asked_for(
    keys: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lilfox_tui.app.app.MONITOR_AFTER_S", 3600)
    app = logs_app(tmp_path)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press(*keys)
        await until(lambda: "model-1" in screen_text(pilot), what="the hosts are shown")
        await pilot.press("2")
        await until(lambda: "gateway" in screen_text(pilot), what="the logs are shown")


async def test_keys_that_are_typed_before_the_pane_is_there_find_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lilfox_tui.app.app.MONITOR_AFTER_S", 3600)
    app = logs_app(tmp_path)
    async with app.run_test(size=(100, 30)) as pilot:
        for key in ("left_square_bracket", "1"):
            app.action_press(key)
        await until(lambda: "model-1" in screen_text(pilot), what="the hosts are shown")
