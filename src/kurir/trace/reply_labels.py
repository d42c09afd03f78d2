"""The numbers and letters that providers print into their replies, as their own postmaster pages explain them.

A provider that labels its replies says the same with one label whatever the words and the code, and often
changes the words: so a known label decides before any of them.  One row per provider: how to find a label in
lower-case text, and what each means.  A label that is not listed says nothing.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from kurir.model import Cause


class Labels(NamedTuple):
    """Where `mark` stands in the text, `find` reads the label (its first group)."""

    mark: str
    find: re.Pattern[str]
    causes: Mapping[str, Cause]


def _labels(mark: str, find: str, causes: dict[Cause, str]) -> Labels:
    by_label = {label: cause for cause, labels in causes.items() for label in labels.split()}
    return Labels(mark, re.compile(find), MappingProxyType(by_label))


LABELS: tuple[Labels, ...] = (
    # Spectrum (Charter, Time Warner): three of four digits, the last one only counts
    _labels(
        "aup#", r"aup#(?:in|out|i|o)-?(\d{3})\d\b",
        {
            Cause.BLOCKLISTED: "100 120 121 122 123 124 125",
            Cause.SENDER_REJECTED: "101 102 103 104 105 106 107 108",
            Cause.REMOTE_FAULT: "109",
            Cause.NO_PTR: "110 111 112 113 114 115",
            Cause.POLICY_RECEIVER: "116 117 118 119 156",
            Cause.RATE_LIMITED: "130 131 132 133 134 135 136 137 138 139 140 141 142 143 144 145 146 147 148 149 154 158",
            Cause.SENDER_NOT_YOURS: "150 152",
            Cause.TOO_LARGE: "153",
            Cause.TOO_MANY_RECIPIENTS: "155",
        },
    ),
    # Cox, and other customers of Cloudmark
    _labels(
        "aup#", r"aup#([a-z]{2,6})(?![a-z])",
        {
            Cause.BLOCKLISTED: "cxbl cdrbl cxrbl ipbl bl ou",
            Cause.NO_PTR: "cxdns",
            Cause.DMARC_FAIL: "cxsnd cxsndr",
            Cause.SENDER_REJECTED: "cxsmtp",
            Cause.RATE_LIMITED: "cxcnct cxmxrt cxthrt cxmj",
            Cause.CONTENT_SPAM: "urlbl",
        },
    ),
    # GoDaddy's servers
    _labels(
        " ib", r" ib(\d{3})\b",
        {
            Cause.BLOCKLISTED: "104 105 106 110 111 112 113",
            Cause.BAD_REPUTATION: "103",
            Cause.NO_PTR: "108",
            Cause.RATE_LIMITED: "007 101 504 510 607",
            Cause.CONTENT_SPAM: "212",
            Cause.AUTH_FAILED: "401",
            Cause.MALFORMED: "501 502",
            Cause.SENDER_REJECTED: "506",
            Cause.SPF_FAIL: "508",
            Cause.TOO_MANY_RECIPIENTS: "605",
            Cause.CONTENT_FORBIDDEN: "705",
        },
    ),
    # Google: the page that explains the reply
    _labels(
        "support.google.com/", r"support\.google\.com/\S{1,40}[?&]p=([a-z0-9]{4,40})",
        {
            Cause.UNKNOWN_USER: "nosuchuser",
            Cause.UNKNOWN_DOMAIN: "badrcptdomain",
            Cause.DISABLED_USER: "disableduser inactiveuser",
            Cause.MAILBOX_FULL: "overquota overquotaperm overquotatemp",
            Cause.RATE_LIMITED: "receivingrate receivingrateperm unsolicitedratelimiterror",
            Cause.CONTENT_SPAM: "unsolicitedmessageerror",
            Cause.CONTENT_FORBIDDEN: "blockedmessage",
            Cause.BAD_REPUTATION: "notauthorizederror",
            Cause.TOO_LARGE: "maxsizeerror",
            Cause.TOO_MANY_RECIPIENTS: "toomanyrecipientserror",
            Cause.AUTH_REQUIRED: "wantautherror",
            Cause.AUTH_FAILED: "badcredentials webloginrequired",
        },
    ),
    # Orange, Wanadoo, SFR, La Poste: the number at the end of the last word
    _labels(
        "_", r"\b(?:ofr|lpn|sfr|ouk)[a-z0-9]{0,8}_(\d{3})\b",
        {
            Cause.BAD_REPUTATION: "102 103 105 107 108 109 201 510 999",
            Cause.BLOCKLISTED: "101 630",
            Cause.RATE_LIMITED: "104",
            Cause.AUTH_FAILED: "305",
            Cause.SPF_FAIL: "401",
            Cause.AUTH_REQUIRED: "402",
            Cause.SENDER_REJECTED: "403 405 415",
            Cause.UNKNOWN_USER: "416",
            Cause.MAILBOX_FULL: "417",
            Cause.DISABLED_USER: "418 420 426",
            Cause.SENDER_NOT_YOURS: "421",
            Cause.CONTENT_SPAM: "501 506 513",
            Cause.REMOTE_FAULT: "505",
            Cause.TOO_LARGE: "514",
            Cause.DMARC_FAIL: "517",
        },
    ),
    # Facebook: three letters, P (for good) or T (for now), a digit
    _labels(
        "-", r"\b((?:pol|msg|rcp|dns|int|con|rate|conn)-[pt]\d)\b",
        {
            Cause.BLOCKLISTED: "pol-p1 pol-p2 pol-p3 pol-p4 pol-t1 pol-t2 pol-t3",
            Cause.CONTENT_FORBIDDEN: "pol-p5 msg-p2",
            Cause.CONTENT_SPAM: "pol-p6",
            Cause.DMARC_FAIL: "pol-p7",
            Cause.TOO_LARGE: "msg-p1 int-p2",
            Cause.MALFORMED: "msg-p3",
            Cause.SENDER_REJECTED: "dns-p1 dns-p2 dns-t1",
            Cause.NO_PTR: "dns-p3 dns-t2",
            Cause.UNKNOWN_USER: "rcp-p1 int-p1 int-p3 int-p4",
            Cause.POLICY_RECEIVER: "rcp-p2 rcp-p3",
            Cause.DISABLED_USER: "rcp-t4",
            Cause.REMOTE_FAULT: "rcp-t1",
            Cause.RATE_LIMITED: "con-t1 con-t2 con-t3 con-t4 rate-t1 rate-t2 conn-t1 conn-t2",
            Cause.TOO_MANY_RECIPIENTS: "msg-t1",
        },
    ),
    # AOL as it was, still answered by servers that copied its table
    _labels(
        ":", r"\(?\b((?:rtr|rly|hvu|dyn|con|dmarc):[a-z0-9]{1,2})",
        {
            Cause.BLOCKLISTED: "rtr:bb rtr:du rtr:bl rtr:sc rly:ir rly:bl con:b1",
            Cause.NO_PTR: "rtr:rd",
            Cause.REMOTE_FAULT: "rtr:ge",
            Cause.CONTENT_FORBIDDEN: "rtr:ch",
            Cause.CONTENT_SPAM: "rly:ch rly:cs rly:bd hvu:b1 hvu:b2",
            Cause.SENDER_REJECTED: "rly:sn",
            Cause.RATE_LIMITED: "rly:b1 rly:b2 dyn:t1 dyn:t2",
        },
    ),
    # i.ua: the number in the address of its help page
    _labels(
        ".i.ua/err/", r"\.i\.ua/err/(\d{1,2})\b",
        {
            Cause.RELAY_DENIED: "1 6",
            Cause.UNKNOWN_USER: "2",
            Cause.DISABLED_USER: "3",
            Cause.MAILBOX_FULL: "4",
            Cause.RATE_LIMITED: "5",
            Cause.NO_PTR: "7",
            Cause.SENDER_REJECTED: "8",
            Cause.BLOCKLISTED: "9",
            Cause.POLICY_RECEIVER: "10",
        },
    ),
    # 163, 126 and yeah.net: a pair of letters before the colon, three behind it
    _labels(
        ":", r"\b((?:hl|mi|rp|dt):[a-z]{3})\b",
        {
            Cause.RATE_LIMITED: (
                "hl:icc hl:ifc hl:itc hl:mep hl:rep mi:ccl mi:cel mi:dmc mi:sfq rp:cel rp:drc rp:orq rp:qrc rp:rcl rp:trc"
            ),
            Cause.CONTENT_SPAM: "dt:spm",
            Cause.BLOCKLISTED: "hl:ipb hl:isp",
            Cause.SPF_FAIL: "mi:spf",
            Cause.NO_PTR: "rp:rdn",
            Cause.SENDER_REJECTED: "mi:mbl mi:spb dt:sum",
        },
    ),
)  # fmt: skip


def labelled(words: str) -> Cause | None:
    """Return what the provider's own label in `words` (lower case) means, or None where there is none."""
    for row in LABELS:
        if row.mark in words:
            m = row.find.search(words)
            if m and m[1] in row.causes:
                return row.causes[m[1]]
    return None
