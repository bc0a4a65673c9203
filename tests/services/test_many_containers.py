"""One host with both engines and many containers is seen whole within seconds, and what happens among them too.

``python -m tests.bench containers`` does it with two hundred."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from tests.services.container_engines import ContainerEngine
from tests.services.many_containers import fill, seen_after_s
from tests.services.sshd import SshdLab

EACH, SEEN_S = 12, 6.0


async def test_troubles_among_many_containers_of_both_engines_are_seen(tmp_path: Path) -> None:
    lab = SshdLab(tmp_path)
    with ExitStack() as stack:
        server = lab.sshd()
        stack.callback(server.stop)
        engines = [stack.enter_context(ContainerEngine(kind)) for kind in ("podman", "docker")]
        for engine in engines:
            fill(engine, EACH)
        took = await seen_after_s(lab, server, engines, EACH)
    assert took.keys() == {"podman", "docker"}
    for kind, times in took.items():
        assert times.keys() == {"all", "oom", "unhealthy", "crash loop", "stopped"}
        assert all(seconds < SEEN_S for seconds in times.values()), (kind, times)
