"""Clients of databases: what they ask is judged as what it is."""

from __future__ import annotations

import re

from lilfox_tui.runbook.readers.spec import Call, Context, Spec, Verdict, worst
from lilfox_tui.runbook.readers.sql import only_reads
from lilfox_tui.runbook.shell_values import Argument

_META = re.compile(
    r"\s*\\(?:l|list|conninfo|encoding|copyright|d(?:a|A|b|c|C|d|D|p|E|et|eu|es|ew|f|F|g|i|l|L|m|n|o|O|p|P|rds|Rp|Rs"
    r"|s|t|T|u|v|x"
    r"|X|y)?)[S+]*(?:\s+[A-Za-z0-9_.*?\"]+)?\s*"
)
"""Commands of psql itself that list; a backquote in their arguments would run a program."""
_PLAIN_DATABASE = re.compile(r"[A-Za-z0-9_.@-]+")
_DATABASE_URL = re.compile(
    r"postgres(?:ql)?://[^\s?=\x00-\x1f]*(?:\?(?:sslmode|connect_timeout|application_name"
    r"|target_session_attrs)=[A-Za-z0-9_-]+"
    r"(?:&(?:sslmode|connect_timeout|application_name|target_session_attrs)=[A-Za-z0-9_-]+)*)?"
)
_PAIRS = re.compile(
    r"(?:(?:host|hostaddr|port|dbname|user|password|sslmode|connect_timeout|application_name|target_session_attrs)"
    r"=[A-Za-z0-9_./:@-]*\s*)+"
)


def _psql(call: Call, _context: Context) -> Verdict:
    found: set[Verdict] = set()
    around = [(name, value) for name, value in call.options if name not in ("-c", "--command")]
    if Call(around, call.operands).has_control:
        return "unknown"  # where nobody but another protocol listens, it would be a line of that
    for value in call.values("-c", "--command"):
        text = value.text
        found.add("read" if text is not None and (_META.fullmatch(text) or only_reads(text)) else "unknown")
    for value in (*call.values("-d", "--dbname"), *call.operands[:1]):
        found.add(_database(value))
    return worst(found)


def _database(value: Argument) -> Verdict:
    """A name, or an address that says nothing but where: others say with which settings and libraries."""
    text = value.text
    if text is None:
        return "unknown"
    return "read" if any(each.fullmatch(text) for each in (_PLAIN_DATABASE, _DATABASE_URL, _PAIRS)) else "unknown"


_MYSQL_BEGINS = re.compile(r"\s*(?:show|select|desc|describe|explain\s+select|use\s+[A-Za-z0-9_]+)\b", re.IGNORECASE)
_MYSQL_ACTS = re.compile(  # around a dot a blank makes two names of one that would be looked at as a whole
    r"\b(?:into|outfile|dumpfile|update|share|lock|procedure|benchmark|analyze|handler|next)\b|:=|\s\.|\.\s",
    re.IGNORECASE,
)
_MYSQL_CALL = re.compile(r"(?<![A-Za-z0-9_`.$])([A-Za-z0-9_`.$]++)(\s*+)\(")
_MYSQL_FUNCTIONS = frozenset(
    "count sum min max avg round concat concat_ws now version user current_user database schema length lower upper "
    "left right "
    "substring substr ifnull if coalesce nullif in and or not from where on select exists as using values over "
    "row_number "
    "group_concat date_format date_sub date_add timestampdiff from_unixtime unix_timestamp format truncate floor ceil "
    "abs "
    "cast convert distinct replace trim greatest least json_extract json_unquote hex".split()
) - {"truncate", "replace"}
_MYSQL_WORDS = frozenset("if in and or not from where on select exists as using values over distinct".split())
"""Behind others a blank may make a call of somebody's function of the same name."""


