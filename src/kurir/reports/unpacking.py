"""Reports come packed: gzip, zip or plain, told apart by their first octets and unpacked up to a limit.

What a file is named or declared as does not count; reporters err there (RFC 9990 section 3.5, RFC 8460 section 5.1).
"""

import io
import zipfile
import zlib
from dataclasses import dataclass

from kurir.model.told import told

_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True, slots=True)
class ReportLimits:
    """What reading one report may cost.

    `packed` and `unpacked` are octets, `entries` files in an archive, `elements` XML elements or JSON values, `held` XML
    elements in memory at once, `tag` octets of one start tag, `rows` records or failure details, `depth` of nesting,
    `text` characters of one value.
    """

    packed: int = 16 * 1024 * 1024
    unpacked: int = 64 * 1024 * 1024
    entries: int = 10
    elements: int = 2_000_000
    held: int = 20_000
    tag: int = 64 * 1024
    rows: int = 100_000
    depth: int = 20
    text: int = 1_000


class ReportError(ValueError):
    """The report cannot be read; `str(e)` says why, in words for a person."""


def unpack(data: bytes, limits: ReportLimits) -> bytes:
    """Return the report inside `data`.  Raises `ReportError`; never unpacks more than `limits.unpacked` octets."""
    if len(data) > limits.packed:
        raise ReportError(told("the report is larger than {limit} octets", limit=limits.packed))
    if data.startswith(_GZIP):
        return _gunzip(data, limits)
    if data.startswith(_ZIP):
        return _unzip(data, limits)
    if len(data) > limits.unpacked:
        raise ReportError(told("the report is larger than {limit} octets", limit=limits.unpacked))
    return data


def _gunzip(data: bytes, limits: ReportLimits) -> bytes:
    reader = zlib.decompressobj(wbits=31)
    try:
        text = reader.decompress(data, limits.unpacked + 1)
    except zlib.error as e:
        raise ReportError(told("the gzip file is damaged: {why}", why=e)) from None
    if len(text) > limits.unpacked:
        raise ReportError(told("the report unpacks to more than {limit} octets", limit=limits.unpacked))
    if not reader.eof:
        raise ReportError(told("the gzip file breaks off"))
    if text.startswith((_GZIP, _ZIP)):
        raise ReportError(told("the gzip file holds another packed file"))
    return text


def _unzip(data: bytes, limits: ReportLimits) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(entries) > limits.entries:
                raise ReportError(told("the zip file holds more than {limit} files", limit=limits.entries))
            if not entries:
                raise ReportError(told("the zip file is empty"))
            first = entries[0]
            if first.flag_bits & 1:
                raise ReportError(told("the zip file is encrypted"))
            if first.compress_type not in _METHODS:
                raise ReportError(told("the zip file is packed in an unusual way"))
            with archive.open(first) as file:
                text = file.read(limits.unpacked + 1)
    except ReportError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError) as e:
        raise ReportError(told("the zip file is damaged: {why}", why=e)) from None
    except (RuntimeError, OverflowError, MemoryError, LookupError, AttributeError) as e:
        # What the library raises for fields that lie varies; none of it may reach the caller.
        raise ReportError(told("the zip file is damaged: {why}", why=type(e).__name__)) from None
    if len(text) > limits.unpacked:
        raise ReportError(told("the report unpacks to more than {limit} octets", limit=limits.unpacked))
    return text
