"""Checks that need more than one value: what is well-formed and still cannot work."""

import difflib
import ipaddress
from collections.abc import Iterator, Mapping
from pathlib import Path

from antiphon.config.schema import ENGINE_KINDS, NO_ENGINE, STAGES, EngineSettings, Settings
from antiphon.config.sources import KeyPath, Problem, Value
from antiphon.engines import plugins


def check(settings: Settings, values: Mapping[KeyPath, Value], *, has_keys: bool) -> list[Problem]:
    """Return what is wrong with well-formed settings."""
    problems = [*_check_reach(settings, values, has_keys), *_check_tls(settings, values)]
    problems += _check_engines(settings, values)
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


def _place(values: Mapping[KeyPath, Value], path: KeyPath) -> str:
    found = values.get(path)
    return found.place if found else f"default of {'.'.join(path)}"
