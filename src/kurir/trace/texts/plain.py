"""Words that name their cause whatever else is said: loops, greylisting, spent quotas, hosts that take no mail."""

from kurir.model import Cause

from .rule import TextRule, said

PLAIN: tuple[TextRule, ...] = (
    said(Cause.SUPPRESSED, r"suppression list", r"suppressed (?:address|recipient)", r"^suppressed$"),
    said(
        Cause.LOOP,
        r"too many hops", r"hop count exceeded", r"(?:mail|routing|forwarding|message) loop", r"loops? back to", r"too many received",
        r"loop (?:was )?(?:found|detected)", r"loop count", r"received\W{1,3}header count", r"(?:mail|message) (?:is )?looping", r"loop alert", r"duplicated? message-id",
        r"exceeded \d{1,3} hops", r"would create a (?:mail )?loop", r"best-preference mx", r"already ha(?:s|ve) my delivered-to", r"expansion (?:is )?too deep", r"bounce between",
    ),
    said(
        Cause.GREYLISTED,
        r"gr[ae]y-? ?list", r"you are (?:new|unknown) here", r"first (?:time|attempt).{0,30}(?:try|retry) again",
        r"(?:temporar\w+ (?:deferred|rejected|refused)|try (?:again|later)) .{0,60}precaution", r"first contact", r"policy rejection\W{1,3}please try later",
    ),
    said(Cause.RATE_LIMITED, r"too many (?:recipients|messages) from\b"),  # so many in some time, not in this message
    said(
        Cause.TOO_MANY_RECIPIENTS,
        r"too many recipients", r"recipients? (?:per message )?limit", r"too many (?:rcpt|destinat)",
    ),
    said(
        Cause.QUOTA_SPENT,
        r"sending (?:quota|limit)", r"quota for .{0,40}(?:recipients|messages|mails)\b", r"policy rejection\W{1,3}quota", r"exceed(?:ed|s)?.{0,30}(?:daily|hourly).{0,30}(?:limit|quota|allowance)",
        r"(?:daily|hourly) (?:sending |mail |message |email )?(?:limit|quota).{0,20}(?:exceed|reach)", r"(?:daily|hourly) limit",
        r"(?:batas|kuota) (?:pengiriman|email|surel)",
        r"\d (?:messages|e-?mails|mails|recipients) ?(?:/|per|an?|every|each|in (?:an?|one)) ?(?:24 hours|hour|day|month)\b",
    ),
    said(Cause.DISABLED_USER, r"(?:user|recipient|mail ?box|account)\b.{0,60} not (?:be )?accept(?:ing)? (?:any )?(?:e-?)?mail\b(?! with)"),
    said(
        Cause.NULL_MX,
        r"null ?mx", r"indicated no smtp service", r"accepts? no (?:incoming |inbound )?(?:e-?)?mail",
        r"(?:host|domain|system|server|machine)\S{0,40} (?:name )?does(?: not|n't) (?:accept|receive|handle) (?:any )?(?:e-?)?mail(?!s? (?:from|for|over|with))",
        r"do(?:es)?(?:n'?t| not) receive (?:any )?e?-?mail", r"(?:not|never) accept(?:s|ing)? (?:any )?e?-?mail\b(?! (?:from|for|over|with))",
        r"service not available.{0,20}no mail",
    ),
)  # fmt: skip
