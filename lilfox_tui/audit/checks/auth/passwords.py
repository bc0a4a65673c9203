"""How an application stores its users' passwords. What kind of hash a value is, PostgreSQL itself finds out; no hash
leaves the server."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from msgspec import Struct, convert

from lilfox_tui.audit.checks.postgresql.settings import SERVER, AuditedServer, psql, with_application
from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix, NotKnown
from lilfox_tui.audit.targets.postgresql import Composed
from lilfox_tui.core.i18n import Message, listed, tr

SAMPLED_ROWS = 1000
MOST_COLUMNS = 20
BCRYPT_COST = 10
ROUNDS = 100_000
"""Of PBKDF2 and of SHA-crypt. OWASP asks for 600 000 of PBKDF2; so few as these are from before 2020."""

_NAMES = """
password passwd pwd passphrase passwordhash passwordhashed passworddigest passwordencrypted passwordbcrypt passwdhash
pwdhash passhash pwhash hashedpassword hashedpwd encryptedpassword cryptedpassword userpassword userpasswd userpass
userpwd loginpassword
"""
_OF_USERS = (
    "user|account|member|customer|login|auth|admin|staff|employee|person|people|client|subscriber|profile|identit"
)
_OF_OTHERS = "smtp|imap|mail|ftp|wifi|connection|provider|integration|oauth|device|token|reset|histor|attempt"
_MARKS = """
ldap sso oauth oauth2 oidc saml external disabled locked none null nologin unusable invalid google github microsoft
apple facebook n/a - x pending deleted
"""
_CLASSES = (
    ("mysql", r"{v} ~ '^\*[0-9A-F]{40}$'"),
    ("unusable", r"({v} ~ '^[!*]' OR lower({v}) IN ({marks}))"),
    ("argon2", r"{v} ~* '^(\{[a-z0-9-]+\})?(argon2\$)?\$?argon2(id|i|d)\$'"),
    ("bcrypt", r"{v} ~ '^(\{[A-Za-z0-9-]+\})?(bcrypt\$|bcrypt_sha256\$|\$wp)?\$2[abxy]\$[0-9]{2}\$[./A-Za-z0-9]{53}$'"),
    ("bcrypt", r"{v} ~ '^\$bcrypt-sha256\$v=2,t=2[aby],r=[0-9]{1,2}\$'"),
    ("scrypt", r"{v} ~* '^(\{[a-z0-9-]+\})?(\$?scrypt[:$]|\$7\$|\$s0\$|\$y\$|\$gy\$|(?<=\{scrypt\}))'"),
    ("pbkdf2", r"{v} ~* '^(\{[a-z0-9-]+\})?\$?pbkdf2([_:-]sha[0-9]+)?[$:][0-9]{1,9}\$'"),
    ("sha-crypt", r"{v} ~ '^(\{[A-Za-z0-9-]+\})?\$[56]\$'"),
    ("md5-crypt", r"{v} ~ '^(\{[A-Za-z0-9-]+\})?\$(1|apr1|md5|sha1|NT|3)\$'"),
    ("phpass", r"{v} ~ '^\$[PH]\$'"),
    ("digest", r"{v} ~* '^\{(sha[0-9-]*|md[45])\}'"),
    ("salted-digest", r"{v} ~* '^\{(ssha[0-9-]*|smd5)\}'"),
    ("cleartext", r"{v} ~* '^\{(plain|clear|cleartext|noop)\}'"),
    ("django", r"{v} ~* '^(unsalted_)?(md5|sha1|sha224|sha256|sha384|sha512)\$[^$]*\$[0-9a-f]{32,128}$'"),
    ("hex-32", r"{v} ~* '^[0-9a-f]{32}$'"),
    ("hex-40", r"{v} ~* '^[0-9a-f]{40}$'"),
    ("hex-64", r"{v} ~* '^[0-9a-f]{64}$'"),
    ("des", r"{v} ~ '^[./0-9A-Za-z]{13}$'"),
    ("plain", r"(length({v}) <= 16 OR {v} ~ '\S +\S')"),
)
"""The classes of values, and the condition of each in SQL; the first that holds counts. No hash of a password with its
salt fits into 16 characters."""
_LABELS = {
    "mysql": tr("SHA-1 without a salt (MySQL)"),
    "md5-crypt": tr("MD5 crypt"),
    "phpass": tr("phpass (MD5)"),
    "digest": tr("MD5 or SHA without a salt, in braces"),
    "salted-digest": tr("MD5 or SHA with a salt, in braces"),
    "cleartext": tr("plain text, in braces"),
    "django": tr("one round of MD5 or SHA"),
    "hex-32": tr("32 hex digits without a salt (MD5)"),
    "hex-40": tr("40 hex digits without a salt (SHA-1)"),
    "hex-64": tr("64 hex digits without a salt (SHA-256)"),
    "des": tr("DES crypt or plain text (13 characters)"),
    "plain": tr("plain text"),
}
_UNSALTED = frozenset({"mysql", "hex-32", "hex-40", "hex-64", "plain"})
"""Classes whose values can be hashed again without what only the login knows."""
_GOOD = frozenset({"argon2", "scrypt", "unusable"})


def _literals(words: str) -> str:
    return ", ".join(f"'{word}'" for word in words.split())


def _condition(pattern: str, value: str) -> str:
    return pattern.replace("{v}", value).replace("{marks}", _literals(_MARKS))


_CASE = " ".join(f"WHEN {_condition(pattern, 'v')} THEN '{name}'" for name, pattern in _CLASSES)
_COST = r"""
CASE class WHEN 'bcrypt' THEN coalesce(substring(v from '\$2[abxy]\$([0-9]{2})\$'), substring(v from ',r=([0-9]+)'))
           WHEN 'pbkdf2' THEN substring(lower(v) from '[$:]([0-9]{1,9})\$')
           WHEN 'sha-crypt' THEN coalesce(substring(v from '\$rounds=([0-9]{1,9})\$'), '5000') END::int
