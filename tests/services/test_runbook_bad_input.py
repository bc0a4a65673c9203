"""Files that are no good runbooks, run for real: a sentence with file and line, and nothing of them runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from lilfox_tui.jobs.listing import list_jobs
from tests.services.lilfox_command import lilfox
from tests.unit.jobs.running import jobs

__all__ = ["jobs"]
pytestmark = pytest.mark.usefixtures("jobs")
STEP = "1. Step\n\n   ```bash {attributes}\n   touch {canary}\n   ```\n\n"


def step(attributes: str = "", canary: str = "canary") -> str:
    return STEP.replace("{attributes}", attributes).replace("{canary}", canary)


def front(text: str) -> str:
    return f"---\n{text}\n---\n# Made\n\n{step()}"


BAD = {
    "value": ("# Made\n\n" + step('{"timeout": "soon"}'), 5, "attribute timeout: “soon” is not a duration"),
    "json": ("# Made\n\n" + step('{"name": "a" "timeout": 3}'), 5, "the attributes are not a JSON object"),
    "key twice": ("# Made\n\n" + step('{"name": "a", "name": "b"}'), 5, "name"),
    "name twice": ("# Made\n\n" + 2 * step('{"name": "a"}'), 11, "the fence on line 5 already has the name"),
    "circle": (
        "# Made\n\n" + step('{"name": "a", "rollback-of": "b"}') + step('{"name": "b", "rollback-of": "a"}'),
        5, "circular rollbacks: a → b → a",
    ),
    "itself": ("# Made\n\n" + step('{"name": "a", "rollback-of": "a"}'), 5, "a → a"),
    "nobody": ("# Made\n\n" + step('{"rollback-of": "b"}'), 5, "b"),
    "no steps": ("# Made\n\nWords.\n", 1, "no heading in this file directly contains a numbered list"),
    "nothing": ("", 1, "no heading in this file directly contains a numbered list"),
    "fences alone": (
        "# Made\n\n```yaml\ntouch: canary\n```\n", 1,
        "write at least a heading (# Title), and below it a fence (```bash)",
    ),
    "open": ("# Made\n\n1. Step\n\n   ```bash\n   touch canary\n", 5, "this fence is not closed"),
    "shell": ("# Made\n\n1. Step\n\n   ```bash\n   touch canary\n   echo '\n   ```\n", 7, "bash cannot parse this"),
    "bytes": ("# Made\n\n1. St\udcff\n\n   ```bash\n   touch canary\n   ```\n", 3, "not UTF-8 text"),
    "version": (front("lilfox: {version: 9}"), 2, "9 is out of range"),
    "yaml": (front("lilfox: {version: 1, on_alert: [X}"), 2, "not valid YAML"),
    "type": (front("lilfox: {version: 1}\nvars:\n  x: {type: ipp}"), 4, "ipp"),
    "risk": ("# Made\n\n1. S\n\n   ```bash {\"risk\": \"read\"}\n   rm -rf canary\n   ```\n", 6, "risk"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "marks"), [*((name, "") for name in BAD), ("name twice", "\r\n"), ("circle", "\ufeff"), ("shell", "\r\n")]
)
def test_what_is_wrong_is_said_with_its_line_and_nothing_runs(name: str, marks: str, tmp_path: Path) -> None:
    text, line, what = BAD[name]
    path = tmp_path / "bad.md"
    if marks == "\r\n":
        text = text.replace("\n", marks)
    path.write_bytes(("" if marks != "\ufeff" else marks).encode() + text.encode("utf-8", "surrogateescape"))
    for more in (["--yes", "--incident", "new"], ["--dry-run"]):
        done = lilfox("runbook", "run", path, "--host", "local", *more)
        assert (done.returncode, f"{path}:{line}: " in done.stderr, what in done.stderr) == (2, True, True), done.stderr
        assert "Traceback" not in done.stderr
    assert list_jobs() == []
    assert not (tmp_path / "canary").exists()
    assert lilfox("incident", "current").returncode == 1, "no incident was opened for what cannot run"
    shown = lilfox("runbook", "show", path)
    linted = lilfox("runbook", "lint", path)
    assert f"{path}:{line}: " in shown.stdout + shown.stderr
    assert f"{path}:{line}: " in linted.stdout


@pytest.mark.parametrize("ends", ["\r\n", "\r", "\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_ends_of_lines_and_a_mark_are_no_part_of_what_runs(ends: str, mark: str, tmp_path: Path) -> None:
    text = (
        f"{mark}# Made\n\n1. Step\n\n   ```bash\n   cat <<END\n   a b\n   END\n   x='two\n   lines'\n"
        '   printf "%s|" "$x"\n   ```\n'
    )
    path = tmp_path / "made.md"
    path.write_bytes(text.replace("\n", ends).encode())
    done = lilfox("runbook", "run", path, "--host", "local", "--yes")
    assert (done.returncode, done.stdout) == (0, "a b\ntwo\nlines|\n"), done.stderr


def test_ten_thousand_steps_are_listed_shown_linted_and_tried(tmp_path: Path) -> None:
    path = tmp_path / "long.md"
    path.write_text(
        "# Long\n\n" + "".join(f"{n}. Step {n}\n\n   ```bash\n   echo {n}\n   ```\n\n" for n in range(1, 10_001))
    )
    for words in (["show"], ["show", "--json"], ["lint"], ["run", "--dry-run", "--host", "local"]):
        done = lilfox("runbook", words[0], path, *words[1:], timeout_s=120)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
        assert words == ["lint"] or "echo 10000" in done.stdout
