"""Words about the way: time-outs, connections refused and lost."""

from kurir.model import Cause

from .rule import TextRule, said

NETWORK: tuple[TextRule, ...] = (
    said(Cause.NULL_MX, r"no smtp service"),
    said(Cause.TIMEOUT, r"session has lasted", r"\betimedout\b", r"timed? ?-?out", r"timeout", r"no (?:response|answer|reply)", r"(?:not|no longer) respond"),
    said(
        Cause.UNREACHABLE,
        r"connection refused", r"\b(?:econnrefused|e(?:host|net)unreach)\b", r"no route to host", r"unreachable",
        r"(?:could not|couldn't|unable to|cannot|can't|failed to|not) (?:be )?(?:connect|contact|reach|establish|open (?:an? |the )?(?:\w{1,12} )?(?:connection|session|channel|socket)|make a connection)",
        r"did not accept our requests to connect", r"host is down", r"connect(?:ion)? (?:failed|attempt|to \S{1,80} failed)",
        r"network (?:is |was )?(?:down|error|problem)", r"connection (?:was )?(?:error|problem|failure)", r"failed to connect",
        r"(?:not|n't|unable) (?:been )?(?:able )?to (?:establish|connect|contact|reach)", r"could not find a gateway", r"no (?:path|route) (?:was |could be )?found", r"no valid route", r"routes? to .{0,40}block", r"address family mismatch", r"connectivity (?:problem|issue|error|failure)", r"no (?:valid )?hosts?\b",
        r"not (?:be )?reachable", r"network (?:is |was )?(?:congest|fail|timeout|time-out|unavailable|connect)",
    ),
    said(
        Cause.CONNECTION_LOST,
        r"connection (?:(?:with|to|from) \S{1,80} )?(?:is |was |has been )?(?:dropped|closed|lost|reset|broken|terminated|aborted|shutdown)", r"lost connection", r"broken pipe", r"\b(?:econnreset|epipe)\b",
        r"unexpected(?:ly)? (?:eof|close|disconnect|connection)", r"remote (?:server|host|side) (?:closed|hung|dropped)", r"connection died", r"\bread error\b", r"(?:dropped|closed|reset|aborted|terminated) (?:the |its |our )?connection", r"premature eo[mf]", r"unclean shutdown",
        r"disconnected", r"error encountered while communicating", r"conversation with .{0,80}(?:timed|lost|fail)",
    ),
)  # fmt: skip
