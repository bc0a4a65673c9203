"""``kubectl exec`` at the stand-in for a cluster: a program of this machine over a WebSocket (v5.channel.k8s.io)."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import IO

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455
_STDIN, _STDOUT, _STDERR, _ERROR, _RESIZE, _CLOSE = 0, 1, 2, 3, 4, 255


class _Frames:
    """The messages of one connection."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        self._read, self._write = handler.rfile, handler.wfile
        self._lock = threading.Lock()

    def send(self, channel: int, data: bytes) -> None:
        """Sends data of a channel."""
        self._frame(0x82, bytes([channel]) + data)

    def close(self) -> None:
        """Says that nothing follows."""
        self._frame(0x88, (1000).to_bytes(2, "big"))

    def _frame(self, first: int, payload: bytes) -> None:
        size = len(payload)
        if size < 126:
            head = bytes([first, size])
        elif size < 1 << 16:
            head = bytes([first, 126]) + size.to_bytes(2, "big")
        else:
            head = bytes([first, 127]) + size.to_bytes(8, "big")
        with self._lock:
            self._write.write(head + payload)
            self._write.flush()

    def next(self) -> tuple[int, bytes] | None:
        """The next channel and its data; None at the end."""
        message = b""
        while True:
            head = self._read.read(2)
            if len(head) < 2 or head[0] & 15 == 8:
                return None
            size = head[1] & 127
            if size >= 126:
                size = int.from_bytes(self._read.read(2 if size == 126 else 8), "big")
            mask = self._read.read(4) if head[1] & 128 else b"\0\0\0\0"
            data = _unmasked(self._read.read(size), mask)
            if head[0] & 15 == 9:
                self._frame(0x8A, data)
            elif head[0] & 15 in (0, 1, 2):
                message += data
                if head[0] & 128 and message:  # the last part of it
                    return message[0], message[1:]


def _unmasked(data: bytes, mask: bytes) -> bytes:
    key = int.from_bytes((mask * (len(data) // 4 + 1))[: len(data)], "big")
    return (int.from_bytes(data, "big") ^ key).to_bytes(len(data), "big")


def serve_exec(handler: BaseHTTPRequestHandler, words: list[str], folder: str, env: Mapping[str, str]) -> None:
    """Runs a program for a client that asked for it."""
    key = handler.headers["Sec-WebSocket-Key"].encode()
    handler.send_response(101)
    handler.send_header("Upgrade", "websocket")
    handler.send_header("Connection", "Upgrade")
    handler.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key + _MAGIC).digest()).decode())
    handler.send_header("Sec-WebSocket-Protocol", "v5.channel.k8s.io")
    handler.end_headers()
    frames = _Frames(handler)
    try:
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder,
            env={**os.environ, **env}, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        said = f'OCI runtime exec failed: exec: "{words[0]}": {error.strerror}: unknown'
        frames.send(_ERROR, json.dumps({"status": "Failure", "reason": "InternalError", "message": said}).encode())
        frames.close()
        return
    with process:
        assert process.stdin is not None
        taking = threading.Thread(target=_take, args=(frames, process), daemon=True)
        outputs = [
            threading.Thread(target=_give, args=(frames, channel, pipe), daemon=True)
            for channel, pipe in ((_STDOUT, process.stdout), (_STDERR, process.stderr))
        ]
        for each in (taking, *outputs):
            each.start()
        for each in outputs:
            each.join()
        code = process.wait()
    status: dict[str, object] = {"metadata": {}, "status": "Success"}
    if code:
        said = f"command terminated with non-zero exit code: exit status {code}"
        causes = {"causes": [{"reason": "ExitCode", "message": str(code)}]}
        status = {"metadata": {}, "status": "Failure", "reason": "NonZeroExitCode", "message": said, "details": causes}
    frames.send(_ERROR, json.dumps(status).encode())
    frames.close()


def _take(frames: _Frames, process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    try:
        while (got := frames.next()) is not None:
            channel, data = got
            if channel == _STDIN:
                process.stdin.write(data)
                process.stdin.flush()
            elif channel == _CLOSE and data[:1] == bytes([_STDIN]):
                process.stdin.close()
    except (OSError, ValueError):
        return
    if process.poll() is None:
        process.kill()


def _give(frames: _Frames, channel: int, pipe: IO[bytes] | None) -> None:
    assert pipe is not None
    try:
        while data := os.read(pipe.fileno(), 65536):
            frames.send(channel, data)
    except (OSError, ValueError):
        return
