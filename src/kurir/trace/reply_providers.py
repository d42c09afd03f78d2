"""What the big receivers, providers and programs mean by their own words and codes, as data.

Asked first by `replies.classify_reply`: a row matches where its text is found, and its host, codes and
enhanced code, when given, fit.  Patterns are matched against lower-case text, are alternations of plain
words with bounded gaps, and so take time linear in the text.
"""

import re
from typing import NamedTuple

from kurir.model import Cause, Stage


class Rule(NamedTuple):
    """One row: where `text` (and `host`, when given) match, it is `cause`.

    `final` and `retry_after` (seconds) override what the code and the cause say; `codes`, `enhanced`
    (without its first digit) and `unless` (commands that it did not answer) narrow the row.
    """

    cause: Cause
    text: re.Pattern[str]
    host: re.Pattern[str] | None = None
    codes: frozenset[int] = frozenset()
    enhanced: re.Pattern[str] | None = None
    final: bool | None = None
    retry_after: float | None = None
    unless: frozenset[Stage] = frozenset()


def _rule(
    cause: Cause,
    text: str = "",
    *,
    host: str | None = None,
    codes: tuple[int, ...] = (),
    enhanced: str | None = None,
    final: bool | None = None,
    retry_after: float | None = None,
    unless: tuple[Stage, ...] = (),
) -> Rule:
    return Rule(
        cause,
        re.compile(text),
        re.compile(host) if host else None,
        frozenset(codes),
        re.compile(enhanced) if enhanced else None,
        final,
        retry_after,
        frozenset(unless),
    )


_GOOGLE = r"google|gsmtp|gmail"
_YAHOO = r"yahoo|verizonmedia|\baol\.com|yahoodns"
_TENCENT = r"\bqq\.com"
_DOCOMO = r"\bdocomo\b"

