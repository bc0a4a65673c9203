"""What kubectl sends of its own types to the stand-in for a cluster."""

from __future__ import annotations

import base64
from typing import Any

PROTOBUF = b"k8s\0"
"""How that begins."""


def secret_of(body: bytes) -> dict[str, Any]:
    """The Secret that kubectl create sends (k8s.io/api/core/v1/generated.proto)."""
    secret = _fields(_fields(body.removeprefix(PROTOBUF))[2][0])
    name = _fields(secret[1][0])[1][0].decode()
    entries = [_fields(each) for each in secret.get(2, [])]
    data = {each[1][0].decode(): base64.b64encode(each[2][0]).decode() for each in entries}
    return {"kind": "Secret", "metadata": {"name": name}, "data": data}


def _fields(message: bytes) -> dict[int, list[bytes]]:
    """The fields of a protobuf message that have a length; it and numbers are below 128."""
    found: dict[int, list[bytes]] = {}
    while message:
        size = message[1] if message[0] & 7 == 2 else 0
        found.setdefault(message[0] >> 3, []).append(message[2 : 2 + size])
        message = message[2 + size :]
    return found
