"""Reading the atlas: the shipped files, then those of ``atlas.files`` over them, field by field.

Rules
1. A file has ``[smarthosts.NAME]`` and ``[receivers.NAME]`` sections with ``[....limits.ID]`` below.  A later file adds
   entries and limits, or replaces single fields of what is there.
2. A limit that an operator's file touches is the operator's: its source is that file, unless it names one.
3. Every mistake is told, with its file and place; the atlas is used whole or not at all.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from kurir import limits
from kurir.limits import Beyond, Confidence, Margins, Per, Scope, Unit, contradictions, in_order
from kurir.model.told import told

from .mistakes import ConfigError, Mistake, did_you_mean, mistake_of
from .units import Octets

_SHIPPED = ("providers", "receivers")
_KINDS = ("smarthosts", "receivers")
# What may be limited in which way; everything else can never be counted.
_SENSE: Mapping[Per, frozenset[Unit]] = {
    Per.MESSAGE: frozenset({Unit.RECIPIENTS, Unit.OCTETS}),
    Per.CONNECTION: frozenset({Unit.MESSAGES}),
    Per.ONCE: frozenset({Unit.CONNECTIONS}),
}
_IN_TIME = frozenset(Unit)


def _host(text: str, *, dots: bool = True) -> str:
    name = text.removeprefix("*.")
    whole = "." in name or (name == text and not dots)
    if not name or "*" in name or name != name.strip() or name.startswith(".") or not whole:
        raise ValueError(told('{text!r} is no host; write "mail.example.org" or "*.example.org"', text=text))
    return text.lower().rstrip(".")


def _next_hop(text: str) -> str:
    """A host as it stands in the URL of a road: one of the own network (``relay``) has no dot."""
    return _host(text, dots=False)


HostPattern = Annotated[str, AfterValidator(_host)]
NextHopPattern = Annotated[str, AfterValidator(_next_hop)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Noted(_Part):
    """What may have a note, in English and in Indonesian."""

    note: str = ""
    note_id: str = ""

    @model_validator(mode="after")
    def _both(self) -> Self:
        if self.note_id and not self.note:
            raise ValueError(told("note_id says a note in Indonesian; write the note itself, too: note"))
        return self


class LimitPart(_Noted):
    """One limit."""

    unit: Unit
    value: Octets = Field(gt=0)
    per: Per
    scope: Scope
    beyond: Beyond
    source: str = Field(min_length=1)
    seen: date
    confidence: Confidence
    plan: str = ""
    encoded: bool = True
    off: bool = False

    @model_validator(mode="after")
    def _sense(self) -> "LimitPart":
        allowed = _SENSE.get(self.per, _IN_TIME)
        if self.unit not in allowed:
            raise ValueError(
                told(
                    "{unit} per {per} makes no sense: {allowed}",
                    unit=self.unit.value,
                    per=self.per.value,
                    allowed=", ".join(sorted(u.value for u in allowed)),
                )
            )
        return self


class SpfPart(_Part):
    """The names by which SPF records include a service, and who says so."""

    names: list[HostPattern] = Field(min_length=1)
    source: str = Field(min_length=1)
    seen: date
    confidence: Confidence


class AccessPart(_Part):
    """One door."""

    port: int = Field(ge=1, le=65535)
    tls: Literal["implicit", "starttls"]
    auth: list[Literal["password", "app-password", "oauth2"]] = []
    host: str = ""


class EntryPart(_Noted):
    """What both kinds of entries have."""

    label: str
    hosts: list[HostPattern]
    after: list[str] = []
    limits: dict[str, LimitPart] = {}


class SmarthostPart(EntryPart):
    """A service; without hosts it is found only where a road names it."""

    hosts: list[NextHopPattern] = []
    logins: list[HostPattern] = []
    spf: SpfPart | None = None
    access: list[AccessPart] = []
    plans: list[str] = []
    assumed: str = ""

    @model_validator(mode="after")
    def _plans(self) -> "SmarthostPart":
        named = [self.assumed, *(x.plan for x in self.limits.values())]
        unknown = sorted({p for p in named if p and p not in self.plans})
        if unknown:
            raise ValueError(
                told(
                    "there is no plan {plan!r}; plans: {plans}",
                    plan=unknown[0],
                    plans=", ".join(self.plans) or "-",
                )
            )
        return self


class ReceiverPart(EntryPart):
    """A receiver."""

    hosts: list[HostPattern] = Field(min_length=1)
    tls: Literal["", "require"] = ""


class AtlasFile(_Part):
    """All files together."""

    smarthosts: dict[str, SmarthostPart] = {}
    receivers: dict[str, ReceiverPart] = {}


def load_atlas(paths: Sequence[Path] = (), margins: Margins | None = None) -> limits.Atlas:
    """Return the shipped atlas with the files of the operator over it.  Raises `ConfigError` with all mistakes."""
    mistakes: list[Mistake] = []
    data: dict[str, Any] = {}
    for shipped in _shipped():
        _lay(data, shipped)
    owns: dict[Path, dict[str, Any]] = {}
    for path in paths:
        own = _read(path, mistakes)
        if own is not None:
            owns[path] = own
            _sign(own, path)
            _lay(data, own)
    within: list[Mistake] = []
    atlas = _atlas(data, within, margins or Margins())
    mistakes += [_in_file(mistake, owns) for mistake in within]
    if mistakes:
        raise ConfigError("atlas", mistakes)
    assert atlas is not None
    return atlas


def _in_file(mistake: Mistake, owns: Mapping[Path, dict[str, Any]]) -> Mistake:
    """Return a mistake with the file that it stands in: the one that says most of its place, of several the last."""
    depths = [(_depth(own, mistake.where.split(".")), i, path) for i, (path, own) in enumerate(owns.items())]
    depth, _, path = max(depths, default=(0, 0, None))
    return replace(mistake, file=str(path)) if depth > 1 else mistake


def _depth(data: Any, place: Sequence[str]) -> int:
    """Return how many steps of `place` there are in `data`."""
    for depth, step in enumerate(place):
        if not isinstance(data, dict) or step not in data:
            return depth
        data = data[step]
    return len(place)


@cache
def _shipped() -> tuple[dict[str, Any], ...]:
    return tuple(
        tomllib.loads(file.read_text("utf-8"))
        for folder in _SHIPPED
        for file in sorted((files("kurir.limits") / folder).iterdir(), key=lambda f: f.name)
        if file.name.endswith(".toml")
    )


def _read(path: Path, mistakes: list[Mistake]) -> dict[str, Any] | None:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as e:
        mistakes.append(Mistake(str(path), told("cannot be read: {strerror}", strerror=e.strerror)))
    except UnicodeDecodeError as e:
        mistakes.append(Mistake(str(path), told("is not UTF-8 text (octet {start})", start=e.start)))
    except tomllib.TOMLDecodeError as e:
        mistakes.append(Mistake(str(path), told("is not valid TOML: {why}", why=e)))
    return None


def _sign(data: dict[str, Any], path: Path) -> None:
    """Put the operator's name and the date of his file under each limit and SPF name in it that names nobody else."""
    written = datetime.fromtimestamp(path.stat().st_mtime, UTC).date()
    for said in _sourced(data):
        said.setdefault("source", str(path))
        said.setdefault("confidence", Confidence.OPERATOR.value)
        said.setdefault("seen", written)


