"""The site key: what limits and connections belong to.

Two domains with the same set of mail hosts are one site, so that hundreds of domains at one provider
share one limit and one set of connections, whatever order or preference their MX records have.
"""

import hashlib
from collections.abc import Iterable

MAX_KEY = 200


def site_key(hosts: Iterable[str]) -> str:
    """Return a readable key for a set of host names: ``(mx1|mx2).example.org``; the same set, the same key."""
    names = sorted({host.lower().rstrip(".") for host in hosts})
    if len(names) == 1:
        return names[0]
    split = [name.split(".") for name in names]
    shared = 0
    while all(len(labels) > shared + 1 for labels in split) and len({s[-1 - shared] for s in split}) == 1:
        shared += 1
    suffix = ".".join(split[0][len(split[0]) - shared :])
    heads = "|".join(".".join(labels[: len(labels) - shared]) for labels in split)
    key = f"({heads})" + (f".{suffix}" if suffix else "")
    if len(key) <= MAX_KEY:
        return key
    digest = hashlib.sha256("\0".join(names).encode()).hexdigest()[:16]
    return f"{names[0]}+{len(names) - 1}#{digest}"
