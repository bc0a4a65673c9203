"""Servers on loopback that answer each question with a page that is made for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Page = Callable[[], tuple[int, bytes]]
"""The status and the body of the next answer; called in a thread of the server."""


@contextmanager
def served(pages: Sequence[Page], content_type: str = "text/plain; version=0.0.4") -> Iterator[list[str]]:
    """A server for each of ``pages``, until the end of the block; gives their addresses, ``HOST:PORT``."""
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), _handler(page, content_type)) for page in pages]
    threads = [threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield [f"127.0.0.1:{server.server_address[1]}" for server in servers]
    finally:
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join(60)


def _handler(page: Page, content_type: str) -> type[BaseHTTPRequestHandler]:
    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:  # the name is http.server's
            status, body = page()
            with suppress(ConnectionError):  # whoever asks is ended in the middle of it
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is http.server's
            pass

    return Answer