def mysql_only_reads(statement: str) -> bool:
    """False also where it is not known: what the client takes for a command of its own, or makes a comment of."""
    text = statement.rstrip().removesuffix(";").removesuffix("\\G").rstrip()
    if not _MYSQL_BEGINS.match(text) or any(
        mark in text for mark in (";", "\\", "#", "--", "/*", "@@global.", "\n", '"', "$")
    ):
        return False
    if text.count("'") % 2 or text.count("`") % 2:
        return False
    bare = re.sub(r"'[^']*'", "''", text)
    if _MYSQL_ACTS.search(bare) or not bare.isascii():
        return False
    return all(
        name.lower() in (_MYSQL_WORDS if blank else _MYSQL_FUNCTIONS) for name, blank in _MYSQL_CALL.findall(bare)
    )


def _mysql(call: Call, _context: Context) -> Verdict:
    if call.has_control:
        return "unknown"
    texts = [each.text for each in call.values("-e", "--execute")]
    return "read" if all(text is not None and mysql_only_reads(text) for text in texts) else "unknown"


_REDIS = frozenset(
    "PING INFO GET MGET LLEN LRANGE LINDEX DBSIZE TTL PTTL KEYS SCAN HSCAN SSCAN ZSCAN ROLE TYPE EXISTS XLEN XINFO "
    "XRANGE "
    "XREVRANGE XPENDING HGET HGETALL HMGET HKEYS HVALS HLEN HEXISTS SCARD SMEMBERS SISMEMBER SRANDMEMBER ZCARD ZCOUNT "
    "ZRANGE "
    "ZREVRANGE ZRANGEBYSCORE ZSCORE ZRANK STRLEN GETRANGE RANDOMKEY LASTSAVE TIME ECHO".split()
)
_REDIS_PAIRS = frozenset(
    (first, second)
    for first, seconds in {
        "SLOWLOG": "GET LEN", "CLIENT": "LIST INFO ID GETNAME", "CONFIG": "GET", "MEMORY": "USAGE STATS DOCTOR",
        "OBJECT": "ENCODING FREQ IDLETIME REFCOUNT", "LATENCY": "LATEST DOCTOR HISTORY", "MODULE": "LIST",
        "CLUSTER": "INFO NODES SLOTS SHARDS MYID KEYSLOT COUNTKEYSINSLOT", "ACL": "LIST WHOAMI GETUSER USERS CAT",
        "PUBSUB": "CHANNELS NUMSUB NUMPAT", "COMMAND": "COUNT INFO DOCS",
        "SENTINEL": "MASTERS MASTER SLAVES REPLICAS SENTINELS GET-MASTER-ADDR-BY-NAME CKQUORUM",
    }.items()
    for second in seconds.split()
)  # fmt: skip


def _redis(call: Call, context: Context) -> Verdict:
    if call.has_control or call.sends_printed:
        return "unknown"
    if any(not re.fullmatch("[0-9]+", each.text or "0") for each in call.values("-r")):
        return worst({"follow", _redis_command(call, context)})  # -1 has no end
    return _redis_command(call, context)


def _redis_command(call: Call, context: Context) -> Verdict:
    if call.has("--cluster"):  # what stands behind its operand is an option again
        return "read" if len(call.operands) == 1 and not call.operands[0].may_be_option else "unknown"
    if call.has("--bigkeys", "--memkeys", "--hotkeys", "--scan"):
        return "read" if not call.operands else "unknown"
    if call.has("--stat", "--latency", "--latency-history", "--latency-dist", "--intrinsic-latency"):
        return "read" if not call.operands else "unknown"
    if not call.operands:
        return "unknown" if context.fed else "interactive"
    words = [(text or "").upper() for text in call.texts[:2]]
    if words[0] in ("MONITOR", "SUBSCRIBE", "PSUBSCRIBE"):
        return "follow"
    if words[0] in _REDIS or tuple(words) in _REDIS_PAIRS:
        return "read"
    return "unknown" if call.operands[0].text is None else "change"


_CONNECTS = "-h=host -p=port -U=user -d=text -w -W --host=host --port=port --username=user --dbname=text --no-password"
_MYSQL = (
    "-h=host -P=port -u=user -p[=text] -S=path -N -B -s -t -E -A -r -v -C -D=word --host=host --port=port --user=user "
    "--password[=text] --socket=path --batch --skip-column-names --silent --table --vertical --raw --database=word "
    "--connect-timeout=number --protocol=word --no-auto-rehash --ssl-mode=word --ssl-ca=path --compress --verbose"
)

