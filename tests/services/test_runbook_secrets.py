"""A secret that is typed in the Runbook pane is on no screen and in no file, and reaches its
command."""

from __future__ import annotations

import secrets
from hashlib import sha256
from pathlib import Path

import pytest

from tests.app.runbook_console import console, home

__all__ = ["home"]
RUNBOOK = """---
lilfox: {version: 1, id: made, title: Made}
vars:
  token: secret
---
# Made

1. **Look at it**

   ```bash
   printf %s <token> | sha256sum | cut -c -20; echo it is <token>
   printf 'in \\033[31m%s\\033[0m it is\\n' <token>
   ```
"""


@pytest.mark.fault("S21")
async def test_a_secret_that_is_typed_is_nowhere_and_reaches_its_command(home: Path) -> None:
    (home / "runbooks/made.md").write_text(RUNBOOK)
    canary = f"canary{secrets.token_hex(8)}"
    screens: list[str] = []
    async with console(home) as shown:
        await shown.keys("enter", "enter")
        await shown.until("open an incident")
        await shown.keys("enter")
        await shown.until_waits("value", 1)
        await shown.keys("enter")
        await shown.until("<token>")
        for key in canary:
            await shown.keys(key)
            screens.append(shown.text)
        await shown.keys("enter")
        await shown.until(sha256(canary.encode()).hexdigest()[:20])
        screens.append(await shown.until("it is ***"))
        await shown.until_waits("order", 1)
        await shown.keys("enter")
        screens.append(await shown.until("***␛[0m it is"))
        await shown.until_waits("end", 0)
        screens.append(shown.text)
    assert canary[:8] not in "".join(screens)
    kept = [path for path in (home / "state").rglob("*") if path.is_file()]
    assert {path.name for path in kept} >= {"events.jsonl", "timeline.jsonl"}
    assert [path for path in kept if canary.encode() in path.read_bytes()] == []
