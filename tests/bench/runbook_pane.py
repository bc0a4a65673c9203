"""The Runbook pane while a command prints 100 MB: from a key to what it shows, and the app's memory."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from tests.bench.on_terminal import OnTerminal
from tests.bench.programs import LILFOX, Peers
from tests.bench.table import Row, within

WITHIN_S = 30.0
KEYS = 10
RUNBOOK = """\
# Much

1. Print 100 MB in some ten seconds

   ```bash {"risk": "read"}
   for i in $(seq 200); do yes 'a line of an output that is far too long' | head -c 500000; sleep 0.05; done; echo end
   ```
"""


def measure(_peers: Peers, home: Path, *, quick: bool) -> Iterator[Row]:
    """The screen is held and let go, help opened and closed, again and again while it comes."""
    (home / "much.md").write_text(RUNBOOK)
    config = home / "much.yaml"
    config.write_text(json.dumps({"hosts": {"here": {"local": True}}, "runbooks": {"folders": [str(home)],
                                                                                   "bundled": False}}))  # fmt: skip
    config.chmod(0o600)
    with OnTerminal((*LILFOX, "--config", str(config)), home=home) as app:
        app.until(lambda text: "cpu" in text.lower(), WITHIN_S)
        app.press("4")
        app.until(lambda text: "Print 100 MB" in text, WITHIN_S)
        app.press("\r")
        app.until(lambda text: "enter starts a run" in text, WITHIN_S)
        app.press("\r")
        app.until(lambda text: "run without an incident" in text, WITHIN_S)
        app.press("w")
        app.until(lambda text: text.count("a line of an output") > 5, WITHIN_S)
        rounds = KEYS // 2 if quick else KEYS
        held = _taken_s(app, rounds, ("p", "p"), lambda text: "paused" in text)
        yield within("100 MB of output: a key's effect on the screen, median", median(held) * 1000, 50, "ms")
        yield Row("    the slowest", f"{max(held) * 1000:.0f} ms")
        helped = _taken_s(app, rounds, ("?", "\x1b"), lambda text: "esc closes" in text)
        yield Row("    help opened or closed, median", f"{median(helped) * 1000:.0f} ms")
        app.until(lambda text: "all steps are done" in text, WITHIN_S)
        yield within("    the app's peak memory", app.peak_memory_bytes() / 1e6, 100, "MB")


def _taken_s(app: OnTerminal, rounds: int, keys: tuple[str, str], shown: Callable[[str], bool]) -> list[float]:
    """Of the first key, until it is shown, and of the second one, until it is not any more."""
    taken = []
    for _number in range(rounds):
        taken.append(_shown_s(app, keys[0], shown))
        taken.append(_shown_s(app, keys[1], lambda text: not shown(text)))
    return taken


def _shown_s(app: OnTerminal, key: str, shows: Callable[[str], bool]) -> float:
    """Seconds from the key to the block of output with which its effect stands on the screen."""
    app.collect(0.1)
    pressed = time.monotonic() - app.started
    app.press(key)
    return app.until(shows, WITHIN_S, step_s=0.02) - pressed
