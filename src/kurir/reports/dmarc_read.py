"""Reads DMARC aggregate reports of any age, from anybody (RFC 9990, RFC 7489 appendix C).

Strict where a report could do harm, and lenient where reporters are careless: a document type, an entity or a
value beyond the limits ends reading, but names are compared without namespace and case, and unknown elements are
passed over.  Elements are forgotten as soon as their record is complete.
"""

import ipaddress
import re
from xml.parsers import expat

from kurir.message import disarm
from kurir.model.told import told

from .dmarc_aggregate import AggregateReport, AuthResult, PublishedPolicy, Row
from .unpacking import ReportError, ReportLimits, unpack

_DEFAULT = ReportLimits()
_NUMBER = re.compile(r"[0-9]{1,10}")  # messages of a day, so that no sum of them runs over
_SECONDS = re.compile(r"[0-9]{1,11}")  # epoch seconds, so that a calendar has the day
_PIECE = 64 * 1024  # octets that the parser gets at once
# One widespread program puts the start tag of the schema in front of the report, and no end tag.
_SCHEMA = re.compile(rb"<xs:schema\s[^>]*+>")
_BOM_OR_BLANK = b"\xef\xbb\xbf \t\r\n"


def read_aggregate(data: bytes, limits: ReportLimits = _DEFAULT) -> AggregateReport:
    """Read one report, packed or not.  Raises `ReportError` only; time and memory are bounded by `limits`."""
    text = unpack(data, limits).lstrip(_BOM_OR_BLANK)
    if not text.startswith(b"<"):
        raise ReportError(told("this is no XML"))
    faults: tuple[str, ...] = ()
    schema = _SCHEMA.search(text, 0, 4096)
    if schema and b"</xs:schema" not in text:
        text, faults = (
            text[: schema.start()] + text[schema.end() :],
            ("a schema was opened and never closed",),
        )
    try:
        return _Builder(limits, faults).read(text)
    except _BadOctets:
        # Some reporters write Latin-1 and call it UTF-8: one value is unreadable then, not the report.
        mended = text.decode("utf-8", "replace").encode()
        return _Builder(limits, (*faults, "the text was not valid UTF-8")).read(mended)


class _BadOctets(Exception):
    pass


class _Element:
    __slots__ = ("children", "name", "text")

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = ""
        self.children: list[_Element] = []

    def all(self, name: str) -> "list[_Element]":
        return [child for child in self.children if child.name == name]

    def at(self, path: str) -> "_Element":
        """The first element at `path`; an empty one where there is none."""
        element = self
        for name in path.split("/"):
            found = next((child for child in element.children if child.name == name), None)
            if found is None:
                return _Element(name)
            element = found
        return element

    def value(self, path: str) -> str:
        return disarm(self.at(path).text).strip()

    def word(self, path: str) -> str:
        return self.value(path).lower()


