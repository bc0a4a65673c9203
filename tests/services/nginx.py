"""A private nginx that answers everything itself and writes its access and error logs; nothing of it stays."""

from __future__ import annotations

import getpass
import socket
import subprocess
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.lifetime import ending_with_us
from tests.ports import free_port
from tests.waiting import wait_for

CONFIG = """
daemon off; user {user}; pid {folder}/pid; error_log {folder}/error.log info; worker_processes 1;
events {{}}
http {{
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    log_format timed '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
                     '"$http_referer" "$http_user_agent" $request_time';
    access_log {folder}/access.log timed;
    {servers}
}}
"""
SERVERS = """
    server {{
        listen 127.0.0.1:{port};
        location / {{ return 200 "hello"; }}
        location = /stub_status {{ stub_status; }}
        location /broken {{ return 503 "broken"; }}
        location /files/ {{ alias {folder}/files/; }}
    }}
"""


class Nginx:
    """One server. Use as a context manager. ``servers`` are its server blocks, with the fields port and folder."""

    def __init__(self, folder: Path, servers: str = SERVERS) -> None:
        self.folder, self.servers = folder, servers
        self.access_log, self.error_log = folder / "access.log", folder / "error.log"
        self.port = free_port()

    def __enter__(self) -> Nginx:
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "nginx.conf"
        servers = self.servers.format(folder=self.folder, port=self.port)
        config.write_text(CONFIG.format(folder=self.folder, user=getpass.getuser(), servers=servers))
        words = ("-e", str(self.error_log), "-p", str(self.folder), "-c", str(config))
        argv = ending_with_us("nginx", *words, by="TERM")  # its workers end with it
        self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self._listens, what="nginx listens")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(60)

    def _listens(self) -> bool:
        assert self._process.poll() is None, self.error_log.read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"http://127.0.0.1:{self.port}"

    def stub_status(self) -> list[int]:
        """Connections that are active; accepted, handled, requests; reading, writing, waiting: this one among them."""
        with urlopen(f"{self.url}/stub_status", timeout=60) as answer:
            return [int(word) for word in answer.read().split() if word.isdigit()]

    def requests_logged(self) -> int:
        """How many it has answered, by its access log."""
        return len(self.access_log.read_bytes().splitlines())

    def get(self, path: str) -> int:
        """The status of ``path``."""
        try:
            with urlopen(Request(f"{self.url}{path}"), timeout=60) as answer:
                status: int = answer.status
                return status
        except HTTPError as error:
            return error.code
