"""PostgreSQL 17 on a whole host, as an administrator has it: the account ``postgres`` alone gets in (peer
authentication at the socket); people log in as ``deploy``, who may do everything by sudo."""

from __future__ import annotations

from tests.lab.machines import Machine, MachineLab

PROGRAMS = "/usr/lib/postgresql/17/bin"
_PLACE = "/srv/postgresql"
_SETUP = f"""
set -e
useradd --create-home --shell /bin/bash deploy
install -d -m 700 -o deploy -g deploy /home/deploy/.ssh
install -m 600 -o deploy -g deploy /root/.ssh/authorized_keys /home/deploy/.ssh/authorized_keys
echo "deploy ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/deploy
chmod 440 /etc/sudoers.d/deploy
install -d -m 755 -o postgres -g postgres /run/postgresql {_PLACE}
runuser -u postgres -- {PROGRAMS}/initdb -D {_PLACE}/data -A peer --no-sync -E UTF8 --locale=C.UTF-8 >/dev/null
printf "listen_addresses = ''\\nfsync = off\\nshared_buffers = 16MB\\n" >>{_PLACE}/data/postgresql.conf
printf "max_wal_size = 32MB\\nmin_wal_size = 32MB\\nunix_socket_directories = '/run/postgresql'\\n" \
    >>{_PLACE}/data/postgresql.conf
systemd-run --quiet --unit=postgresql-17 --uid=postgres -p KillMode=mixed -p KillSignal=SIGINT \
    {PROGRAMS}/postgres -D {_PLACE}/data
until runuser -u postgres -- {PROGRAMS}/pg_isready -q -h /run/postgresql; do :; done
"""
_STORE = """
set -e
useradd --create-home --shell /usr/sbin/nologin keeper
install -d -m 700 -o keeper -g keeper /home/keeper/.ssh /srv/backup
install -m 600 -o keeper -g keeper /root/.ssh/authorized_keys /home/keeper/.ssh/authorized_keys
"""


class DatabaseHost:
    """A machine with a running server and the database ``lilfox``; ``rows`` of ``users`` are about 120 bytes each."""

    def __init__(self, machine: Machine, *, rows: int = 20_000) -> None:
        self.machine = machine
        machine.ssh(_SETUP)
        self.sql("CREATE DATABASE lilfox", database="postgres")
        self.sql(
            "CREATE TABLE users AS SELECT n AS id, md5(n::text) || md5((n * 7)::text) AS name"
            f" FROM generate_series(1, {rows}) n; ALTER TABLE users ADD PRIMARY KEY (id);"
            " CREATE TABLE notes (id serial PRIMARY KEY, text text); INSERT INTO notes (text) VALUES ('fox')"
        )

    def sql(self, statements: str, database: str = "lilfox") -> str:
        """What psql prints for them, there and as ``postgres``."""
        words = f"{PROGRAMS}/psql -X -q -t -A -v ON_ERROR_STOP=1 -h /run/postgresql -d {database}"
        return self.machine.ssh(f'runuser -u postgres -- {words} -c "{statements}"').strip()

    def databases(self) -> list[str]:
        """Names of all that are no templates."""
        return self.sql("SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1").split()

    def content(self, database: str = "lilfox") -> str:
        """A digest of every row of ``users`` and ``notes``."""
        return self.sql(
            "SELECT (SELECT count(*) || md5(string_agg(u::text, '' ORDER BY id)) FROM users u),"
            " (SELECT count(*) || md5(string_agg(n::text, '' ORDER BY id)) FROM notes n)",
            database,
        )

    def left(self) -> list[str]:
        """What of a backup or a restore is still there: programs, sessions, folders of its own."""
        programs = self.machine.ssh("pgrep -a 'pg_dump|pg_restore|psql' || true").splitlines()
        shells = self.machine.ssh("pgrep -u deploy,postgres -a '^(tar|zstd|sh|dash|cat|sha256sum|sudo)$' || true")
        folders = self.machine.ssh("ls -d /tmp/lilfox-* /var/tmp/lilfox-* 2>/dev/null || true").splitlines()
        sessions = self.sql(
            "SELECT pid, application_name, state FROM pg_stat_activity WHERE backend_type = 'client backend'"
            " AND pid <> pg_backend_pid()",
            "postgres",
        )
        return [*programs, *shells.splitlines(), *folders, *sessions.splitlines()]


def make_store(machine: Machine) -> None:
    """An account ``keeper`` that has SFTP and no shell, and its folder ``/srv/backup``."""
    machine.ssh(_STORE)


def account(lab: MachineLab, machine: Machine, user: str) -> dict[str, object]:
    """The host in a configuration file, reached as ``user``."""
    return {"address": machine.address, "user": user, "identity": str(lab.client_key)}


def client(lab: MachineLab) -> dict[str, object]:
    """The client's side in a configuration file: only this lab's files, short times."""
    return {
        "config_files": [], "known_hosts": [str(lab.known_hosts)], "connect_timeout": "5s", "keepalive": "1s",
        "retry_max": "2s",
    }  # fmt: skip
