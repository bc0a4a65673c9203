"""What a runbook and its commands say reaches the terminal as text: where it is asked, printed, told and exported."""

from __future__ import annotations

from pathlib import Path

import pytest

from lilfox_tui.core.text import clean
from lilfox_tui.jobs.listing import list_jobs
from tests.terminal.console import Console, configure
from tests.terminal.test_hostile import HOSTILE, only_known_sequences
from tests.unit.jobs.running import jobs

__all__ = ["jobs"]
ROOT = Path(__file__).parents[2]
TEXT = HOSTILE.replace("\x9b", "\u009b")
TURNED = "echo 'safe\u202egpj.\u2066x\u200b'"
RUNBOOK = f"""# Made {TEXT}

1. Look {TEXT}

   ```bash
   cat $HOME/said; cat $HOME/said >&2
   ```

2. Change

   ```bash {{"risk":"change"}}
   {TURNED} >$HOME/made
   ```
"""


def console(home: Path, *arguments: str) -> Console:
    return Console(arguments, home=home, env={"PYTHONPATH": str(ROOT)}, columns=200, rows=60)


@pytest.mark.fault("S1", "S2")
def test_a_hostile_runbook_and_its_command(jobs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / ".local" / "state"))
    (tmp_path / "made.md").write_text(RUNBOOK)
    configure(tmp_path, f"runbooks: {{folders: [{tmp_path}/made.md]}}\n")
    (tmp_path / "said").write_bytes(HOSTILE.encode("utf-8", "surrogateescape") + b"\n\xff\xfe\x9b2J\x90q\x9c\n")
    raw = bytearray()
    with console(tmp_path, "runbook", "run", str(tmp_path / "made.md"), "--incident", "new") as run:
        run.until("run it? [y]es")
        assert "␛]52;c;cHduZWQ=␇" in run.text, "what the command printed"
        assert clean(TURNED) in run.text, "what is to be confirmed, as it is and not as it would like to look"
        run.press("y\n")
        assert run.ended_within() == 0
        raw += run.raw
    (job,) = list_jobs()
    for words in (("runbook", "show", str(tmp_path / "made.md")), ("attach", job.id), ("jobs",), ("incident", "list"),
                  ("incident", "show", "--all"), ("incident", "handover"), ("incident", "export")):  # fmt: skip
        with console(tmp_path, *words) as told:
            assert told.ended_within() == 0
            raw += told.raw
    only_known_sequences(bytes(raw))
