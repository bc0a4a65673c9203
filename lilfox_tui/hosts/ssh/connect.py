"""Opens SSH connections: host and user keys, known hosts, jump hosts, logins."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import asyncssh
from msgspec import Struct

from lilfox_tui.config.model import HostConfig, SshConfig
from lilfox_tui.config.values import SecretRef
from lilfox_tui.core.errors import AuthRefused, FileRefused, HostError, HostKeyChanged, HostKeyUnknown, HostUnreachable
from lilfox_tui.core.files import NotTrusted
from lilfox_tui.core.i18n import Message, _, listed, tr
from lilfox_tui.hosts.base import OfferedKey
from lilfox_tui.hosts.shell_words import secret
from lilfox_tui.hosts.ssh.asyncssh_internals import (
    ConfigWord,
    EffectiveConfig,
    close_with,
    effective_config,
    is_of_revoked_key,
    lacks_passphrase,
    overhear,
    signature_algorithms,
)
from lilfox_tui.hosts.ssh.errors import Greeting, dial_error, known_hosts_error, reason_of
from lilfox_tui.hosts.ssh.openssh import refuse_all, refuse_config
from lilfox_tui.incident.incidents import record
from lilfox_tui.incident.model import Did

# Keys of SSH: which host keys are known and what a shown one means, which private keys a login uses.


# Host keys (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT): what is known, and what a key that is shown means.


DEFAULT_PORT = 22
"""The port that known_hosts lines leave out."""

KEY_TYPES = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
Verdict = Literal["unknown", "trusted", "changed", "revoked"]
_parsed = lru_cache(maxsize=4)(asyncssh.import_known_hosts)
"""Each host that is dialled needs its line of the same text, twice; parsing 400 lines takes 4 ms."""


class KnownKeys(Struct, frozen=True):
    """The keys that known_hosts files list for one place."""

    trusted: tuple[asyncssh.SSHKey, ...]
    authorities: tuple[asyncssh.SSHKey, ...]
    revoked: tuple[asyncssh.SSHKey, ...]

    def fingerprints(self) -> tuple[str, ...]:
        """Return the fingerprints of the trusted keys and authorities."""
        return tuple(key.get_fingerprint() for key in (*self.trusted, *self.authorities))

    def algorithms(self) -> list[str]:
        """Return the key types to request, known ones first: otherwise the key of a host that has two could seem to
        have changed."""
        known = [name for key in self.trusted for name in signature_algorithms(key) if name != "ssh-rsa"]
        certified = [f"{name}-cert-v01@openssh.com" for name in KEY_TYPES] if self.authorities else []
        return list(dict.fromkeys([*certified, *known, *KEY_TYPES]))

    def verdict(self, key: asyncssh.SSHKey) -> Verdict:
        """Return what the files say about ``key``: trusted, changed, revoked or unknown."""
        if key in self.revoked:
            return "revoked"
        if key in self.trusted:
            return "trusted"
        return "changed" if self.trusted or self.authorities else "unknown"


def known_keys(files: tuple[str, ...], host: str, address: str, port: int) -> KnownKeys:
    """Return the keys that the readable ones of ``files`` list for ``host``. Raises NotTrusted; ValueError for an
    invalid line."""
    readable = [file for file in files if os.access(file, os.R_OK)]
    refuse_all(readable)
    hosts = _parsed("\n".join([Path(file).read_text() for file in readable]))
    at_port = port if port != DEFAULT_PORT else None
    trusted, authorities, revoked, *_ = asyncssh.match_known_hosts(hosts, host, address, at_port)
    # asyncssh looks for the bare host where a port has no trusted key, and then misses the port's @revoked lines
    revoked = [*revoked, *asyncssh.match_known_hosts(hosts, place_of(host, port), address, None)[2]]
    return KnownKeys(tuple(trusted), tuple(authorities), tuple(revoked))


def place_of(host: str, port: int) -> str:
    """Return the name that known_hosts uses for a host and port."""
    return host if port == DEFAULT_PORT else f"[{host}]:{port}"


def key_error(host: str, place: str, verdict: Verdict, key: asyncssh.SSHKey | None, known: KnownKeys) -> HostError:
    """Return the error for an untrusted key; ``key`` is None if it is only known to be revoked."""
    fingerprint = key.get_fingerprint() if key is not None else "?"
    if verdict == "unknown":
        return HostKeyUnknown(
            host,
            tr("{place} presents an unknown host key: {fingerprint}", place=place, fingerprint=fingerprint),
            tr("Compare it with ssh-keygen -lf on the host, then run: lilfox hosts trust {host}", host=host),
            fingerprint=fingerprint,
            key_type=key.get_algorithm() if key is not None else "?",
        )
    if verdict == "revoked":
        message = tr(
            "{place} presents a key that is marked @revoked: {fingerprint}", place=place, fingerprint=fingerprint
        )
        hint = tr("Do not connect: whoever has the revoked key can pose as the host. Give the host a new key.")
    else:
        message = tr(
            "THE HOST KEY OF {place} HAS CHANGED: it presents {fingerprint}, expected {known}",
            place=place, fingerprint=fingerprint, known=listed(known.fingerprints()),
        )  # fmt: skip
        hint = tr(
            "Someone may be eavesdropping. If the host was reinstalled, remove the old line: ssh-keygen -R '{place}'",
            place=place,
        )
    fingerprints = listed(known.fingerprints())
    revoked = verdict == "revoked"
    return HostKeyChanged(host, message, hint, fingerprint=fingerprint, known=fingerprints, revoked=revoked)


# Private key files: which ones a login uses, and which of them stay shut without the right passphrase.


USUAL = ("id_ed25519_sk", "id_ecdsa_sk", "id_ed25519", "id_ecdsa", "id_rsa")
"""In ~/.ssh, where no key is named (ssh(1), ``-i``)."""
_KEY_ERRORS = (asyncssh.KeyImportError, asyncssh.KeyEncryptionError)
_CORRECT = tr(
    "Correct the secret referenced by the passphrase setting of this host, or load the key with ssh-add; then "
    "retry manually."
)


def identity_files(identity: str | None, of_config: Sequence[str]) -> tuple[str, ...]:
    """Return ``identity`` and the files that ssh_config names; if neither names a key, the usual ones. Only readable
    files, except that ``identity`` is always included so that a missing one is reported."""
    named = [Path(file).expanduser() for file in of_config]
    if identity is None and not named:
        named = [Path("~/.ssh", name).expanduser() for name in USUAL]
    readable = [str(file) for file in named if os.access(file, os.R_OK)]
    return (str(Path(identity).expanduser()), *readable) if identity is not None else tuple(readable)


async def opened_keys(host: str, files: Sequence[str], ref: SecretRef) -> list[str | asyncssh.SSHKey]:
    """Return ``files`` in the form that asyncssh needs for keys with a passphrase. asyncssh cannot open a key whose
    public half is neither beside it nor in it (the PEM format), so such a key is opened here. Raises AuthRefused."""
    here = await asyncio.to_thread(lambda: [file for file in files if _is_shut(file, None) and not _shows_public(file)])
    return [await _opened_key(host, file, ref) if file in here else file for file in files]


async def _opened_key(host: str, file: str, ref: SecretRef) -> asyncssh.SSHKey:
    passphrase = await secret(ref)
    try:
        return await asyncio.to_thread(asyncssh.read_private_key, file, passphrase)
    except _KEY_ERRORS:
        raise AuthRefused(host, _not_opened(host, file), _CORRECT) from None


async def login_refused(where: str, host: str, user: str, files: Sequence[str], ref: SecretRef | None) -> AuthRefused:
    """Return the error for a login whose keys were all rejected; it names the keys that were not offered because they
    could not be decrypted."""
    passphrase = None if ref is None else await secret(ref)
    shut = listed(await asyncio.to_thread(lambda: [file for file in files if _is_shut(file, passphrase)]))
    refused = tr("{where} refused the login of {user}", where=where, user=user)
    if not shut:
        return AuthRefused(
            host,
            refused,
            tr(
                "Check user, key and agent (ssh-add -l), then retry manually: LilFox does not retry this automatically."
            ),
        )
    if ref is None:
        why = tr("a passphrase is needed for {keys}, but none is set", keys=shut)
        hint = tr(
            "Load the key with ssh-add, or set passphrase: for this host. If ssh-add -l already lists the key, "
            "the server does not accept it: check authorized_keys there."
        )
    else:
        why, hint = _not_opened(host, shut), _CORRECT
    return AuthRefused(host, tr("{what}; {why}", what=refused, why=why), hint)


def _not_opened(host: str, keys: str) -> Message:
    return tr("the passphrase of {host} does not decrypt {keys}", host=host, keys=keys)


def _is_shut(file: str, passphrase: str | None) -> bool:
    """Whether ``file`` is a private key that needs another passphrase. If it is not a key at all, asyncssh reports
    that."""
    try:
        asyncssh.read_private_key(file, passphrase)
    except _KEY_ERRORS as error:
        return lacks_passphrase(error) if passphrase is None else _is_shut(file, None)
    except OSError:
        return False
    return False


def _shows_public(file: str) -> bool:
    """Whether the public half can be read without a passphrase."""
    for place in (f"{file}.pub", file):
        try:
            asyncssh.read_public_key(place)
        except (OSError, *_KEY_ERRORS):
            continue
        return True
    return False


# ruff: noqa: ARG002 - the parameters are asyncssh's


CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes256-ctr",
    "aes192-ctr",
    "aes128-ctr",
)
"""GCM first: it costs this side less than half of ChaCha20."""

DIAL_ERRORS = (asyncssh.Error, asyncssh.KeyImportError, asyncssh.KeyEncryptionError, OSError, ValueError)


class SshTarget(Struct, frozen=True):
    """A host to connect to; ``host`` is its name in errors."""

    host: str
    address: str
    user: str | None = None
    port: int | None = None
    identity: str | None = None
    password: SecretRef | None = None
    passphrase: SecretRef | None = None

    @classmethod
    def of(cls, name: str, config: HostConfig) -> SshTarget:
        """Return the target of a configured host."""
        return cls(
            name, config.address or name, config.user, config.port, config.identity, config.password, config.passphrase
        )

    def hop(self, spec: str) -> SshTarget:
        """Return the target of a jump host, ``[user@]host[:port]`` (ProxyJump of ssh_config(5))."""
        user, _, place = spec.strip().removeprefix("ssh://").rpartition("@")
        address, _, port = place.rpartition(":") if place.count(":") == 1 else (place, "", "")
        return SshTarget(self.host, address.strip("[]"), user or None, int(port) if port else None)


class ResolvedTarget(Struct, frozen=True):
    """A target resolved by ssh_config. ``key_name`` is its name in known_hosts; ``timeout_s`` is for the connection
    without its jump hosts."""

    address: str
    port: int
    user: str
    key_name: str
    jumps: str
    known_hosts: tuple[str, ...]
    known: KnownKeys
    identities: tuple[str, ...]
    timeout_s: float
    options: dict[str, Any]

    @property
    def where(self) -> str:
        """Address and port, for display."""
        return place_of(self.address, self.port)


class SshClient(asyncssh.SSHClient):
    """The asyncssh callbacks that are called while connecting, and when the connection ends."""

    def __init__(self, password: SecretRef | None = None) -> None:
        self.offered: asyncssh.SSHKey | None = None
        self.lost_by: BaseException | None = None
        self.on_lost: Callable[[], None] | None = None
        self.greeting = Greeting()
        self._password = password

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        """Start listening to the server's greeting."""
        overhear(conn, self.greeting.hear)

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Keep the key and reject it; asyncssh calls this for keys that are not trusted."""
        self.offered = key
        return False

    async def password_auth_requested(self) -> str | None:
        """Return the password at the first request, then None: a wrong one is not sent again."""
        ref, self._password = self._password, None
        return await secret(ref) if ref is not None else None

    async def kbdint_auth_requested(self) -> str | None:
        """Accept keyboard-interactive login only while the password has not been sent."""
        return "" if self._password is not None else None

    async def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str] | None:
        """Return the password for one hidden question; no answers to an empty challenge."""
        if not prompts:
            return []
        if len(prompts) != 1 or prompts[0][1]:
            return None
        password = await self.password_auth_requested()
        return None if password is None else [password]

    def connection_lost(self, exc: Exception | None) -> None:
        """Record the loss of the connection."""
        self.lost_by = exc
        if self.on_lost is not None:
            self.on_lost()


async def resolve(target: SshTarget, ssh: SshConfig) -> ResolvedTarget:
    """Resolve ``target`` with ssh_config. Raises HostUnreachable if it cannot be used."""
    files = [str(path) for path in map(_path, ssh.config_files) if os.access(path, os.R_OK)]
    chosen: dict[str, Any] = {"config": files}
    if target.user is not None:
        chosen["username"] = target.user
    if target.port is not None:
        chosen["port"] = target.port
    try:
        await asyncio.to_thread(refuse_config, files)
        found = await effective_config(target.address, **chosen)
    except NotTrusted as error:
        raise AuthRefused(target.host, error.message, error.hint) from None
    except (OSError, ValueError) as error:
        raise dial_error(target.host, target.address, _as_config(error), ssh.connect_timeout) from None
    known_hosts = tuple(str(_path(file)) for file in found.known_hosts or ssh.known_hosts)
    known = _known(target, known_hosts, found)
    identities = identity_files(target.identity, found.identities)
    _refuse_keys(target, identities)
    chosen |= _options(target, ssh, found, identities)
    if not found.says("HostKeyAlgorithms"):
        chosen["server_host_key_algs"] = known.algorithms()
    return ResolvedTarget(
        address=found.host,
        port=found.port,
        user=found.user,
        key_name=found.key_name,
        jumps=found.jumps,
        known_hosts=known_hosts,
        known=known,
        identities=identities,
        timeout_s=found.connect_timeout_s or ssh.connect_timeout,
        options=chosen,
    )


def _known(target: SshTarget, files: tuple[str, ...], found: EffectiveConfig) -> KnownKeys:
    try:
        return known_keys(files, found.key_name, "", found.port)
    except NotTrusted as error:
        raise AuthRefused(target.host, error.message, error.hint) from None
    except (OSError, ValueError) as error:
        raise known_hosts_error(target.host, error) from None


def _refuse_keys(target: SshTarget, files: tuple[str, ...]) -> None:
    try:
        refuse_all(files)
    except NotTrusted as error:
        raise AuthRefused(target.host, error.message, error.hint) from None


def _path(text: str) -> Path:
    return Path(text).expanduser()


def _as_config(error: Exception) -> Exception:
    return error if isinstance(error, asyncssh.ConfigParseError) else asyncssh.ConfigParseError(reason_of(error))


def _options(target: SshTarget, ssh: SshConfig, found: EffectiveConfig, identities: tuple[str, ...]) -> dict[str, Any]:
    """Return LilFox's own options, and defaults for those that ssh_config does not set."""
    options: dict[str, Any] = {
        "agent_forwarding": False,
        "x11_forwarding": False,
        "request_pty": False,
        "password_auth": target.password is not None,
        "kbdint_auth": target.password is not None,
        "gss_auth": False,
        "login_timeout": ssh.connect_timeout,
        "connect_timeout": 0,  # none of its own, which may lose a cancellation (asyncio.wait_for): see _connect
        "encoding": None,
    }
    if target.passphrase is not None:
        ref = target.passphrase
        options["passphrase"] = lambda _file: secret(ref)
    else:
        options["ignore_encrypted"] = True
    if target.identity is not None:
        options["client_keys"] = list(identities)
    ours: dict[ConfigWord, dict[str, Any]] = {
        "Ciphers": {"encryption_algs": list(CIPHERS)},
        "ServerAliveInterval": {"keepalive_interval": ssh.keepalive},
        "ServerAliveCountMax": {"keepalive_count_max": ssh.keepalive_max},
    }
    for word, option in ours.items():
        if not found.says(word):
            options |= option
    return options