"""
_SAMPLE = f"""
SELECT %1$L AS "table", %2$L AS "column", %3$L::bool AS salted, %4$L::bool AS narrow, class, cost, count(*) AS count,
       count(DISTINCT v) AS different
  FROM (SELECT v, class, {_COST} AS cost
          FROM (SELECT v, CASE {_CASE} ELSE 'other' END AS class
                  FROM (SELECT %2$s::text AS v FROM %1$s LIMIT {SAMPLED_ROWS}) AS a WHERE v <> '') AS b) AS c
 GROUP BY class, cost
"""  # noqa: S608  # our own words
_WITHOUT = """
SELECT %1$L AS "table", %2$L AS "column", %3$L::bool AS salted, %4$L::bool AS narrow, %5$L AS class,
       NULL::int AS cost, 1 AS count, 1 AS different
"""
_COLUMNS = f"""
SELECT format('%I.%I', n.nspname, c.relname) AS name, quote_ident(a.attname) AS attribute,
       EXISTS (SELECT FROM pg_attribute o WHERE o.attrelid = c.oid AND o.attnum > 0 AND o.attname ~* 'salt') AS salted,
       a.atttypmod BETWEEN 0 AND 63 AS narrow, t.typcategory = 'S' AS text,
       has_schema_privilege(n.oid, 'USAGE') AND has_column_privilege(c.oid, a.attnum, 'SELECT') AS readable,
       row_security_active(c.oid) AS filtered
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_type t ON t.oid = a.atttypid
 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' AND a.attnum > 0
   AND NOT a.attisdropped AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
   AND NOT EXISTS (SELECT FROM pg_depend d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
   AND (t.typcategory = 'S' OR t.typname = 'bytea')
   AND replace(lower(a.attname), '_', '') IN ({_literals(_NAMES)})
   AND (c.relname ~* '{_OF_USERS}' OR a.attname ~* 'hash|digest|crypt') AND c.relname !~* '{_OF_OTHERS}'
 ORDER BY 1, 2 LIMIT {MOST_COLUMNS}
"""  # noqa: S608  # our own words
_HASHES = Composed(
    f"""
    SELECT coalesce(string_agg(
             CASE WHEN readable AND text AND NOT filtered
                  THEN format($lilfox_t${_SAMPLE}$lilfox_t$, name, attribute, salted, narrow)
                  ELSE format($lilfox_t${_WITHOUT}$lilfox_t$, name, attribute, salted, narrow,
                              CASE WHEN NOT readable THEN 'hidden' WHEN filtered THEN 'filtered' ELSE 'other' END) END,
             ' UNION ALL ' ORDER BY name, attribute), 'SELECT WHERE false')
      FROM ({_COLUMNS}) AS columns
    """  # noqa: S608  # our own words
)


class StoredHashes(Struct, frozen=True):
    """How many values of a class a column has, and how many different ones; ``cost`` is that of bcrypt, or the rounds.
    The names are quoted as SQL needs it. ``salted``: the table has a column for salts; ``narrow``: the column is too
    short for bcrypt. The classes ``hidden`` and ``filtered`` stand for a column that the role may not
    read, or of which a policy shows it only some rows."""

    table: str
    column: str
    salted: bool
    narrow: bool
    kind: str
    cost: int | None
    count: int
    different: int

    @property
    def name(self) -> str:
        """The column with its table."""
        return f"{self.table}.{self.column}"

    @property
    def cheap(self) -> bool:
        """Whether the kind is good, and its cost too low."""
        if self.cost is None:
            return False
        return self.cost < (BCRYPT_COST if self.kind == "bcrypt" else ROUNDS)

    @property
    def unclear(self) -> bool:
        """Whether the values may be weak or not: what the salt in another column was used for is not known, and one
        short word in all rows may be a mark."""
        if self.kind == "plain" or self.kind == "des":
            return self.different < 2
        return self.kind == "other" or (self.kind.startswith("hex-") and self.salted)

    @property
    def weak(self) -> Message | None:
        """What the weak values are."""
        if self.unclear:
            return None
        if self.cheap and self.kind == "bcrypt":
            return tr("bcrypt with cost {cost}", cost=self.cost)
        if self.cheap:
            name = {"pbkdf2": "PBKDF2", "sha-crypt": "SHA-crypt"}[self.kind]
            return tr("{name} with {count} rounds", name=name, count=self.cost)
        return _LABELS.get(self.kind)


def parse_hashes(rows: list[Any]) -> list[StoredHashes]:
    """The classes of each column, the most frequent first."""
    kinds = {*_LABELS, *_GOOD, "bcrypt", "pbkdf2", "sha-crypt", "other", "hidden", "filtered"}
    found = [convert({**row, "kind": row["class"]}, StoredHashes) for row in rows]
    if not kinds.issuperset(each.kind for each in found):
        raise ValueError
    return sorted(found, key=lambda each: (each.name, -each.count))


HASHES = Fact("password-hashes", _HASHES, parse_hashes)


def judge_hashes(facts: Facts) -> Iterator[AuditFinding]:
    """Columns with hashes that are cheap to guess, or with none at all."""
    server, hashes = with_application(facts), facts[HASHES]
    if not hashes:
        raise Absent
    for name, group in groupby(hashes, lambda each: each.name):
        column = list(group)
        told = {each: each.weak for each in column}
        weak = {each: label for each, label in told.items() if label is not None}
        if weak:
            counts = [f"{each.count} × {label}" for each, label in weak.items()]
            evidence = tr(
                "{column}: of {sampled} values read: {counts}",
                column=name, sampled=sum(each.count for each in column), counts=listed(counts),
            )  # fmt: skip
            severity = AuditSeverity.MEDIUM if all(each.cheap for each in weak) else None
            yield AuditFinding(name, evidence, _fix(list(weak), server), severity)
    _raise_unknown(hashes, server)


def _raise_unknown(hashes: Sequence[StoredHashes], server: AuditedServer) -> None:
    role = server.role if re.fullmatch(r"[a-z_][a-z0-9_]*", server.role) else f'"{server.role}"'
    grants = {
        each.name: f"ALTER ROLE {role} BYPASSRLS"
        if each.kind == "filtered"
        else f"GRANT SELECT ({each.column}) ON {each.table} TO {role}"
        for each in hashes
        if each.kind in ("hidden", "filtered")
    }
    if grants:
        wanted = "; ".join(dict.fromkeys(grants.values()))
        raise NotKnown(
            tr("the role may not read all rows of {columns}: {grants}", columns=listed(grants), grants=wanted)
        )
    if unclear := [each for each in hashes if each.unclear]:
        names = dict.fromkeys(each.name for each in unclear)
        raise NotKnown(
            tr("{columns}: values in a format that LilFox does not know; check how the application hashes passwords",
               columns=listed(names))
        )  # fmt: skip


def _fix(weak: Sequence[StoredHashes], server: AuditedServer) -> Fix:
    again = [each for each in weak if each.kind in _UNSALTED]
    if not again:
        return Fix(
            tr(
                "Rehash each password when its user logs in, with argon2id, bcrypt with cost 12 or PBKDF2-SHA256 with "
                "600000 rounds. Reset the passwords of users who do not log in for a month."
            )
        )
    table, column = again[0].table, again[0].column
    statements = ["CREATE EXTENSION IF NOT EXISTS pgcrypto"]
    if again[0].narrow:
        statements.append(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE text")
    statements += [_hash_again(each) for each in again]
    text = tr(
        "First let the application verify bcrypt: of the password itself where it was plain text, otherwise of its old "
        "hash in hex. Then hash the stored values with the commands, which takes about 0.3 s a row. Salted hashes are "
        "rehashed when their users log in; reset the passwords of users who do not."
    )
    return Fix(text, commands=tuple(psql(each, database=server.database) for each in statements))


def _hash_again(values: StoredHashes) -> str:
    column, patterns = values.column, dict(_CLASSES)
    conditions = [f"{column} <> ''", _condition(patterns[values.kind], column)]
    if values.kind == "plain":
        conditions += [f"NOT {_condition(patterns[name], column)}" for name in ("unusable", "des")]
    new = f"crypt({column}, gen_salt('bf', 12))"
    return f"UPDATE {values.table} SET {column} = {new} WHERE {' AND '.join(conditions)}"  # noqa: S608  # quoted


CHECKS = (
    AuditCheck(
        "password-hashes",
        AuditSeverity.HIGH,
        tr("user passwords are stored in plain text or with weak hashes"),
        tr("Anyone who gets a copy of the table, such as a backup, recovers most passwords within hours."),
        (SERVER, HASHES),
        judge_hashes,
        "https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html",
        target="postgresql",
    ),
)
