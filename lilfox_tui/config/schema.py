"""The configuration's own description: a JSON Schema of the file for editors, and the effective values as YAML."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import yaml
from msgspec import inspect as types

from lilfox_tui.config.checks import SOURCES, STORES
from lilfox_tui.config.foreign import PLANS_BY_KIND
from lilfox_tui.config.model import Config, LogConfig, PlanConfig, StoreConfig
from lilfox_tui.config.probes import SERVICE_PLACES
from lilfox_tui.config.values import Seconds, SecretRef, TemplateText, Wait
from lilfox_tui.core import plugins
from lilfox_tui.core.plugins import BACKENDS, COLLECTORS, LOG_SOURCES, NOTIFIERS
from lilfox_tui.core.text import first_paragraph
from lilfox_tui.redact import redact

_JSON_TYPES: dict[type, str] = {
    types.BoolType: "boolean",
    types.IntType: "integer",
    types.FloatType: "number",
    types.StrType: "string",
    types.NoneType: "null",
    types.AnyType: "object",
}
_CUSTOM: dict[type, dict[str, Any]] = {
    Seconds: {
        "description": "a duration: 500ms, 2s, 5m, 1h, 1d, or a number of seconds",
        "anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": "^[0-9.]+ ?(ms|s|m|h|d)?$"}],
    },
    TemplateText: {"type": "string"},
    Wait: {
        "description": "a duration, or 0s for none",
        "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": "^[0-9.]+ ?(ms|s|m|h|d)?$"}],
    },
    SecretRef: {
        "description": "where a secret is kept: env:NAME, file:PATH or cmd:COMMAND",
        "type": "string",
        "pattern": "^(env|file|cmd):.+",
    },
}


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the configuration file, the collectors' options included."""
    made = _of(types.type_info(Config))
    options = {
        kind: {"anyOf": [{"type": ["boolean", "null"]}, _of(types.type_info(plugins.options_of(COLLECTORS, kind)))]}
        for kind in plugins.kinds(COLLECTORS)
    }
    made["properties"]["collectors"] = {"type": "object", "properties": options, "additionalProperties": False}
    made["properties"]["logs"]["additionalProperties"] = {
        "oneOf": [_of_kind(LOG_SOURCES, kind, LogConfig().kind) for kind in plugins.kinds(LOG_SOURCES)]
    }
    made["properties"]["notifiers"]["additionalProperties"] = {
        "oneOf": [_of_kind(NOTIFIERS, kind, "") for kind in plugins.kinds(NOTIFIERS)]
    }
    made["properties"]["backends"]["additionalProperties"] = {
        "oneOf": [_of_kind(BACKENDS, kind, "") for kind in plugins.kinds(BACKENDS)]
    }
    made["properties"]["services"]["additionalProperties"]["anyOf"] = [{"required": [key]} for key in SERVICE_PLACES]
    backup = made["properties"]["backup"]["properties"]
    backup["stores"]["additionalProperties"] = {
        "oneOf": [_of_kind(STORES, kind, StoreConfig().kind) for kind in plugins.kinds(STORES)]
    }
    plan = _of(types.type_info(PlanConfig))
    plan["properties"]["sources"]["additionalProperties"] = {
        "oneOf": [_of_kind(SOURCES, kind, "") for kind in plugins.kinds(SOURCES)]
    }
    others = [_of(types.type_info(each)) for each in PLANS_BY_KIND.values()]
    backup["plans"]["additionalProperties"] = {"oneOf": [plan, *others]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "LilFox TUI", **made}


def _of_kind(package: str, kind: str, default: str) -> dict[str, Any]:
    """The schema of a plug-in of that kind; ``kind`` itself may be omitted if it is the default."""
    made = _of(types.type_info(plugins.options_of(package, kind)))
    made["properties"]["kind"] = {"const": kind}
    if kind != default:
        made["required"] = ["kind", *(name for name in made.get("required", ()) if name != "kind")]
    return made


def _of(shape: types.Type) -> dict[str, Any]:
    if isinstance(shape, types.StructType):
        made = _of_struct(shape)
        return {"anyOf": [{"type": "string"}, made]} if hasattr(shape.cls, "SHORT") else made
    if isinstance(shape, types.DictType):
        return {"type": ["object", "null"], "propertyNames": _of(shape.key_type)} | {
            "additionalProperties": _of(shape.value_type)
        }
    if isinstance(shape, types.VarTupleType | types.ListType):
        least = {"minItems": shape.min_length} if shape.min_length else {}
        return {"type": "array", "items": _of(shape.item_type)} | least
    if isinstance(shape, types.UnionType):
        return {"anyOf": [_of(option) for option in shape.types]}
    if isinstance(shape, types.CustomType):
        return _CUSTOM[shape.cls]
    if isinstance(shape, types.LiteralType):
        return {"enum": list(shape.values)}
    if isinstance(shape, types.Metadata):
        return _of(shape.type)
    return _of_scalar(shape)


def _of_struct(shape: types.StructType) -> dict[str, Any]:
    made: dict[str, Any] = {"description": first_paragraph(shape.cls.__doc__ or ""), "type": "object"}
    made["properties"] = {field.encode_name: _of_field(field) for field in shape.fields}
    required = [field.encode_name for field in shape.fields if field.required]
    return made | ({"required": required} if required else {}) | {"additionalProperties": False}


def _of_field(field: types.Field) -> dict[str, Any]:
    default = plain(field.default)
    known = isinstance(default, str | int | float | list) and default != []
    return _of(field.type) | ({"default": default} if known else {})


def _of_scalar(shape: types.Type) -> dict[str, Any]:
    limits = {
        "minimum": getattr(shape, "ge", None),
        "maximum": getattr(shape, "le", None),
        "minLength": getattr(shape, "min_length", None),
        "maxLength": getattr(shape, "max_length", None),
        "pattern": getattr(shape, "pattern", None),
    }
    return {"type": _JSON_TYPES[type(shape)]} | {name: limit for name, limit in limits.items() if limit is not None}


def show(config: Config) -> str:
    """The effective configuration as YAML that the loader reads back. Secrets appear as references only."""
    shown = yaml.dump(plain(config), Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=120)
    return str(shown)


class _Dumper(yaml.SafeDumper):
    """Also quotes times of the day, which are numbers in YAML 1.1."""


_Dumper.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[0-9]{1,2}:[0-9]{2}"), list("0123456789"))


def plain(value: Any) -> Any:
    """A part of the configuration as dicts, lists, numbers and text, with the file's names for keys."""
    if isinstance(value, msgspec.Struct):
        return {field.encode_name: plain(getattr(value, field.name)) for field in msgspec.structs.fields(value)}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, SecretRef):
        return str(value)
    if isinstance(value, str):
        return redact(str(value))
    if isinstance(value, float):
        return int(value) if value.is_integer() else float(value)
    return value