async def dial(target: SshTarget, ssh: SshConfig) -> tuple[asyncssh.SSHClientConnection, SshClient]:
    """Connect and log in. Raises HostError, which names the jump host if that one failed."""
    resolved = await resolve(target, ssh)
    via = await _through(target, resolved, ssh)
    client = SshClient(target.password)
    done = False
    try:
        if target.passphrase is not None and resolved.identities:
            resolved.options["client_keys"] = await opened_keys(target.host, resolved.identities, target.passphrase)
        connection = await _connect(target, resolved, via, client)
        if via is not None:
            close_with(connection, via)
        done = True
    except asyncssh.HostKeyNotVerifiable as error:
        raise _key_refused(target, resolved, client, error) from None
    except asyncssh.PermissionDenied:
        raise await login_refused(
            resolved.where, target.host, resolved.user, resolved.identities, target.passphrase
        ) from None
    except DIAL_ERRORS as error:
        identity = "" if target.identity is None else str(_path(target.identity))
        raise dial_error(
            target.host, resolved.where, error, resolved.timeout_s, client.greeting, identity=identity
        ) from None
    finally:
        if via is not None and not done:
            via.close()
    return connection, client


async def _connect(
    target: SshTarget, resolved: ResolvedTarget, via: asyncssh.SSHClientConnection | None, client: SshClient
) -> asyncssh.SSHClientConnection:
    async with asyncio.timeout(resolved.timeout_s):
        return await asyncssh.connect(
            target.address,
            tunnel=via or (),
            client_factory=lambda: client,
            known_hosts=_lookup(resolved),
            **resolved.options,
        )


