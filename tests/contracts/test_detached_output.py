"""What commands that outlive the link print: all of it, its start and its end, as it comes."""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing
from pathlib import Path

import pytest

from lilfox_tui.hosts import detached, detached_scripts
from lilfox_tui.hosts.detached import DetachedOutput
from tests.contracts.detached_places import Place, followed, lab, place

__all__ = ["lab", "place"]


async def test_one_that_is_followed_tells_all_of_a_quick_command_in_one_answer(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detached, "_FOLLOWED_TURNS", 600)
    script = detached_scripts.START.replace("|| prints=1", "|| true")
    monkeypatch.setattr(detached_scripts, "START", script)  # on a busy host it may answer before the command has ended
    begun = await detached.start(
        place.host, "quick", ["sh", "-c", "echo out; echo err >&2; exit 3"], limit_bytes=1000, followed=True
    )
    assert begun.look.state == "ended"
    assert begun.printed == (DetachedOutput("stdout", b"out\n"), DetachedOutput("stderr", b"err\n"))
    await detached.forget(place.host, "quick")
    assert await followed(place.host, "quick", begun) == (b"out\n", b"err\n", begun.look)


async def test_one_that_is_followed_is_told_of_while_it_runs_and_goes_on_where_that_was(
    place: Place, tmp_path: Path
) -> None:
    script = f"echo first; while [ ! -e '{tmp_path}/go' ]; do sleep 0.05; done; echo last"
    begun = await detached.start(place.host, "runs", ["sh", "-c", script], followed=True)
    assert begun.look.state == "running"
    silent = await detached.start(place.host, "silent", ["sleep", "1000"], followed=True)
    assert (silent.look.state, silent.printed) == ("running", ())
    (tmp_path / "go").touch()
    out, _, end = await followed(place.host, "runs", begun)
    assert (out, end.exit_status) == (b"first\nlast\n", 0)
    again = await detached.start(place.host, "runs", ["false"], followed=True)
    assert (again.look, again.printed) == (end, (DetachedOutput("stdout", b"first\nlast\n"),))
    await detached.cancel(place.host, "silent")


async def test_much_output_of_a_quick_command_is_all_there(place: Place) -> None:
    script = "head -c 3000000 /dev/zero; head -c 1200000 /dev/zero >&2"
    begun = await detached.start(place.host, "much", ["sh", "-c", script], limit_bytes=1 << 21, followed=True)
    out, err, end = await followed(place.host, "much", begun)
    assert (len(out), len(err)) == ((1 << 21) + 64 * 1024, 1_200_000)
    assert (end.stdout_cut_at, end.stderr_cut_at, end.exit_status) == (1 << 21, None, 0)


async def test_of_much_output_the_start_and_the_end_are_kept_and_that_is_said(place: Place) -> None:
    script = 'i=0; while [ $i -lt 50000 ]; do echo "line $i"; i=$((i + 1)); done; echo few >&2'
    await detached.start(place.host, "much", ["sh", "-c", script], limit_bytes=1000)
    blocks: list[DetachedOutput] = []
    async with aclosing(detached.follow(place.host, "much")) as told:
        async for each in told:
            if isinstance(each, DetachedOutput):
                blocks.append(each)
            else:
                end = each
    out = b"".join(block.data for block in blocks if block.stream == "stdout")
    assert out.startswith(b"line 0\nline 1\n")
    assert out.endswith(b"line 49999\n")
    assert len(out) == 1000 + 64 * 1024 == end.stdout_bytes
    cut = [block.cut for block in blocks if block.stream == "stdout"]
    assert cut.count(True) == 1, "said once, however many blocks it comes in"
    start = b"".join(block.data for block in blocks if block.stream == "stdout")[:1000]
    assert b"".join(block.data for block in blocks[: _gap(blocks)] if block.stream == "stdout") == start
    assert (end.stdout_cut_at, end.stderr_cut_at, end.exit_status) == (1000, None, 0)
    size = sum(path.stat().st_size for path in place.folder("much").iterdir())
    assert size < 70_000


@pytest.mark.parametrize("limit", [None, 1 << 20])
async def test_what_it_has_printed_is_seen_while_it_runs(place: Place, tmp_path: Path, limit: int | None) -> None:
    script = f"echo first; while [ ! -e '{tmp_path}/go' ]; do sleep 0.1; done; echo last; echo wrong >&2"
    await detached.start(place.host, "lives", ["sh", "-c", script], limit_bytes=limit)
    out = b""
    async with aclosing(detached.follow(place.host, "lives")) as told, asyncio.timeout(30):
        async for each in told:
            if isinstance(each, DetachedOutput) and each.stream == "stdout":
                out += each.data
                if out == b"first\n":
                    (tmp_path / "go").touch()
    assert out == b"first\nlast\n"


async def test_not_a_byte_more_is_kept_however_it_comes(place: Place) -> None:
    script = 'i=0; while [ $i -lt 3000 ]; do echo "$i"; i=$((i + 1)); done'
    await detached.start(place.host, "small", ["sh", "-c", script], limit_bytes=9001)
    out, _, end = await followed(place.host, "small")
    assert out == "".join(f"{number}\n" for number in range(3000)).encode()
    assert (end.stdout_cut_at, end.exit_status) == (9001, 0)


async def test_what_keeps_the_output_may_come_late(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy host a quick command has ended before those who read its output have had their turn."""
    late, count = re.subn(r"(\{ exec [^}]*; \}) (<\S+( \d<&-)*) &", r"{ sleep 1; \1 \2; } &", detached_scripts.START)
    assert count == 2
    monkeypatch.setattr(detached_scripts, "START", late)
    await detached.start(place.host, "quick", ["sh", "-c", "echo out; echo err >&2; exit 5"], limit_bytes=1000)
    out, err, end = await followed(place.host, "quick")
    assert (out, err) == (b"out\n", b"err\n")
    assert (end.stdout_cut_at, end.stderr_cut_at, end.exit_status) == (None, None, 5)


def _gap(blocks: list[DetachedOutput]) -> int:
    """Which block stands behind what was left out."""
    return next(number for number, block in enumerate(blocks) if block.cut)
