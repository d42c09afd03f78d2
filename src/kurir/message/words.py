"""Header text for human eyes: encoded words decoded, control characters disarmed (RFC 2047, RFC 6532).

For display and search only; nothing is decided by what this returns.  It never raises: an unknown charset or a
broken word stays as it was written.  Charsets come from a closed table, because Python's codec registry also
holds codecs that take quadratic time (``idna``, ``punycode``) and remembers every name it was ever asked for.
"""

import binascii
import re

from .limits import MAX_DISPLAY

_MAX_OCTETS = 32 * 1024  # of one value: more than any display needs

_WORD = re.compile(rb"=\?([A-Za-z0-9_.:-]{1,40})(?:\*[A-Za-z0-9-]{0,40})?\?([BbQq])\?([!->@-~ ]*+)\?=")
_BETWEEN = re.compile(rb"[ \t\r\n]*+\Z")
_HEX = re.compile(rb"=([0-9A-Fa-f]{2})")

# C0, C1, line and paragraph separators, and what steers the direction of text (Trojan source).
_HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

_CHARSETS: dict[str, str] = {
    name: codec
    for codec, names in {
        "utf-8": "utf-8 utf8 unicode-1-1-utf-8 us-ascii ascii ansi_x3.4-1968 646",
        "cp1252": "iso-8859-1 iso8859-1 latin1 latin-1 l1 windows-1252 cp1252 x-ansi default unknown-8bit",
        "cp1254": "iso-8859-9 windows-1254 cp1254 latin5",
        "cp874": "tis-620 iso-8859-11 windows-874 cp874",
        "gb18030": "gb2312 gbk gb18030 cp936 x-gbk euc-cn hz-gb-2312",
        "big5hkscs": "big5 big5-hkscs cn-big5 x-x-big5",
        "cp932": "shift_jis shift-jis sjis x-sjis windows-31j cp932 ms_kanji",
        "cp949": "euc-kr ks_c_5601-1987 ks_c_5601 korean cp949 windows-949",
        "iso2022_jp_2": "iso-2022-jp iso-2022-jp-1 iso-2022-jp-2",
        "iso2022_kr": "iso-2022-kr",
        "euc_jp": "euc-jp x-euc-jp",
        "utf-16": "utf-16 utf16",
        "utf-16-le": "utf-16le",
        "utf-16-be": "utf-16be",
        "utf-7": "utf-7 unicode-1-1-utf-7",
        "koi8-r": "koi8-r koi8",
        "koi8-u": "koi8-u koi8-ru",
        "mac-roman": "macintosh mac x-mac-roman",
        **{f"iso8859-{n}": f"iso-8859-{n} iso8859-{n}" for n in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)},
        **{f"cp{n}": f"windows-{n} cp{n}" for n in (1250, 1251, 1253, 1255, 1256, 1257, 1258)},
        **{f"cp{n}": f"cp{n} ibm{n}" for n in (437, 850, 852, 855, 862, 866)},
    }.items()
    for name in names.split()
} | {"iso-8859-8-i": "iso8859-8"}


def disarm(text: str) -> str:
    """Replace control and direction characters by blanks: the text is one line, and cannot reorder what follows."""
    return text if text.isascii() and text.isprintable() else _HARMFUL.sub(" ", text)


def decode_text(value: bytes, limit: int = MAX_DISPLAY) -> str:
    """Return an unfolded header value as text for display, at most `limit` characters, harmless.

    Raw 8-bit text is taken as UTF-8 and otherwise as windows-1252.
    """
    if b"=?" not in value:
        # Four octets are the longest character, so that this prefix is always enough.
        return disarm(_raw(value[: limit * 4]))[:limit]
    return disarm(_decode_words(value[:_MAX_OCTETS]))[:limit]


def decode_charset(data: bytes, charset: str) -> str | None:
    """Return `data` as text, broken octets replaced, or None where the charset is unknown to us."""
    codec = _CHARSETS.get(charset.lower())
    return None if codec is None else data.decode(codec, "replace")


def _raw(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as e:
        if e.reason == "unexpected end of data":  # cut in the middle of a character by the limit
            return data.decode("utf-8", "replace")
        return data.decode("cp1252", "replace")


def _decode_words(value: bytes) -> str:
    out: list[str] = []
    pending = b""  # octets of adjacent words in one charset: a character may be split between them
    charset = ""
    at = 0
    after_word = False

    def flush() -> None:
        nonlocal pending
        if pending:
            out.append(decode_charset(pending, charset) or "")
            pending = b""

    for m in _WORD.finditer(value):
        between = value[at : m.start()]
        name = m[1].decode("ascii").lower()
        octets = _word_octets(m[2], m[3])
        if octets is None or name not in _CHARSETS:
            continue  # stays as written: it is part of the next `between`
        if not (after_word and _BETWEEN.match(between)):
            flush()
            out.append(_raw(between))
        elif name != charset:
            flush()
        pending += octets
        charset, at, after_word = name, m.end(), True
    flush()
    out.append(_raw(value[at:]))
    return "".join(out)


def _word_octets(encoding: bytes, text: bytes) -> bytes | None:
    if encoding in b"Qq":
        return _HEX.sub(lambda m: bytes((int(m[1], 16),)), text.replace(b"_", b" "))
    text = text.replace(b" ", b"")
    try:
        octets = binascii.a2b_base64(text + b"=" * (-len(text) % 4))
    except binascii.Error:
        return None
    return octets or None