def _lookup(resolved: ResolvedTarget) -> Callable[[str, str, int | None], Any]:
    def look(host: str, address: str, _port: int | None) -> Any:
        known = known_keys(resolved.known_hosts, host, address, resolved.port)
        return known.trusted, known.authorities, known.revoked

    return look


def _key_refused(
    target: SshTarget, resolved: ResolvedTarget, client: SshClient, error: asyncssh.HostKeyNotVerifiable
) -> HostError:
    place = place_of(resolved.key_name, resolved.port)
    if is_of_revoked_key(error):
        key = resolved.known.revoked[0] if len(resolved.known.revoked) == 1 else None
        return key_error(target.host, place, "revoked", key, resolved.known)
    if client.offered is None:
        return HostUnreachable(
            target.host,
            tr("The host certificate of {place} is not accepted: {reason}", place=place, reason=error),
            tr("Check the @cert-authority lines of known_hosts, and whether the certificate has expired."),
        )
    return key_error(target.host, place, resolved.known.verdict(client.offered), client.offered, resolved.known)


async def _through(target: SshTarget, resolved: ResolvedTarget, ssh: SshConfig) -> asyncssh.SSHClientConnection | None:
    """Connect through the jump hosts; return the connection to the last one, None if there are no jump hosts."""
    via: asyncssh.SSHClientConnection | None = None
    for spec in filter(None, resolved.jumps.split(",")):
        hop = target.hop(spec)
        at = await resolve(hop, ssh)
        before = via if via is not None else await _through(hop, at, ssh)
        client = SshClient()
        try:
            via = await _connect(hop, at, before, client)
        except asyncssh.HostKeyNotVerifiable as error:
            raise _key_refused(hop, at, client, error) from None
        except asyncssh.PermissionDenied:
            raise await login_refused(at.where, hop.host, at.user, at.identities, None) from None
        except DIAL_ERRORS as error:
            raise dial_error(hop.host, at.where, error, at.timeout_s, client.greeting) from None
        finally:
            if before is not None and (via is None or via is before):
                before.close()
        if before is not None:
            close_with(via, before)
    return via


