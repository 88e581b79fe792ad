"""Turn values by path into typed settings, or into a list of everything that is wrong with them."""

import difflib
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar, cast

import msgspec

from antiphon.config.expectations import explain
from antiphon.config.named import read_prompts, read_voices
from antiphon.config.schema import (
    STAGES,
    AuthSettings,
    DeploymentSettings,
    EngineSettings,
    LimitsSettings,
    McpSettings,
    QuotaSettings,
    ServerSettings,
    Settings,
    UsageSettings,
)
from antiphon.config.sources import KeyPath, Problem, Value

_SECTIONS = ("server", "auth", "limits", "usage", "mcp", "deployments", "prompts", "voices")
_LONGEST_NAME = 128
_LIMITS = "limits"
_KEYS = ("limits", "keys")


_Section = TypeVar(
    "_Section", ServerSettings, AuthSettings, LimitsSettings, UsageSettings, McpSettings
)


class Reader:
    """Builds settings from values; gathers problems instead of stopping at the first."""

    def __init__(self, values: Mapping[KeyPath, Value]) -> None:
        self._values = values
        self.problems: list[Problem] = []

    def read(self) -> Settings:
        """Return the settings; where there are problems they hold what could be read."""
        self._refuse_unknown_sections()
        return Settings(
            server=self._section("server", ServerSettings()),
            auth=self._section("auth", AuthSettings()),
            limits=self._limits(),
            mcp=self._section("mcp", McpSettings()),
            usage=self._section("usage", UsageSettings()),
            deployments={name: self._deployment(name) for name in self._deployment_names()},
            prompts=read_prompts(self._values, self._report),
            voices=read_voices(self._values, self._report),
        )

    def _refuse_unknown_sections(self) -> None:
        for (section, *keys), value in self._values.items():
            if section not in _SECTIONS:
                what = "section" if keys else "key"
                self._report(value, f"Unknown {what} '{section}'.{_suggest(section, _SECTIONS)}")
            elif not keys and value.value != {}:
                self._report(value, f"'{section}' is a section. Write [{section}] above its keys.")

    def _section(self, section: str, defaults: _Section) -> _Section:
        kinds = _kinds(type(defaults))
        read: dict[str, object] = {}
        for path, value in self._values.items():
            if path[0] != section or len(path) == 1 or path[:2] == _KEYS:
                continue
            key = path[1]
            if key not in kinds or len(path) > 2:
                name = ".".join(path)
                self._report(value, f"Unknown key '{name}'.{_suggest(key, kinds)}")
                continue
            self._convert(read, key, value, kinds[key])
        return msgspec.structs.replace(defaults, **read)

    def _limits(self) -> LimitsSettings:
        names = dict.fromkeys(path[2] for path, _ in self._under(_KEYS) if len(path) > len(_KEYS))
        for path, value in self._under(_KEYS):
            if len(path) == len(_KEYS) and value.value != {}:
                self._report(value, "Write [limits.keys.NAME] above the limits of a key.")
        keys = {name: self._quotas((*_KEYS, name)) for name in names}
        return msgspec.structs.replace(self._section("limits", LimitsSettings()), keys=keys)

    def _quotas(self, section: KeyPath) -> QuotaSettings:
        kinds = _kinds(QuotaSettings)
        read: dict[str, object] = {}
        for path, value in self._under(section):
            match path[len(section) :]:
                case (key,) if key in kinds:
                    self._convert(read, key, value, kinds[key])
                case ():
                    if value.value != {}:
                        self._report(value, f"Write [{'.'.join(section)}] above its keys.")
                case (key, *_):
                    name = ".".join(path)
                    self._report(value, f"Unknown key '{name}'.{_suggest(key, kinds)}")
                case _:
                    pass  # every length is named above
        return msgspec.structs.replace(QuotaSettings(), **read)

    def _deployment_names(self) -> Iterator[str]:
        names = dict.fromkeys(
            path[1] for path in self._values if path[0] == "deployments" and len(path) > 1
        )
        for name in names:
            if len(name) > _LONGEST_NAME or not name.isprintable() or not name.strip():
                first = next(self._under(("deployments", name)))[1]
                self._report(first, "A deployment's name has 1 to 128 printable characters.")
            else:
                yield name

    def _deployment(self, name: str) -> DeploymentSettings:
        kinds = _kinds(DeploymentSettings)
        read: dict[str, object] = {}
        for path, value in self._under(("deployments", name)):
            match path[2:]:
                case ():
                    if value.value != {}:
                        self._report(value, f"Write [deployments.{_quoted(name)}] above its keys.")
                case (key,) if key in kinds and key != _LIMITS:
                    self._convert(read, key, value, kinds[key])
                case (key, *_):
                    if key not in (*STAGES, _LIMITS):
                        self._report(value, _unknown_in_deployment(path, key, kinds))
                case _:
                    pass  # every length is named above
        for stage in STAGES:
            read[stage] = self._engine(("deployments", name, stage))
        read[_LIMITS] = self._quotas(("deployments", name, _LIMITS))
        deployment = msgspec.structs.replace(DeploymentSettings(), **read)
        self._check_stages(name, deployment)
        return deployment

    def _engine(self, stage: KeyPath) -> EngineSettings | None:
        found = {path[3]: value for path, value in self._under(stage) if len(path) > len(stage)}
        if not found:
            return None
        engine = found.pop("engine", None)
        if engine is None:
            first = next(iter(found.values()))
            self._report(first, f"'{'.'.join(stage)}' does not say which `engine` it sets.")
            return None
        if not isinstance(engine.value, str) or not engine.value:
            self._report(engine, "Name an engine, or write a table with a key `engine`.")
            return None
        settings = {key: _plain(value) for key, value in found.items()}
        if not _is_json(settings):
            self._report(engine, "Dates and times are no settings of an engine. Write text.")
            return None
        return EngineSettings(engine=engine.value, settings=settings)

    def _check_stages(self, name: str, deployment: DeploymentSettings) -> None:
        place = next(self._under(("deployments", name)))[1]
        if deployment.kind == "transcription":
            unused = [
                each
                for each in (*STAGES, "voice", "silence_duration_ms")
                if each != "stt" and getattr(deployment, each) is not None
            ]
            if unused:
                self._report(
                    place,
                    "A transcription deployment only has `stt` and `like`. Remove: "
                    f"{', '.join(unused)}.",
                )
        elif deployment.like is not None:
            self._report(place, "Only a transcription deployment is `like` a model. Remove it.")
        self._check_languages(place, deployment)
        if deployment.responder is not None and (deployment.llm or deployment.tts):
            self._report(place, "A `responder` answers by itself: remove `llm` and `tts`, or it.")

    def _check_languages(self, place: Value, deployment: DeploymentSettings) -> None:
        if deployment.kind == "translation":
            for name in ("turn", "responder", "silence_duration_ms"):
                if getattr(deployment, name) is not None:
                    cure = "it has `vad`, `noise`, `stt`, `llm`, `tts`, `voice` and `language`"
                    self._report(place, f"A translation deployment has no `{name}`: {cure}.")
        elif deployment.language is not None:
            cure = 'Remove it, or set `kind = "translation"`.'
            self._report(place, f"Only a translation deployment has a `language`. {cure}")

    def _convert(self, into: dict[str, object], key: str, value: Value, kind: object) -> None:
        raw: object = value.value
        if value.is_text and isinstance(raw, str):
            raw = _untyped(raw, kind)
        try:
            into[key] = msgspec.convert(raw, cast("type[object]", kind), strict=not value.is_text)
        except msgspec.ValidationError:
            self._report(value, f"'{key}': {explain(raw, kind)}")

    def _under(self, prefix: KeyPath) -> Iterator[tuple[KeyPath, Value]]:
        length = len(prefix)
        return ((path, value) for path, value in self._values.items() if path[:length] == prefix)

    def _report(self, value: Value, message: str) -> None:
        self.problems.append(Problem(message, value.place))


