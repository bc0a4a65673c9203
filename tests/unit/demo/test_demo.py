"""Which folders of demos are taken for leftovers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lilfox_tui.demo.http import SharedFolder, remove_left


def _left(place: Path, name: str = "lilfox-demo-left") -> Path:
    """A folder as a demo leaves it whose processes were all killed: marked, and locked by nobody."""
    (place / name / "logs").mkdir(parents=True)
    (place / name / "logs" / "lilfox-model.log").write_text("x")
    (place / name / ".lilfox-demo").touch()
    return place / name


def test_only_our_own_marked_folders_that_nobody_holds_are_removed(tmp_path: Path) -> None:
    place = tmp_path / "tmp"
    left = _left(place)
    used = SharedFolder.made(place)
    assert (used.folder / ".lilfox-demo").exists(), "it is known by the same mark"
    by_service = SharedFolder(_left(place, "lilfox-demo-service"))
    unmarked = _left(place, "lilfox-demo-unmarked")
    (unmarked / ".lilfox-demo").unlink()
    named_otherwise = _left(place, "notes")
    (place / "lilfox-demo-link").symlink_to(_left(tmp_path, "elsewhere"))
    (place / "lilfox-demo-file").touch()
    kept = set(place.iterdir()) - {left}

    remove_left(place)

    assert set(place.iterdir()) == kept
    assert {used.folder, by_service.folder, unmarked, named_otherwise} < kept
    assert (tmp_path / "elsewhere" / "logs").exists()
    for each in (used, by_service):
        each.leave()
        assert not each.folder.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a folder away")
def test_that_of_another_user_stays(tmp_path: Path) -> None:
    folder = _left(tmp_path)
    os.chown(folder, 65534, -1)
    remove_left(tmp_path)
    assert folder.exists()


def test_the_last_one_removes_all_of_it_also_where_its_parents_end_comes_meanwhile(tmp_path: Path) -> None:
    code = """
import os, shutil, signal, sys
from pathlib import Path
from lilfox_tui.demo import http
remove = shutil.rmtree
def told_to_end(folder, **options):
    os.kill(os.getpid(), signal.SIGTERM)
    remove(folder, **options)
http.shutil.rmtree = told_to_end
http.SharedFolder.made(Path(sys.argv[1])).leave()
"""
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert list(tmp_path.iterdir()) == []
    assert ended.returncode == -signal.SIGTERM
