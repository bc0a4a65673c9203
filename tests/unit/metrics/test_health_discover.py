from __future__ import annotations

import socket
from pathlib import Path

from lilfox_tui.metrics.health import find_services, listening_ports

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def _proc(tmp_path: Path, **tables: str) -> Path:
    (tmp_path / "net").mkdir()
    for name, text in tables.items():
        (tmp_path / "net" / name).write_text(HEAD + text)
    return tmp_path


def test_a_port_that_listens_here_is_found() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        assert port not in listening_ports()
        server.listen()
        assert port in listening_ports()


def test_only_listening_sockets_count_and_broken_lines_are_passed_over(tmp_path: Path) -> None:
    proc = _proc(
        tmp_path,
        tcp="x\n   0: 0100007F:zzzz 00000000:0000 0A 0:0\n   1: 0100007F:1F90 00000000:0000 0A 0:0\n"
        "   2: 0100007F:1F40 0100007F:9999 01 0:0\n",
        tcp6="   0: 00000000000000000000000000000000:1F41 00000000000000000000000000000000:0000 0A 0:0\n",
    )
    assert listening_ports(proc) == {8080, 8001}
    assert {name: config.url for name, config in find_services(proc).items()} == {
        "gateway": "http://localhost:8080",
        "model": "http://localhost:8001",
    }


def test_without_proc_nothing_is_found(tmp_path: Path) -> None:
    assert listening_ports(tmp_path) == set()