async def shown_key(target: SshTarget, ssh: SshConfig) -> tuple[ResolvedTarget, asyncssh.SSHKey]:
    """Return the resolved ``target`` and the host key it presents; no login. Raises HostError."""
    resolved = await resolve(target, ssh)
    via = await _through(target, resolved, ssh)
    client = SshClient()
    try:
        options = {name: resolved.options[name] for name in ("config", "port", "username") if name in resolved.options}
        options.pop("username", None)
        async with asyncio.timeout(resolved.timeout_s):
            key = await asyncssh.get_server_host_key(
                target.address,
                tunnel=via or (),
                server_host_key_algs=resolved.known.algorithms(),
                options=asyncssh.SSHClientConnectionOptions(
                    config=options["config"], connect_timeout=0, client_factory=lambda: client
                ),
                **options,
            )
    except DIAL_ERRORS as error:
        raise dial_error(target.host, resolved.where, error, resolved.timeout_s, client.greeting) from None
    finally:
        if via is not None:
            via.close()
    if key is None:
        raise dial_error(target.host, resolved.where, ConnectionResetError(), resolved.timeout_s)
    return resolved, key


# Asking a host for its key, and adding it to known_hosts after a yes (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).


async def ask_key(name: str, config: HostConfig, ssh: SshConfig) -> OfferedKey:
    """Return the key that the host presents now. Raises HostError."""
    offered, _key, _known = await _offered(name, config, ssh)
    return offered


