"""Why a service gave no answer, in words: the exceptions of ssl and the socket as messages without secrets."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Iterator

from lilfox_tui.hosts.http_answer import HttpFault
from lilfox_tui.i18n import Message, tr


def reason_of(error: BaseException, where: str) -> Message:
    """What ``error`` says about ``where`` (``host:port``), and what to look at."""
    if isinstance(error, HttpFault):
        return error.message
    for cause in _causes(error):
        message = _of_cause(cause, where)
        if message is not None:
            return message
    return tr("{where} could not be asked ({kind}): check the url", where=where, kind=type(error).__name__)


def _of_cause(cause: BaseException, where: str) -> Message | None:
    if isinstance(cause, ssl.SSLCertVerificationError):
        reason = cause.verify_message
        return tr("the certificate of {where} is not trusted: {reason}", where=where, reason=reason)
    if isinstance(cause, ssl.SSLError):
        return tr("no TLS with {where} ({reason}): is it http?", where=where, reason=cause.reason or "TLS")
    if isinstance(cause, socket.gaierror):
        return tr("the name in {where} is not known: check the url and DNS", where=where)
    if isinstance(cause, OSError) and cause.errno == errno.ECONNREFUSED:
        return tr("{where} refuses the connection: nothing listens there, is the service running?", where=where)
    if isinstance(cause, OSError) and cause.errno in (errno.ECONNRESET, errno.EPIPE):
        return tr("{where} cut the connection before the answer ended: see the service's log", where=where)
    if isinstance(cause, OSError) and cause.errno:
        return tr("{where} cannot be reached: {reason}", where=where, reason=os.strerror(cause.errno))
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """``error`` and everything that led to it, deepest group members included."""
    todo: list[BaseException | None] = [error]
    seen: set[int] = set()
    while todo:
        one = todo.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, BaseExceptionGroup):
            todo.extend(one.exceptions)
        todo += [one.__cause__, one.__context__]
