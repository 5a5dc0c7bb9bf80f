"""Read settings from a TOML file and the environment, with errors a person can act on."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tidecast.state.errors import SettingsError
from tidecast.state.settings.root import Settings
from tidecast.state.settings.services import TlsSettings

__all__ = ["load_settings", "parse_settings"]

PREFIX = "TIDECAST_"
ELSEWHERE = {"TIDECAST_REQUIRE_SERVICES", "TIDECAST_SERVICES_DIR", "TIDECAST_SETTINGS"}
SECRETS = {"sasl", "clickhouse", "tls", "checkpoints"}  # a misspelt password is still one
SHOWN = {"mechanism", "host", "port", "user", "database", "ca", "certificate", "verify_host"}


def load_settings(path: Path, environment: Mapping[str, str]) -> Settings:
    """Read ``path`` and overlay ``TIDECAST_TABLE__KEY`` variables.

    Relative paths in the file are relative to the file, and must not leave its folder.

    Raises
    ------
    SettingsError
        When the file is missing, is not TOML, or holds unknown or impossible values.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SettingsError(
            f"no settings file {path}: write one with `tidecast init {path}`"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"settings file {path} cannot be read: {error}") from error
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"settings file {path} is not valid TOML: {error}") from error
    return parse_settings(tables, environment, folder=path.parent, where=str(path))


def parse_settings(
    tables: Mapping[str, Any],
    environment: Mapping[str, str] | None = None,
    folder: Path = Path(),
    where: str = "settings",
) -> Settings:
    """Return settings of TOML-like ``tables``, overlaid with ``environment``.

    Raises
    ------
    SettingsError
        Naming each key, its value and the remedy.
    """
    merged = _overlay(dict(tables), environment or {})
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        raise SettingsError(_explain(error, merged, where)) from None
    return _absolute(settings, folder)


def _overlay(tables: dict[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name in ELSEWHERE:
            continue
        *parents, key = name.removeprefix(PREFIX).lower().split("__")
        if not parents:
            raise SettingsError(
                f"unknown variable {name}: write TIDECAST_TABLE__KEY, "
                "such as TIDECAST_KAFKA__BOOTSTRAP"
            )
        table = tables
        for parent in parents:
            child = table.get(parent, {})
            if not isinstance(child, dict):
                raise SettingsError(f"variable {name} cannot be set: {parent!r} is not a table")
            table[parent] = table = dict(child)
        table[key] = _listed(name, environment[name])
    return tables


def _listed(name: str, text: str) -> object:
    """Return a variable's value: a list where it is written as one in TOML, else the text."""
    if not text.startswith("[") or name.endswith(("PASSWORD", "KEY")):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(
            f"variable {name} is no list: write it as in TOML, such as [0.1, 0.5, 0.9]"
        ) from error


def _explain(error: ValidationError, tables: Mapping[str, Any], where: str) -> str:
    problems = _causes(error)
    lines = [f"{where}: {len(problems)} problem(s)"]
    for problem in problems:
        path = [part for part in problem["loc"] if not str(part).startswith(("function-", "lit"))]
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = f"unknown key: remove it, or mend its spelling{_known(path)}"
        value = "" if problem["type"] == "missing" else _shown(path, tables)
        lines.append(f"  {_dotted(path) or 'settings'}{value}: {message}")
    return "\n".join(lines)


def _causes(error: ValidationError) -> list[ErrorDetails]:
    """Return the problems without those that only follow from others: a list of broken items."""
    problems = error.errors(include_url=False)
    within = {problem["loc"][: len(problem["loc"]) - n] for problem in problems for n in (1, 2)}
    return [p for p in problems if p["type"] != "too_short" or p["loc"] not in within]


def _known(path: list[Any]) -> str:
    fields: Any = Settings
    for part in path[:-1]:
        if isinstance(part, str):
            annotation = fields.model_fields[part].annotation
            fields = next(
                (
                    a
                    for a in (annotation, *getattr(annotation, "__args__", ()))
                    if hasattr(a, "model_fields")
                ),
                None,
            )
            if fields is None:
                return ""
    return f" (known here: {', '.join(fields.model_fields)})"


def _dotted(path: list[Any]) -> str:
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).removeprefix(".")


def _shown(path: list[Any], tables: Any) -> str:
    for part in path:
        try:
            tables = tables[part]
        except (KeyError, IndexError, TypeError):
            return ""
    is_secret = not SECRETS.isdisjoint(path) and path[-1] not in SHOWN
    return "" if is_secret or isinstance(tables, dict | list) else f" = {tables!r}"


def _absolute(settings: Settings, folder: Path) -> Settings:
    """Return ``settings`` with every relative path made one below ``folder``."""
    regions = settings.regions.model_copy(
        update={"table": _below(folder, "regions.table", settings.regions.table)}
    )
    kafka = settings.kafka.model_copy(
        update={"tls": _tls_below(folder, "kafka.tls", settings.kafka.tls)}
    )
    clickhouse = settings.clickhouse.model_copy(
        update={"tls": _tls_below(folder, "clickhouse.tls", settings.clickhouse.tls)}
    )
    covariates = tuple(
        of.model_copy(update={"table": _below(folder, "covariates.table", of.table)})
        for of in settings.covariates
    )
    deep = settings.deep.model_copy(
        update={"models": _below(folder, "deep.models", settings.deep.models)}
    )
    return settings.model_copy(
        update={
            "regions": regions,
            "covariates": covariates,
            "deep": deep,
            "kafka": kafka,
            "clickhouse": clickhouse,
        }
    )


def _tls_below(folder: Path, table: str, tls: TlsSettings | None) -> TlsSettings | None:
    if tls is None:
        return None
    keys = ("ca", "certificate", "key")
    return tls.model_copy(
        update={key: _below(folder, f"{table}.{key}", getattr(tls, key)) for key in keys}
    )


def _below(folder: Path, key: str, path: Path | None) -> Path | None:
    """Return a path of the settings; a relative one must stay in ``folder``, links followed.

    So settings that somebody else wrote read nothing beyond their folder unless they say so in
    full, where one can see it.
    """
    if path is None or path.is_absolute():
        return path
    found = folder / path
    if not found.resolve().is_relative_to(folder.resolve()):
        raise SettingsError(
            f"{key} = {str(path)!r} leads out of {folder.resolve()}: write the whole path, or move "
            "the file beside the settings"
        )
    return found
