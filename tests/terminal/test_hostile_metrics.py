"""What a page of metrics and a rule say reaches the terminal as text: in rows, pages, dialogs and what is copied."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pages import served
from tests.terminal.console import Console
from tests.terminal.test_hostile import HOSTILE, only_known_sequences
from tests.terminal.test_manners import ALLOWED, first_screen

LABEL = HOSTILE.replace("\\", "\\\\").encode("utf-8", "surrogateescape").decode("utf-8", "replace")
BELLS = 2
"""One for each alert that begins to fire."""
ODD_NUMBERS = ("NaN", "+Inf", "-Inf", "-1e308", "1e308", "5e-324", "-0")
RULES = """
groups:
  - name: "\\e]0;own\\a"
    interval: 1s
    rules:
      - alert: Hostile
        expr: requests_hostile >= 0
        annotations:
          summary: 'it says {{ $labels.route }}'
          runbook_url: 'https://x/{{ $labels.route }}'
      - alert: "\\e]0;own\\a[/x]"
        expr: 'label_replace(vector(1), "x", "\\x1b[2J", "", "")'
        annotations: {summary: "\\e]0;own\\a\\u202E"}
"""
_turns = itertools.count(1)


def page() -> tuple[int, bytes]:
    """The page of a service that is made to do harm; its numbers are all there are."""
    turn = next(_turns)
    lines = [f"# HELP http_requests_total {HOSTILE}", "# TYPE http_requests_total counter"]
    lines += [f'http_requests_total{{route="{LABEL}",status="200"}} {turn * 10}']
    for n, value in enumerate(ODD_NUMBERS):
        lines += [f'http_requests_total{{route="r{n}",status="{HOSTILE[:4]}{n}"}} {value}']
    lines += ["# TYPE http_request_duration_seconds histogram"]
    for n, value in enumerate((*ODD_NUMBERS, str(turn * 10))):
        lines += [f'http_request_duration_seconds_bucket{{route="r{n}",le="{le}"}} {value}'
                  for le in ("0.1", "-1", "NaN", "1e308", "+Inf", LABEL)]  # fmt: skip
        lines += [f'http_request_duration_seconds_{end}{{route="r{n}"}} {value}' for end in ("sum", "count")]
    lines += [f'http_requests_in_progress{{route="{n}"}} {value}' for n, value in enumerate(ODD_NUMBERS)]
    lines += [f'requests_hostile{{route="{LABEL}",service="liar"}} 1', f'huge{{x="{"y" * 200_000}"}} 1']
    return 200, ("\n".join(lines) + "\n").encode("utf-8", "replace")


@pytest.fixture
def service() -> Iterator[str]:
    with served([page], "text/plain") as (address,):
        yield f"http://{address}"


@pytest.mark.fault("S1")
def test_a_hostile_page_of_metrics_and_its_alerts(tmp_path: Path, service: str) -> None:
    config = tmp_path / "c.yaml"
    (tmp_path / "rules.yml").write_text(RULES)
    config.write_text(
        f"refresh: 500ms\nhosts:\n  here: {{local: true}}\nrules: [rules.yml]\n"
        f"services:\n  liar: {{url: '{service}', metrics_every: 1s}}\n"
    )
    config.chmod(0o600)
    with Console(["--config", str(config)], home=tmp_path, columns=200, rows=120) as console:
        first_screen(console)
        console.until(lambda text: "Hostile" in text and "firing" in text)
        console.press("@liar\r")
        console.until("Requests")
        console.read(3)
        console.press("\x1b")
        console.until(" Hosts ")
        console.press("/Hostile\r")
        console.until("/Hostile/")
        console.press("!\r")
        console.until("it says ␛]52")
        console.press("r")
        console.until("y copies it")
        console.press("y")
        console.until("copied")
        console.press("1")
        console.until("it says ␛]52")
        console.press("s")
        console.until("␛]52")
        console.press("\x1b")
        console.until(lambda text: "enter silences" not in text)
        console.press("A")
        console.until("A adds a note")
        console.press("A")
        console.until("note by ")
        console.press("seen\r")
        console.until("acknowledged by")
        console.press("\x1b")
        console.until(" Problems ")
        console.press("Q")
        console.until("Type a metric")
        console.press("requests_hos\t{r")
        console.until(lambda text: re.search(r"route +label", text) is not None)
        console.press("\t")
        console.until("␛]52")
        console.press("\t")
        console.until('requests_hostile{route="␛]52')
        console.press("\x1b")
        console.until(" Problems ")
        console.press("q")
        assert console.ended_within() == 0
        raw = re.sub(rb"\x1b\]52;c;[A-Za-z0-9+/=]{60,}\x07", b"", bytes(console.raw), count=1)  # what y copies
        left = ALLOWED.sub(b"", raw)
        assert left.count(b"\x07") <= BELLS
        only_known_sequences(left.replace(b"\x07", b""))
    assert not list(tmp_path.rglob("crash.log"))
