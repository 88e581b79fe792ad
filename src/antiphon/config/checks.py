"""Checks that need more than one value: what is well-formed and still cannot work."""

import difflib
import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from antiphon.config.profiles import plan
from antiphon.config.schema import (
    ENGINE_KINDS,
    NO_ENGINE,
    STAGES,
    EngineSettings,
    QuotaSettings,
    Settings,
)
from antiphon.config.sources import KeyPath, Problem, Value
from antiphon.config.voices import speaker, unspoken
from antiphon.core.reach import is_pattern
from antiphon.engines import plugins


@dataclass(frozen=True, slots=True)
class Keys:
    """What is known of the keys that are accepted."""

    exist: bool
    names: frozenset[str]


def check(settings: Settings, values: Mapping[KeyPath, Value], keys: Keys) -> list[Problem]:
    """Return what is wrong with well-formed settings."""
    problems = [*_check_reach(settings, values, keys.exist), *_check_tls(settings, values)]
    problems += _check_engines(settings, values)
    problems += _check_limits(settings, values, keys)
    problems += _check_voices(settings, values)
    problems += _check_mcp(settings, values)
    problems += _check_usage(settings, values)
    return problems


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _check_reach(
    settings: Settings, values: Mapping[KeyPath, Value], has_keys: bool
) -> Iterator[Problem]:
    host = settings.server.host
    if not is_loopback(host) and not has_keys:
        yield Problem(
            f"Listening on '{host}' lets other machines in, and no key is configured: anyone could "
            "use this server. Run `antiphon keys create`, or listen on 127.0.0.1.",
            _place(values, ("server", "host")),
        )
    port, tls_port = settings.server.port, settings.server.tls_port
    if settings.server.tls and port == tls_port and port != 0:
        yield Problem(
            f"`port` and `tls_port` are both {port}. Choose two ports, or set `tls = false`.",
            _place(values, ("server", "tls_port")),
        )


def _check_mcp(settings: Settings, values: Mapping[KeyPath, Value]) -> Iterator[Problem]:
    for each in settings.mcp.allow:
        if not is_pattern(each):
            yield Problem(
                f"`allow`: '{each}' is no host (mcp.example.com, *.example.com, *) and no origin "
                "(http://10.0.0.5:9000).",
                _place(values, ("mcp", "allow")),
            )


def _check_tls(settings: Settings, values: Mapping[KeyPath, Value]) -> Iterator[Problem]:
    given = {
        "tls_certificate": settings.server.tls_certificate,
        "tls_key": settings.server.tls_key,
    }
    absent = [name for name, path in given.items() if path is None]
    if len(absent) == 1:
        other = next(name for name in given if name not in absent)
        yield Problem(
            f"`{other}` needs `{absent[0]}` beside it.", _place(values, ("server", other))
        )
    for name, path in given.items():
        if path is not None and not Path(path).is_file():
            yield Problem(f"`{name}`: there is no file '{path}'.", _place(values, ("server", name)))


def _check_engines(settings: Settings, values: Mapping[KeyPath, Value]) -> Iterator[Problem]:
    for name, deployment in settings.deployments.items():
        for stage in STAGES:
            engine: EngineSettings | None = getattr(deployment, stage)
            if engine is None or (stage == "turn" and engine.engine == NO_ENGINE):
                continue
            installed = plugins.names(ENGINE_KINDS[stage])
            if engine.engine not in installed:
                close = difflib.get_close_matches(engine.engine, installed, n=1)
                hint = f"Did you mean '{close[0]}'?" if close else f"Installed: {installed}."
                yield Problem(
                    f"There is no engine '{engine.engine}' for `{stage}`. {hint}",
                    _place(values, ("deployments", name, stage, "engine")),
                )


def _check_limits(
    settings: Settings, values: Mapping[KeyPath, Value], keys: Keys
) -> Iterator[Problem]:
    from antiphon.runtime.counters import IN_PROCESS, open_storage  # only where limits are set

    limits = settings.limits
    sections: dict[KeyPath, QuotaSettings] = {("limits",): limits}
    sections |= {("limits", "keys", name): each for name, each in limits.keys.items()}
    sections |= {
        ("deployments", name, "limits"): each.limits for name, each in settings.deployments.items()
    }
    for section, quotas in sections.items():
        yield from _check_rates(section, quotas, values)
    for name, each in settings.deployments.items():
        if each.kind == "transcription" and each.limits != QuotaSettings():
            message = "Sessions are counted where they connect, and nobody connects to this one."
            yield Problem(message, _place_of(values, ("deployments", name, "limits")))
    for name in limits.keys:
        if name not in keys.names:
            known = f"Keys with names: {', '.join(sorted(keys.names)) or 'none'}."
            cure = (
                "`antiphon keys create NAME` makes one, and `NAME=sha256:…` in auth.keys names one."
            )
            message = f"There is no key named '{name}'. {known} {cure}"
            yield Problem(message, _place_of(values, ("limits", "keys", name)))
    if limits.storage != IN_PROCESS:
        try:
            open_storage(limits.storage)
        except ValueError as fault:
            yield Problem(f"`storage`: {fault}", _place(values, ("limits", "storage")))


def _check_rates(
    section: KeyPath, quotas: QuotaSettings, values: Mapping[KeyPath, Value]
) -> Iterator[Problem]:
    from antiphon.runtime.quotas import Limits  # takes a moment to import

    for key in ("requests", "tokens"):
        rate: str | None = getattr(quotas, key)
        try:
            Limits.parse(rate, None, None)
        except ValueError:
            yield Problem(
                f"`{key}`: '{rate}' is no limit. Write a whole number and a time, "
                '"60/minute", or several, "20/second; 5000/day". Times: second, minute, hour, '
                "day, month, year.",
                _place(values, (*section, key)),
            )


def _check_usage(settings: Settings, values: Mapping[KeyPath, Value]) -> Iterator[Problem]:
    directory = settings.usage.directory
    if directory is not None and Path(directory).exists() and not Path(directory).is_dir():
        message = f"`directory`: '{directory}' is a file. Name a directory; it is made if need be."
        yield Problem(message, _place(values, ("usage", "directory")))


def _place_of(values: Mapping[KeyPath, Value], section: KeyPath) -> str:
    """Return the place of the first key of a section."""
    found = (each.place for path, each in values.items() if path[: len(section)] == section)
    return next(found, f"default of {'.'.join(section)}")


def _check_voices(settings: Settings, values: Mapping[KeyPath, Value]) -> Iterator[Problem]:
    answers = (each.answer for each in plan(settings))
    engines = frozenset(each[1].name for each in answers if isinstance(each, tuple))
    for name in unspoken(settings.voices, engines):
        wanted = speaker(settings.voices[name])
        place = next(each.place for path, each in values.items() if path[:2] == ("voices", name))
        yield Problem(
            f"No deployment has the engine '{wanted}' for `tts`, which would speak with the voice "
            f"'{name}'. Give one of them that engine, or remove the voice.",
            place,
        )


def _place(values: Mapping[KeyPath, Value], path: KeyPath) -> str:
    found = values.get(path)
    return found.place if found else f"default of {'.'.join(path)}"
