"""Sets in a store: their list, and what retention would remove."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lilfox_tui.backup.context import BackupContext
from lilfox_tui.config.loader import load
from tests.bench.backup_made import make_sets
from tests.bench.programs import LILFOX, environment
from tests.bench.scale.child import run_lilfox
from tests.bench.scale.model import Axis, Limits, Operation, Stopwatch
from tests.faults.relay import Relay
from tests.services.sshd import sshd_lab

PLAN = "nightly"
_KEEP = {"last": 7, "daily": 30, "weekly": 12, "monthly": 24}
_SCREEN = Limits(wall_s=0.5, peak_bytes=500_000_000)


@contextmanager
def prepare(size: int, folder: Path) -> Iterator[None]:
    """The first set is a run's; the others are its manifest, proof and parts with other dates, an hour apart."""
    data, store = folder / "data", folder / "store"
    data.mkdir()
    (data / "upload.txt").write_text("uploaded\n" * 1000)
    source, keeps = {"kind": "files", "path": str(data)}, {"store": "here", "keep": _KEEP}
    plans = {PLAN: {"sources": {"uploads": source}, **keeps}}
    stores = {"here": {"kind": "local", "path": str(store)}}
    _write(folder / "config.yaml", {"backup": {"stores": stores, "plans": plans}})
    subprocess.run(
        [*LILFOX, "--config", str(folder / "config.yaml"), "backup", "run", PLAN, "--quiet"],
        env=environment(folder), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True, timeout=60,
    )  # fmt: skip
    make_sets(store, size)
    yield


def _write(config: Path, settings: object) -> None:
    config.write_text(json.dumps(settings))
    config.chmod(0o600)


def _of_manifests(folder: Path) -> int:
    return sum(each.stat().st_size for each in (folder / "store").glob("*.json"))


def _listed(_size: int, folder: Path, watch: Stopwatch) -> None:
    for _ in watch.rounds():
        with watch.turn():
            run_lilfox("--config", str(folder / "config.yaml"), "backup", "list")
    watch.moved_bytes = _of_manifests(folder)


def _pruned(_size: int, folder: Path, watch: Stopwatch) -> None:
    for _ in watch.rounds():
        with watch.turn():
            run_lilfox("--config", str(folder / "config.yaml"), "backup", "prune", PLAN)


def _listed_far(size: int, folder: Path, watch: Stopwatch) -> None:
    asyncio.run(_far(size, folder, watch))


async def _far(size: int, folder: Path, watch: Stopwatch) -> None:
    with sshd_lab() as lab:
        server = lab.sshd()
        async with Relay(server) as relay:
            known = lab.known_hosts.parent / "known_by_relay"
            known.write_text(relay.known_line())
            far = {"address": relay.address, "port": relay.port, "user": lab.host(server).user}
            _write(folder / "far.yaml", {
                "hosts": {"far": far | {"identity": str(lab.client_key)}},
                "ssh": {"config_files": [], "known_hosts": [str(known)]},
                "backup": {"stores": {"nas": {"kind": "sftp", "host": "far", "path": str(folder / "store")}}},
            })  # fmt: skip
            loaded = load(folder / "far.yaml")
            async with BackupContext(loaded.config) as context:
                store = context.store("nas", loaded.config.backup.stores["nas"])
                await context.sets_in(store)  # connects
                for _ in watch.rounds():
                    before = relay.carried_bytes
                    with watch.turn():
                        found = await context.sets_in(store)
                    watch.moved_bytes = relay.carried_bytes - before
                    assert len(found) == size


AXIS = Axis(
    name="sets",
    title="Backup sets",
    unit="sets",
    about="One store with sets of one plan, an hour apart, two in three of them verified. The first set is made by a "
    "run, the others have its manifest, proof and parts with other dates.",
    sizes=(10, 32, 100, 316, 1000, 3162, 10_000),
    prepare=prepare,
    operations=(
        Operation(
            name="list", title="`lilfox backup list`", run=_listed, limits=_SCREEN, moved="of manifests and proofs"
        ),
        Operation(name="prune", title="`lilfox backup prune`, which shows what it would remove", run=_pruned,
                  limits=_SCREEN),
        Operation(name="far", title="list over SFTP", run=_listed_far, limits=_SCREEN, moved="over the wire"),
    ),
)  # fmt: skip
