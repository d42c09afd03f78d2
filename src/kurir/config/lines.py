"""On which line of a TOML file a place stands, for who has to mend it there.

The parser of the standard library keeps no lines.  So headers and keys are looked for again in the text; where a file is
written in another way (dotted keys, inline tables) the nearest place above is named.
"""

import re
from collections import Counter

_HEADER = re.compile(r"\s*(\[{1,2})\s*([^\[\]]+?)\s*\]{1,2}\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_QUOTES = str.maketrans("", "", "\"' \t")


def line_of(text: str, where: str) -> int:
    """Return the line (from 1) of ``smarthosts.brevo.limits.day.value`` or ``roads.0.url`` in `text`, or of what holds it; 0 where nothing does."""
    best, line, table = "", 0, ""
    tables: Counter[str] = Counter()
    for number, written in enumerate(text.splitlines(), 1):
        if m := _HEADER.match(written):
            table = m[2].translate(_QUOTES)
            if m[1] == "[[":
                tables[table] += 1
                table = f"{table}.{tables[table] - 1}"
            place = table
        elif m := _KEY.match(written):
            key = m[1].translate(_QUOTES)
            place = f"{table}.{key}" if table else key
        else:
            continue
        if len(place) > len(best) and f"{where}.".startswith(f"{place}."):
            best, line = place, number
        elif not best and place.startswith(f"{where}."):
            line = line or number  # a table that is only written by what stands below it
    return line