def _sourced(data: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what has a source: limits, and the SPF names of a service."""
    for kind in _KINDS:
        entries = data.get(kind)
        for entry in entries.values() if isinstance(entries, dict) else ():
            of_entry = entry.get("limits") if isinstance(entry, dict) else None
            spf = entry.get("spf") if isinstance(entry, dict) else None
            for said in (spf, *(of_entry.values() if isinstance(of_entry, dict) else ())):
                if isinstance(said, dict):
                    yield said


def _lay(below: dict[str, Any], above: Mapping[str, Any]) -> None:
    for key, value in above.items():
        under = below.get(key)
        if isinstance(value, Mapping):
            if not isinstance(under, dict):
                under = below[key] = {}
            _lay(under, value)
        else:
            below[key] = value
    if isinstance(above.get("note"), str):  # another note, which the Indonesian one below does not say
        below["note_id"] = above.get("note_id", "")


def _atlas(data: dict[str, Any], mistakes: list[Mistake], margins: Margins) -> limits.Atlas | None:
    try:
        parsed = AtlasFile.model_validate(data)
    except ValidationError as e:
        mistakes += _mistakes([dict(err) for err in e.errors()])
        return None
    smarthosts = {n: _smarthost(n, p) for n, p in parsed.smarthosts.items()}
    receivers = {n: _receiver(n, p) for n, p in parsed.receivers.items()}
    for kind, entries in (("smarthosts", smarthosts), ("receivers", receivers)):
        for wrong in contradictions(list(entries.values())):
            mistakes.append(Mistake(f"{kind}.{wrong.entry}", wrong.what, wrong.hint))
    return limits.Atlas(
        tuple(smarthosts[n] for n in in_order(smarthosts.values())),
        tuple(receivers[n] for n in in_order(receivers.values())),
        margins,
    )


def _mistake(error: dict[str, Any]) -> Mistake:
    """Where parts of an entry or a limit are missing, its name may be a slip for one that is there."""
    place = [str(p) for p in error["loc"]]
    if error["type"] == "missing" and len(place) == 3:
        return _new(place, [n for shipped in _shipped() for n in shipped.get(place[0], ())])
    if error["type"] == "missing" and len(place) == 5:
        entries = [shipped.get(place[0], {}).get(place[1], {}) for shipped in _shipped()]
        return _new(place, [n for entry in entries for n in entry.get("limits", ())])
    return mistake_of(error, AtlasFile)


def _new(place: list[str], known: list[str]) -> Mistake:
    what = told("is not in the atlas, and what makes a new one is missing: {key}", key=place[-1])
    return Mistake(".".join(place[:-1]), what, did_you_mean(place[-2], known))


def _mistakes(errors: Sequence[dict[str, Any]]) -> list[Mistake]:
    """Tell a new name once, though everything of it is missing, and nothing of what stands below it."""
    found: dict[tuple[object, ...], Mistake] = {}
    new = {tuple(e["loc"][:-1]) for e in errors if e["type"] == "missing"}
    for i, error in enumerate(errors):
        place = tuple(error["loc"][:-1]) if error["type"] == "missing" else (i,)
        if place[:2] not in new or place == place[:2]:
            found.setdefault(place, _mistake(error))
    return list(found.values())


def _smarthost(name: str, part: SmarthostPart) -> limits.Smarthost:
    return limits.Smarthost(
        name=name,
        label=part.label,
        hosts=tuple(part.hosts),
        after=tuple(part.after),
        limits=_of(part),
        note=part.note,
        note_id=part.note_id,
        logins=tuple(part.logins),
        spf=_includes(part.spf),
        access=tuple(limits.Access(a.port, a.tls, tuple(a.auth), a.host) for a in part.access),
        plans=tuple(part.plans),
        assumed=part.assumed,
    )


def _includes(part: SpfPart | None) -> limits.Includes | None:
    if part is None:
        return None
    return limits.Includes(tuple(part.names), part.source, part.seen.isoformat(), part.confidence)


def _receiver(name: str, part: ReceiverPart) -> limits.Receiver:
    return limits.Receiver(
        name=name,
        label=part.label,
        hosts=tuple(part.hosts),
        after=tuple(part.after),
        limits=_of(part),
        note=part.note,
        note_id=part.note_id,
        tls=part.tls,
    )


def _of(part: EntryPart) -> tuple[limits.Limit, ...]:
    return tuple(
        limits.Limit(
            id=id,
            unit=x.unit,
            value=x.value,
            per=x.per,
            scope=x.scope,
            beyond=x.beyond,
            source=x.source,
            seen=x.seen.isoformat(),
            confidence=x.confidence,
            plan=x.plan,
            encoded=x.encoded,
            note=x.note,
            note_id=x.note_id,
        )
        for id, x in part.limits.items()
        if not x.off
    )