async def add_key(name: str, config: HostConfig, ssh: SshConfig, fingerprint: str) -> OfferedKey:
    """See :func:`lilfox_tui.hosts.open.trust`."""
    offered, key, known = await _offered(name, config, ssh)
    if offered.known == "trusted" and offered.fingerprint == fingerprint:
        return offered
    if offered.known in ("changed", "revoked"):
        raise key_error(name, offered.place, offered.known, key, known)
    if offered.fingerprint != fingerprint:
        raise HostKeyChanged(
            name,
            tr("{place} now presents {fingerprint}, not the key that was accepted", place=offered.place,
               fingerprint=offered.fingerprint),
            tr("The key was not added to known_hosts. Check the new fingerprint first."),
            fingerprint=offered.fingerprint,
            known=fingerprint,
        )  # fmt: skip
    shown = f"{offered.key_type} {offered.fingerprint}"
    said = Did(text=_("the key of {host} is now trusted: {key}", host=name, key=shown))
    await asyncio.to_thread(record, said)
    _append(name, Path(offered.file), f"{offered.place} {key.export_public_key().decode().strip()}\n")
    return offered


async def _offered(name: str, config: HostConfig, ssh: SshConfig) -> tuple[OfferedKey, asyncssh.SSHKey, KnownKeys]:
    target = SshTarget.of(name, config)
    resolved, key = await shown_key(target, ssh)
    offered = OfferedKey(
        fingerprint=key.get_fingerprint(),
        key_type=key.get_algorithm(),
        known=resolved.known.verdict(key),
        place=place_of(resolved.key_name, resolved.port),
        file=resolved.known_hosts[0],
        known_fingerprints=resolved.known.fingerprints(),
    )
    return offered, key, resolved.known


def _append(host: str, file: Path, line: str) -> None:
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b") as known_hosts:
            size = known_hosts.seek(0, os.SEEK_END)
            ends_a_line = size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"
            known_hosts.write(line.encode() if ends_a_line else b"\n" + line.encode())
            known_hosts.flush()
            os.fsync(descriptor)
    except OSError as error:
        raise FileRefused(
            host, tr("{path} cannot be written: {reason}", path=file, reason=error.strerror or str(error))
        ) from None