def _kinds(settings: type[msgspec.Struct]) -> dict[str, object]:
    return {each.name: each.type for each in msgspec.structs.fields(settings)}


def _suggest(name: str, known: Iterable[str]) -> str:
    choices = list(known)
    close = difflib.get_close_matches(name.lower(), choices, n=1)
    return f" Did you mean '{close[0]}'?" if close else f" Known: {', '.join(choices)}."


def _unknown_in_deployment(path: KeyPath, key: str, known: Iterable[str]) -> str:
    if key.isdecimal() or key[:1].isdecimal():
        whole = ".".join(path[1:3])
        return f'A name with a dot needs quotes: write [deployments."{whole}"].'
    return f"Unknown key '{'.'.join(path)}'.{_suggest(key, known)}"


def _quoted(name: str) -> str:
    is_bare = all(each.isascii() and (each.isalnum() or each in "-_") for each in name)
    return name if is_bare else json.dumps(name)


def _untyped(text: str, kind: object) -> object:
    is_list = kind in _LISTS
    return [each.strip() for each in text.split(",") if each.strip()] if is_list else text


_LISTS = [_kinds(AuthSettings)["keys"], _kinds(McpSettings)["allow"]]


def _plain(value: Value) -> object:
    if not value.is_text:
        return value.value
    # The environment has only text; what reads as a TOML value is meant as one.
    try:
        return cast("object", tomllib.loads(f"value = {value.value}")["value"])
    except tomllib.TOMLDecodeError:
        return value.value


def _is_json(settings: object) -> bool:
    match settings:
        case dict():
            return all(map(_is_json, cast("dict[str, object]", settings).values()))
        case list():
            return all(map(_is_json, cast("list[object]", settings)))
        case _:
            return settings is None or isinstance(settings, str | int | float | bool)