# Knowledge: what the big receivers and providers mean by their own codes.  Google reuses the registry's
# 7.27 to 7.40 with other meanings; quotas come as 550, lasting blocks as 421.
PROVIDERS: tuple[Rule, ...] = (
    # Google, as its answer 3726730 for administrators explains them
    _rule(Cause.QUOTA_SPENT, r"", host=_GOOGLE, enhanced=r"4\.5$", final=False, retry_after=21600),
    _rule(Cause.RATE_LIMITED, r"", host=_GOOGLE, enhanced=r"7\.28$", final=False, retry_after=5400),
    _rule(Cause.RATE_LIMITED, r"receiving mail (?:too quickly|at a rate)", final=False, retry_after=3600),
    _rule(Cause.QUOTA_SPENT, r"(?:peak|daily) .{0,20}relay", host=_GOOGLE, final=False, retry_after=21600),
    _rule(Cause.NO_PTR, r"", host=_GOOGLE, enhanced=r"7\.(?:23|25)$"),
    _rule(
        Cause.DMARC_FAIL, r"either spf or dkim|sender is unauthenticated", host=_GOOGLE, enhanced=r"7\.26$"
    ),
    _rule(Cause.SPF_FAIL, r"\bspf\b", host=_GOOGLE, enhanced=r"7\.(?:24|26|27)$"),
    _rule(Cause.DMARC_FAIL, r"", host=_GOOGLE, enhanced=r"7\.(?:26|32|40)$"),
    _rule(Cause.SPF_FAIL, r"", host=_GOOGLE, enhanced=r"7\.(?:24|27)$"),
    _rule(Cause.BAD_REPUTATION, r"not authorized to send email directly"),
    _rule(Cause.TLS_REQUIRED, r"", host=_GOOGLE, enhanced=r"7\.29$"),
    _rule(Cause.DKIM_FAIL, r"", host=_GOOGLE, enhanced=r"7\.30$"),
    _rule(
        Cause.TOO_MANY_RECIPIENTS, r"multiple destination domains", codes=(451,), final=False, retry_after=60
    ),
    _rule(Cause.RATE_LIMITED, r"too many login attempts", codes=(454,), final=False, retry_after=3600),
    _rule(Cause.AUTH_FAILED, r"", codes=(535,), enhanced=r"(?!7\.13$|3\.4$)"),
    # These codes speak of the command itself (RFC 5321 section 4.2.2); with 5.5.x (RFC 3463) nothing else is left
    _rule(Cause.PROTOCOL_ERROR, r"", codes=(500, 502, 503, 504, 555), enhanced=r"5\.[01246]$"),
    _rule(
        Cause.PROTOCOL_ERROR, r"syntax|utf-8|argument|parameter|command", codes=(501,), enhanced=r"5\.[124]$"
    ),
    # Postfix when all recipients were refused before
    _rule(Cause.PROTOCOL_ERROR, r"no valid recipients", enhanced=r"5\.1$"),
    # x.2.x speaks of one mailbox: a filter of its owner
    _rule(Cause.POLICY_RECEIVER, r"message filtered", enhanced=r"2\."),
    # A well-known patch of qmail: either address is on the site's own list
    _rule(Cause.SENDER_REJECTED, r"you are sending to/from an address that has been blacklisted"),
    # Lists, some of them with 5.1.1 (groups.io): the address that they do not know is the sender's
    _rule(Cause.SENDER_REJECTED, r"not subscribed to (?:this|that|the) (?:group|list)"),
    # Exim says first what it could not verify, then why
    _rule(Cause.SENDER_REJECTED, r"sender verif\w{1,8} fail"),
    # cPanel's text for mail that its router could not place anywhere
    _rule(Cause.UNKNOWN_DOMAIN, r"account or domain may not exist, they may be blacklisted"),
    _rule(Cause.SENDER_REJECTED, r"groups\.google\.com/support"),
    # OpenSMTPD about an unknown user of a domain that it knows; its code is one nobody else gives
    _rule(Cause.UNKNOWN_USER, r"mailing list expansion problem: <", codes=(524,)),
    # Postfix where a restriction said `reject`; at Microsoft the same words come with 5.4.1 and mean an unknown user
    _rule(Cause.POLICY_RECEIVER, r"recipient address rejected: access denied", enhanced=r"7\.1$"),
    _rule(Cause.UNKNOWN_USER, r"recipient address rejected: access denied", enhanced=r"4\.1$"),
    # Microsoft's sender support pages: 7.5xx to 7.7xx are its own
    _rule(Cause.RATE_LIMITED, r"\brp-00[123]\b", final=False, retry_after=1800),
    _rule(Cause.RATE_LIMITED, r"exceeded the max", enhanced=r"7\.65\d$", final=False, retry_after=1800),
    _rule(Cause.BAD_REPUTATION, r"", enhanced=r"7\.65\d$"),
    _rule(Cause.BAD_REPUTATION, r"\bs3113\b|\((?:sc|ou)-00[124]\)|\bsc-00[1-4]\b|\bou-002\b|\bdy-00[12]\b"),
    _rule(Cause.BLOCKLISTED, r"\bou-001\b|\bs31(?:40|50)\b"),
    _rule(Cause.NO_PTR, r"bad helo", enhanced=r"7\.506$"),
    _rule(Cause.BLOCKLISTED, r"rejected by recipient", enhanced=r"7\.507$"),
    _rule(Cause.BLOCKLISTED, r"", enhanced=r"7\.(?:60[6-9]|6[1-4]\d|511)$"),
    _rule(Cause.DMARC_FAIL, r"", enhanced=r"7\.(?:509|515)$"),
    _rule(Cause.QUOTA_SPENT, r"", enhanced=r"7\.(?:705|233)$", final=False, retry_after=21600),
    _rule(Cause.BAD_REPUTATION, r"", enhanced=r"7\.(?:708|501|502|503)$"),
    _rule(Cause.POLICY_RECEIVER, r"", enhanced=r"7\.(?:703|700|12[0-9]|13[0-9])$"),
    _rule(Cause.RATE_LIMITED, r"concurrent|thread limit", codes=(432,), final=False, retry_after=120),
    _rule(
        Cause.QUOTA_SPENT,
        r"submission quota|message limit|recipient.?rate.?limit|exceeded.{0,30}sending",
        final=False,
        retry_after=21600,
    ),
    _rule(Cause.UNKNOWN_USER, r"", enhanced=r"1\.35[01]$"),
    _rule(Cause.SENDER_REJECTED, r"", enhanced=r"7\.750$"),
    _rule(Cause.TLS_FAILED, r"", enhanced=r"7\.32[1-5]$"),
    _rule(Cause.TLS_FAILED, r"certificate|tls\b", enhanced=r"4\.317$"),
    _rule(Cause.UNKNOWN_DOMAIN, r"does not exist|nonexistent", enhanced=r"4\.310$"),
    _rule(Cause.DNS_FAILURE, r"", enhanced=r"4\.31[0-2]$"),
    _rule(Cause.EXPIRED, r"", enhanced=r"4\.3(?:00|1[4-8])$"),
    _rule(Cause.TOO_LARGE, r"resolver\.rst\.(?:recip|send)sizelimit|routing\.sizelimit"),
    _rule(Cause.UNKNOWN_USER, r"resolver\.adr\.(?:recip|ex|invalid)|recipientnotfound"),
    _rule(Cause.POLICY_RECEIVER, r"resolver\.rst\.|resolver\.grp\."),
    _rule(Cause.MAILBOX_FULL, r"storedrv.{0,80}(?:quota|mailbox full)|mapiexceptionshutoffquota"),
    _rule(Cause.REMOTE_FAULT, r"storedrv\.deliver\.exception"),
    # Yahoo and AOL, as senders.yahooinc.com explains them
    _rule(Cause.BAD_REPUTATION, r"\[ts03\]|permanently deferred", final=True),
    _rule(Cause.BLOCKLISTED, r"\[tss?\d\d\].{0,160}(?:spamhaus|block ?list)"),
    _rule(Cause.RATE_LIMITED, r"\[tss?0[1-9]\]", final=False, retry_after=7200),
    _rule(Cause.BLOCKLISTED, r"\[bl\d\d\]", host=_YAHOO),
    _rule(Cause.DMARC_FAIL, r"dmarc|authenticat", host=_YAHOO, enhanced=r"7\.9$"),
    _rule(Cause.POLICY_RECEIVER, r"policy", host=_YAHOO, enhanced=r"7\.9$"),
    _rule(Cause.DISABLED_USER, r"delivery error: dd .{0,120}(?:disabled|discontinued)"),
    _rule(Cause.MAILBOX_FULL, r"delivery error: dd .{0,120}(?:full|quota)"),
    _rule(Cause.UNKNOWN_USER, r"delivery error: dd |this user doesn't have an? yahoo\.\S{1,20} account"),
    # Sending services
    _rule(
        Cause.QUOTA_SPENT,
        r"daily (?:message|user|sending|relay) (?:sending )?(?:quota|limit)|maximum credits exceeded",
        final=False,
        retry_after=21600,
    ),
    _rule(Cause.RATE_LIMITED, r"maximum sending rate exceeded", final=False, retry_after=10),
    _rule(
        Cause.QUOTA_SPENT,
        r"exceeded the max(?:imum)? (?:emails|defers)|daily sending limit|hourly (?:email|message|sending)",
        final=False,
        retry_after=3600,
    ),
    _rule(Cause.RELAY_DENIED, r"(?:email address|domain|identit(?:y|ies)).{0,20}(?:is |are )?not verified"),
    _rule(
        Cause.QUOTA_SPENT,
        r"unusual sending activity|not allowed to send: .{0,40}limit",
        final=False,
        retry_after=21600,
    ),
    # QQ: throttles dressed as 5xx
    _rule(Cause.RATE_LIMITED, r"frequency limited", final=False, retry_after=3600),
    _rule(
        Cause.CONTENT_SPAM,
        r"suspected (?:spam(?! ip)|bounce attack)|mail content denied|spam is embedded",
        host=_TENCENT,
    ),
    # docomo says it of mail that the recipient's own filter stops, too; only at RCPT it is meant so
    _rule(Cause.POLICY_RECEIVER, r"unknown user", host=_DOCOMO, enhanced=r"(?!1\.)", unless=(Stage.RCPT,)),
    # au (KDDI) names the address where it does not know it, and does not where the recipient's filter refused
    _rule(Cause.UNKNOWN_USER, r"<\S{1,320}@(?:ezweb\.ne\.jp|au\.com)>: user unknown"),
    # Gateways that know the recipients of those they work for
    _rule(
        Cause.UNKNOWN_USER,
        r"no such user|(?:invalid|unknown) recipient|mailbox is not allowed",
        host=r"messagelabs|mimecast|pphosted|ppe-hosted",
    ),
    # Trend Micro and Zoho, by the names that their help pages give to rules
    _rule(Cause.SENDER_REJECTED, r"rejected: block-send-er"),
    _rule(Cause.POLICY_RECEIVER, r"rejected: block-rcpt"),
    _rule(Cause.RELAY_DENIED, r"rejected: no-domain"),
    _rule(Cause.POLICY_RECEIVER, r"policy ?(?:violation|error)|restricted by policy", host=r"zoho"),
    # Cox
    _rule(Cause.BAD_REPUTATION, r"cox too many bad commands"),
    _rule(Cause.NO_PTR, r"dns check failure", host=r"\bcox\b"),
    # T-Online: the same words for every address that it does not take mail from
    _rule(Cause.BLOCKLISTED, r"ask your postmaster for help or to contact tosa"),
    # iCloud
    _rule(Cause.RATE_LIMITED, r"\[h[cm]{2}1\]|\[bs02\]", final=False, retry_after=900),
    _rule(Cause.POLICY_RECEIVER, r"due to recipient preferences"),
    # Gateways: Barracuda, IronPort, amavis
    _rule(Cause.POLICY_RECEIVER, r"permanent failure for one or more recipients \(\S{1,320}:blocked\)"),
    _rule(Cause.RATE_LIMITED, r"recipients received this hour", final=False, retry_after=3600),
    _rule(Cause.CONTENT_FORBIDDEN, r"(?:reject|bounce)\w*, id=\S{1,40} - (?:banned|infected)"),
    _rule(Cause.MALFORMED, r"(?:reject|bounce)\w*, id=\S{1,40} - bad.?header"),
    _rule(Cause.CONTENT_SPAM, r"\breject, id=\S{1,40}\W{0,2}$"),
    _rule(Cause.CONTENT_FORBIDDEN, r"mcspamsignature|mcviruscontent|anti-?virus signature"),
    _rule(Cause.AUTH_REQUIRED, r"turn on smtp auth"),
)