TABLE: dict[str, Spec] = {
    "psql": Spec(
        reads=f"{_CONNECTS} -X -A -t -q -x -a -b -e -1 -E -n -l -V -z -0 -c=text -v=/[A-Za-z_]+=[A-Za-z0-9_.:-]*/ "
        "-P=/[a-z_]+(?:=[A-Za-z0-9_.,:+|-]*)?/ -F=text -R=text --csv --html --no-psqlrc --tuples-only --no-align "
        "--expanded "
        "--quiet --list --version --no-readline --single-transaction --field-separator=text --record-separator=text "
        "--command=text --set=/[A-Za-z_]+=[A-Za-z0-9_.:-]*/ --variable=/[A-Za-z_]+=[A-Za-z0-9_.:-]*/ "
        "--pset=/[a-z_]+(?:=[A-Za-z0-9_.,:+|-]*)?/ --field-separator-zero --record-separator-zero --echo-all "
        "--echo-errors",
        needs="-c --command -l --list -V --version", otherwise="interactive", operands="text word", check=_psql,
    ),
    "pg_isready": Spec(reads="-d=text -h=host -p=port -q -t=number -U=user --dbname=text --host=host --port=port "
        "--quiet "
                       "--timeout=number --username=user"),
    "pg_lsclusters": Spec(reads="-h -j -s --no-header --json"),
    "pg_controldata": Spec(reads="-D=path --pgdata=path", operands="path"),
    "pg_config": Spec(reads="--version --bindir --libdir --sharedir"),
    "patronictl": Spec(
        reads="-c=host-config --config-file=host-config -k", inherits=True,
        subs={"list": Spec(reads="-e -t -f=word --extended --timestamp --format=word", operands="word*"),
              "topology": Spec(operands="word*"), "history": Spec(reads="-f=word --format=word", operands="word*"),
              "show-config": Spec(operands="word*"), "version": Spec(operands="word*")},
    ),
    "repmgr": Spec(
        reads="-f=host-config", permutes=True, inherits=True,
        subs={"cluster": Spec(subs={"show": Spec(reads="--compact"), "event": Spec(), "matrix": Spec()}),
              "node": Spec(subs={"status": Spec(), "check": Spec()}), "service": Spec(subs={"status": Spec()})},
    ),
    "pgbackrest": Spec(reads="--stanza=word --output=word --set=word --repo=number", inherits=True,
                       subs={"info": Spec(), "version": Spec()}),
    "barman": Spec(subs={"list-backups": Spec(operands="word"), "list-backup": Spec(operands="word"),
                         "list-servers": Spec(), "status": Spec(operands="word"), "show-server": Spec(
                             operands="word")}),
    "mysql": Spec(reads=f"{_MYSQL} -e=text --execute=text", needs="-e --execute", otherwise="interactive", operands=
        "word",
                  check=_mysql),
    "mariadb": Spec(reads=f"{_MYSQL} -e=text --execute=text", needs="-e --execute", otherwise="interactive", operands=
        "word",
                    check=_mysql),
    "mysqladmin": Spec(reads=f"{_MYSQL} -i=number -c=number",
                       operands="{status|ping|extended-status|processlist|variables|version}*"),
    "redis-cli": Spec(
        reads="-h=host -p=port -n=number -a=text -u=text -s=path -c -i=number -r=number -2 -3 --user=text --pass=text "
            "--tls "
        "--cacert=path --cert=path --key=path --sni=host --insecure --raw --no-raw --csv --json --no-auth-warning "
        "--bigkeys "
        "--memkeys --hotkeys --scan --pattern=text --count=number --cluster={check|info} --intrinsic-latency=number",
        follows="--stat --latency --latency-history --latency-dist", operands="text*", permutes=False, check=_redis,
    ),
    "memcached-tool": Spec(operands="text {display|stats|settings|sizes}"),
    "mongostat": Spec(
        reads="--host=text --port=number -n=/[1-9][0-9]*/ --rowcount=/[1-9][0-9]*/", needs="-n --rowcount",
        otherwise="follow", operands="number",
    ),
}  # fmt: skip