class _Builder:
    def __init__(self, limits: ReportLimits, faults: tuple[str, ...] = ()) -> None:
        self._limits = limits
        self._faults = list(faults)
        self._stack: list[_Element] = []
        self._elements = 0
        self._held = self._held_outside = 0
        self._rows: list[Row] = []
        self._root = _Element("")
        self._namespace = ""

    def read(self, text: bytes) -> AggregateReport:
        parser = expat.ParserCreate(namespace_separator="\x01")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = self._refuse
        parser.EntityDeclHandler = self._refuse
        try:
            for at in range(0, len(text), _PIECE):
                parser.Parse(text[at : at + _PIECE], False)
                # A tag that does not end would be kept whole, with any number of attributes.
                if at + _PIECE - parser.CurrentByteIndex > self._limits.tag + _PIECE:
                    raise ReportError(told("a tag is longer than {limit} octets", limit=self._limits.tag))
            parser.Parse(b"", True)
        except expat.ExpatError as e:
            words = expat.ErrorString(e.code)
            if words == "not well-formed (invalid token)" and not _is_utf8(text):
                raise _BadOctets from None
            raise ReportError(
                told("the XML is broken in line {line}: {why}", line=e.lineno, why=words)
            ) from None
        except (ValueError, LookupError) as e:  # an encoding that does not exist
            if isinstance(e, ReportError):
                raise
            raise ReportError(told("the XML cannot be read: {why}", why=e)) from None
        return self._report()

    def _refuse(self, *_: object) -> None:
        raise ReportError(told("the XML declares a document type or entities, which no report needs"))

    def _start(self, tag: str, _: dict[str, str]) -> None:
        namespace, _sep, name = tag.rpartition("\x01")
        self._elements += 1
        if self._elements > self._limits.elements:
            raise ReportError(told("more than {limit} elements", limit=self._limits.elements))
        if name.lower() == "record" and len(self._stack) == 1:
            self._held_outside = self._held
        self._held += 1
        if self._held > self._limits.held:
            raise ReportError(told("more than {limit} elements in one place", limit=self._limits.held))
        if len(self._stack) >= self._limits.depth:
            raise ReportError(told("elements nested deeper than {limit}", limit=self._limits.depth))
        element = _Element(name.lower()[:100])
        if self._stack:
            # What hangs directly below the root is few; records are taken away when they end.
            self._stack[-1].children.append(element)
        else:
            self._root, self._namespace = element, namespace[:200]
        self._stack.append(element)

    def _characters(self, text: str) -> None:
        if self._stack:
            element = self._stack[-1]
            room = self._limits.text - len(element.text)
            if room > 0:
                element.text += text[:room]

    def _end(self, _: str) -> None:
        element = self._stack.pop()
        if element.name == "record" and len(self._stack) == 1:
            self._stack[0].children.pop()
            self._held = self._held_outside
            if len(self._rows) >= self._limits.rows:
                raise ReportError(told("more than {limit} records", limit=self._limits.rows))
            self._rows.append(self._row(element))

    def _row(self, record: _Element) -> Row:
        source = record.value("row/source_ip")
        try:
            source = str(ipaddress.ip_address(source))
        except ValueError:
            self._fault(f"{source[:60]!r} is no IP address")
        count = record.value("row/count")
        if not _NUMBER.fullmatch(count):
            self._fault(f"{count[:60]!r} is no number of messages")
        evaluated = record.at("row/policy_evaluated")
        # Drafts wrote "identities"; the oldest put the results beside the row.
        names = record.at("identifiers") if record.all("identifiers") else record.at("identities")
        results = record.at("auth_results")
        return Row(
            source,
            int(count) if _NUMBER.fullmatch(count) else 0,
            evaluated.word("disposition"),
            evaluated.word("dkim"),
            evaluated.word("spf"),
            names.word("header_from"),
            names.word("envelope_from"),
            names.word("envelope_to"),
            tuple((reason.word("type"), reason.value("comment")) for reason in evaluated.all("reason")),
            tuple(_auth(result) for result in results.all("dkim")),
            tuple(_auth(result) for result in results.all("spf")),
        )

    def _report(self) -> AggregateReport:
        root = self._root
        if root.name != "feedback":
            raise ReportError(told("this is no DMARC report, it begins with <{name}>", name=root.name[:40]))
        metadata, policy = root.at("report_metadata"), root.at("policy_published")
        if not policy.value("domain"):
            raise ReportError(told("the report does not say for which domain it is"))
        if not self._rows:
            self._fault("the report has no records")
        return AggregateReport(
            metadata.value("org_name"),
            metadata.value("email"),
            metadata.value("report_id"),
            self._time(metadata.value("date_range/begin")),
            self._time(metadata.value("date_range/end")),
            PublishedPolicy(
                domain=policy.word("domain"),
                p=policy.word("p"),
                sp=policy.word("sp"),
                np=policy.word("np"),
                adkim=policy.word("adkim"),
                aspf=policy.word("aspf"),
                testing=policy.word("testing"),
                discovery=policy.word("discovery_method"),
                fo=policy.word("fo"),
                pct=policy.word("pct"),
            ),
            tuple(self._rows),
            metadata.value("extra_contact_info"),
            metadata.value("generator"),
            tuple(disarm(error.text).strip() for error in metadata.all("error"))[:20],
            self._namespace,
            tuple(self._faults),
        )

    def _time(self, text: str) -> int:
        if _SECONDS.fullmatch(text):
            return int(text)
        self._fault(f"{text[:60]!r} is no time")
        return 0

    def _fault(self, words: str) -> None:
        if len(self._faults) < 20:
            self._faults.append(words)


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _auth(result: _Element) -> AuthResult:
    return AuthResult(
        result.word("domain"),
        result.word("result"),
        result.value("selector"),
        result.word("scope"),
        result.value("human_result"),
    )
