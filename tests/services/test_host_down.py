"""A host that goes away: alerts about what is asked through it are silenced, and told if they fire when it is back."""

from __future__ import annotations

import asyncio
from pathlib import Path

from lilfox_tui.alerts.dependencies import HOST_RULES
from lilfox_tui.alerts.notifiers.command import Options
from lilfox_tui.config.model import AlertsConfig, Config, ServiceConfig
from lilfox_tui.config.probes import normalised
from lilfox_tui.config.values import Seconds, Wait
from lilfox_tui.core.aio import Ready
from lilfox_tui.monitor.export import prometheus, report
from lilfox_tui.monitor.monitor import Monitor
from tests.services.promtool import check_rules
from tests.services.sshd import sshd_lab
from tests.services.test_monitor import LIMITS, seen, watching
from tests.waiting import until

RULES = """
groups:
  - name: probes
    interval: 1s
    rules:
      - {alert: PortClosed, expr: probe_success == 0, labels: {severity: critical}}
"""


def alerts(monitor: Monitor) -> dict[str, str]:
    state = seen(monitor).alerts
    if not isinstance(state, Ready):
        return {}
    return {
        f"{one.name} {one.state.name.lower()}": one.suppression for one in state.value.alerts if not one.is_resolved
    }


def _lines(monitor: Monitor, start: str) -> list[str]:
    return [line for line in prometheus(seen(monitor), {}).splitlines() if line.startswith(start)]


def test_promtool_takes_the_rule() -> None:
    assert check_rules(HOST_RULES).returncode == 0


async def test_what_is_asked_through_a_host_is_silent_while_it_is_down(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(RULES)
    told = tmp_path / "told"
    port = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    name = port.sockets[0].getsockname()
    with sshd_lab() as lab:
        server = lab.sshd()
        shop = ServiceConfig(tcp=f"127.0.0.1:{name[1]}", from_="web", every=Seconds(0.5), down_after=1, up_after=1)
        config = Config(
            refresh=Seconds(0.5), hosts={"web": lab.host(server)}, ssh=lab.ssh(), thresholds=LIMITS,
            services=normalised({"shop": shop}, {}), rules=(str(tmp_path / "rules.yml"),),
            alerts=AlertsConfig(group_wait=Wait(8)),
            notifiers={"log": Options(kind="command", argv=("sh", "-c", f"cat >> {told}"))},
        )  # fmt: skip
        monitor = Monitor(config, alert_state=tmp_path / "state")
        monitor.prime()
        async with port, watching(monitor):
            await until(lambda: "} 1" in "".join(_lines(monitor, "probe_success{")), what="the first answer")
            assert 'lilfox_host_reachable{host="web"} 1' in prometheus(seen(monitor), {})
            server.kill()
            found = {("PortClosed firing", "suppressed by host web, which is down"), ("HostDown pending", "")}
            await until(lambda: found <= set(alerts(monitor).items()), what="silenced by the host")
            shown = report(seen(monitor), None)["alerts"]["alerts"]
            assert [one["silenced_by"] for one in shown if one["name"] == "PortClosed"] == [["host down web"]]
            port.close()
            await port.wait_closed()
            assert not told.exists()
            server.start()
            await until(lambda: ("PortClosed firing", "") in alerts(monitor).items(), what="silenced no more")
            await until(lambda: told.exists() and "PortClosed" in told.read_text(), what="told")
            assert "HostDown" not in told.read_text()
