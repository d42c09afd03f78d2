"""What the chain says in Authentication-Results, and what this server said there before it seals (RFC 8617)."""

import re
from dataclasses import dataclass

from kurir.message import Headers
from kurir.senderauth.results import MethodResult, parse_results

from .verdict import ArcResult, ArcVerdict

_BLANKS = re.compile(r"[ \t]+")


@dataclass(frozen=True, slots=True)
class OwnResults:
    """What this server found: `text` is the part behind the name (``spf=pass …; dkim=…``), `chain` the ARC result.

    `chain` is None where nothing is said of a chain.
    """

    server: str
    text: str
    chain: ArcResult | None


def own_results(headers: Headers, server: str) -> OwnResults | None:
    """Join the Authentication-Results fields (RFC 8601) of `server`, uppermost first; None where there is none."""
    parts: list[str] = []
    chains: list[str] = []
    for value in headers.all(b"authentication-results"):
        read = parse_results(value)
        if read.authserv_id.lower() != server.lower() or not read.results:
            continue
        said = value.decode("utf-8", "replace").partition(";")[2]
        parts.append(_BLANKS.sub(" ", said).strip(" ;"))
        chains += [result.result for result in read.results if result.method == "arc"]
    if not parts:
        return None
    if not chains:
        chain = None
    elif len(chains) == 1 and chains[0] in ("none", "pass"):
        chain = ArcResult(chains[0])
    else:
        chain = ArcResult.FAIL
    return OwnResults(server, "; ".join(parts), chain)


def of_arc(verdict: ArcVerdict) -> MethodResult:
    """Return the ``arc`` result (RFC 8617 section 7.1 registers ``header.oldest-pass``)."""
    properties: list[tuple[str, str]] = []
    if verdict.oldest_pass is not None:
        properties.append(("header.oldest-pass", str(verdict.oldest_pass)))
    comment = "" if verdict.passed else verdict.reason.value.replace("_", " ")
    if verdict.instance:
        comment += f" i={verdict.instance}"
    if verdict.hops:
        comment = f"{comment}, sealed by {verdict.hops[-1].domain}".removeprefix(", ")
    return MethodResult("arc", verdict.result.value, tuple(properties), comment=comment)
