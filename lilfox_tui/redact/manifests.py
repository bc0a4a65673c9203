"""Secrets of Kubernetes as a manifest has them (``kubectl get secret -o yaml``): any name, and a value."""

from __future__ import annotations

import re

from lilfox_tui.redact import MASK

_OF_A_SECRET = re.compile(r"kind[\"']?[ \t]{0,8}:[ \t]{0,8}[\"']?secret(?:list)?\b")
_YAML = re.compile(r"(?m)^([ \t]*+(?:- )?(?:data|stringData):[ \t]*+\r?\n)((?:[ \t]++[^\n]*+(?:\n|\Z))++)")
_PAIR = re.compile(r"(?m)^([ \t]++[\w.-]{1,253}:[ \t]++)[^\s|>#{\[][^\n]*+")
_ENDS = re.compile(r"(?m)^[ \t]{0,8}(?:kind|metadata|type|immutable|apiVersion):")
_JSON = re.compile(r"(\"(?:data|stringData)\"[ \t]{0,8}:\s{0,80}\{)([^{}]*+)")
_JSON_PAIR = re.compile(r"(\"[\w.-]{1,253}\"[ \t]{0,8}:[ \t]{0,8})\"[^\"\n]*+\"?")


def masked(text: str, low: str) -> str:
    """``text`` (``low``: in small letters) without the values of Secrets."""
    if "secret" not in low or "data" not in low or not _OF_A_SECRET.search(low):
        return text
    text = _YAML.sub(lambda found: found[1] + _in_yaml(found[2]), text)
    return _JSON.sub(lambda found: found[1] + _JSON_PAIR.sub(rf"\1{MASK}", found[2]), text)


def _in_yaml(block: str) -> str:
    ends = _ENDS.search(block)
    end = len(block) if ends is None else ends.start()
    return _PAIR.sub(rf"\1{MASK}", block[:end]) + block[end:]
