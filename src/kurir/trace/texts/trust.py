"""Words about who we are to them: lists, reputation, authentication of the domain, the name of the host, spam.

The server that is refused stands before the sender, and what somebody is said to do before what a message is.
"""

from kurir.model import Cause

from .rule import TextRule, said

TRUST: tuple[TextRule, ...] = (
    said(
        Cause.BLOCKLISTED,  # the server that speaks to them, whatever else they name
        r"\bclient (?:host|address|ip)?\W{0,3}\[?\S{1,80} (?:was |is |has been )?(?:blocked|rejected|refused) (?:using|by)\b",
        r"blocked by \S{0,20} ?(?:dnsbl|rbl|block ?list|black ?list)\b", r"\bgeo-?ip\b", r"geograph", r"\bbad ip\b",
    ),
    said(Cause.POLICY_RECEIVER, r"(?:does|do) ?(?:n't|not) (?:want|wish) (?:to (?:get|receive) )?(?:your|any|this) (?:e-?)?mail"),
    said(
        Cause.SENDER_REJECTED,  # on somebody's list is here the sender, not the server
        r"(?<!blocked )sender(?:'s)? (?:(?:e-?mail )?address |(?:envelope )?domain |is |has been |was |in |on |my |our |a |the |recipient's ){0,6}(?:black|block|deny|bad) ?-?(?:mail ?from )?list",
        r"your (?:e-?mail address|domain|envelope sender) (?:has been|is|was) (?:in my |on our )?(?:black ?list|block|bad)", r"bad ?mail ?from",
        r"sender .{0,20}spammer", r"blocked senders?\b", r"(?:header|envelope)-?(?:from|based) .{0,40}block", r"envelope blocked", r"block policy for",
    ),
    said(
        Cause.BLOCKLISTED,  # what the server is said to do, not what this message is
        r"\b(?:currently|are|is) sending (?:out )?spam", r"(?:like|as|known|is|are) (?:an? )?spammer", r"\bspam (?:source|ip)\b", r"open prox(?:y|ies)",
        r"too m(?:any|uch) (?:unwanted|spam|junk|abus\w{1,5})s? (?:messages |e?-?mails? )?(?:have been sent |came |received )?from",
        r"\b(?:ip|ip address|host|server|network)(?:\W{0,3}[0-9a-f.:]{7,45}\W{0,3})? (?:has been|is|was) (?:temporarily |currently )?(?:blocked|banned|black ?listed|rejected|hang ?up)",
        r"(?:invalid|forbidden) ip\b", r"no access for this (?:ip|host|domain|network)",
        r"(?:sender|sending|source|client|remote|connecting|bad) (?:sender )?ip(?: address)? (?:is |was |has been )?(?:reject|refus|denied|blocked|banned|black)",
        r"bad sender ip",
    ),
    said(
        Cause.CONTENT_SPAM,
        r"(?:blacklist|blocklist|block|list)ed (?:url|link|domain in|uri)", r"\b(?:url|link|uri)s? .{0,30}(?:black|block|deny)-? ?list", r"\bur[il]bl\b", r"\bsurbl\b",
        r"(?<!virus or )spam (?:content|classification|message|score|detected|filter)", r"scored as spam", r"looks like spam", r"spam-?like",
        r"considered (?:as )?(?:spam|unsolicited)", r"identified as spam", r"classified as (?:spam|unsolicited|bulk)", r"probable spam",
        r"likely (?:spam|unsolicited)", r"message content rejected", r"appears to be (?:spam|unsolicited)", r"(?:is|as|be) spam\b", r"\bspam\W{0,3}$",
        r"spamassassin", r"rspamd", r"brightmail", r"anti-?spam\b(?!\.)", r"spam ?trap", r"spamming", r"\bno spam\b", r"spam ?(?:/|or|and) ?virus",
        r"(?:mail|message|spam) score", r"pattern detection", r"(?:blocked|rejected|refused) by (?:our|the|a) (?:\w{1,12} )?filter",
        r"reject\w{0,3} (?:mail|message) content", r"nature of the content", r"(?:message|mail) (?:was |has been |is )?filtered\b",
        r"(?:unacceptable|undesirable|unwanted) content(?!s? of)", r"content (?:is |was )?(?:denied|unacceptable|judged)", r"content[- ]filter",
        r"spam(?:-like)? characteristics", r"(?:by|from) \S{0,20} ?-? ?(?:anti-?spam|deepspam)", r"due to spam", r"\bunwanted (?:here|e?-?mail|message)", r"\bmass[ -]?mail",
    ),
    said(
        Cause.DMARC_FAIL,
        r"\bdmarc\b", r"multiple authentication checks failed", r"required authentication level", r"authentication requirements",
        r"authentication (?:information|results?|status)", r"unauthenticated email",
    ),
    said(
        Cause.SPF_FAIL,
        r"\bspf\b", r"sender policy framework", r"sender ?id\b", r"not (?:a )?designated (?:sender|mail)",
    ),
    said(Cause.DKIM_FAIL, r"\bdkim\b", r"\bdomainkeys?\b", r"bad signature"),
    said(
        Cause.NO_PTR,
        r"reverse[- ](?:dns|lookup|name|hostname|address|entry|mapping|resolution)", r"\brdns\b", r"\bptr\b", r"fcrdns",
        r"(?:unverif\w{1,6}|unresolv\w{1,6}|mismatch\w{0,4}) (?:\w{1,12} ){0,2}(?:ip|host)", r"ip name lookup failed", r"no matches to nameserver query", r"cannot find your (?:reverse )?host ?name",
        r"cannot (?:resolve|find) your", r"(?:ip|address|client|host) .{0,20}has no (?:host ?name|name\b|dns)",
        r"(?:helo|ehlo) (?:name|argument|host ?name) .{0,20}(?:invalid|does not|not)", r"(?:ip|client) (?:address )?.{0,30}does not resolve",
        r"unresolvable (?:relay|client|host)", r"not resolve (?:the |your )?(?:ip|address)", r"hostname.{0,20}not (?:match|resolve)",
        r"generic (?:reverse|hostname|host name)", r"invalid (?:dns )?(?:helo|ehlo).{0,20}(?:ip|dns)", r"must have a valid (?:dns|host)",
        r"(?:bad|invalid|forged) (?:helo|ehlo)", r"(?:helo|ehlo) (?:is )?(?:bad|invalid|forged|not valid)", r"(?:helo|ehlo) (?:command )?rejected", r"forward dns", r"contents? of (?:the |your )?(?:helo|ehlo)", r"(?:helo|ehlo) (?:must|should|needs?) ",
    ),
    said(
        Cause.BAD_REPUTATION,
        r"too many (?:user |spam )?complaints", r"reputation", r"suspicious due to", r"(?:excessive|exceed\w*|too many) (?:unknown|invalid|bad) (?:recipient|user|rcpt)", r"user complaints",
        r"access denied, please try again later", r"poor (?:score|sender)", r"cloudmark sender intelligence", r"\bcsi\.cloudmark",
    ),
    said(
        Cause.BLOCKLISTED,
        r"block-? ?list", r"black-? ?list", r"\bdns(?:bl|rbl)s?\b", r"\brbls?\b", r"spamhaus", r"spamcop", r"\bsorbs\b", r"barracudacentral",
        r"uceprotect", r"abuseat", r"abusix", r"senderscore", r"blocked (?:using|by .{0,20}(?:list|rbl))", r"(?<!not )listed (?:at|in|on|by) ",
        r"banned (?:sending )?(?:ip|host)", r"not (?:in|on) (?:the |our |my )?(?:white|allow|approved) ?-?list", r"client host rejected",
        r"mail from (?:[0-9]{1,3}\.){3}[0-9]{1,3}.{0,20}(?:refus|reject|denied|block)",
        r"(?:host|ip|country|region|network),? (?:is |are )?not (?:allowed|permitted|welcome)",
        r"(?<!message )(?:blocked|refused|rejected|denied)\W{1,3}see:? https?",
        r"\b(?:ip|client host|server|host|network|address ip|ip address)\S{0,40} .{0,40}(?:is |has been |was |est )?(?:blocked|banned|bloquee|blackholed)",
        r"block(?:ed)? (?:your )?(?:ip|host|server|network)",
        r"(?:refus|reject|block|deny|deni|drop)\w* .{0,20}(?:connections?|(?:e-?)?mail) from (?:your |this )?(?:ip|host|server|network|address)",
        r"your (?:ip|host|network|server|mail server) .{0,60}(?:reject|block|listed|refused|denied|banned)", r"\(bl\)", r"invalid ip for sending",
        r"access denied.{0,40}(?:ip|host) ", r"not accepting connections", r"client host rejected: access denied", r"not allowed to connect",
        r"intrusion prevention", r"blockedby", r"(?:deny|reject)-? ?list", r"your access to .{0,60}(?:reject|denied|refused|block)",
        r"connection (?:refused|rejected|denied) (?:by|due to) (?:policy|security|your)", r"refused to talk to me: 5",
        r"smtp server of your (?:isp|provider)", r"refused mail service", r"(?:connections?|mail) from (?:this|your) (?:host|ip|server|network|address).{0,30}\bnot\b", r"mail from your (?:location|country|region|isp|provider|area)\b", r"pre-?greet", r"early ?talk", r"not following the smtp protocol", r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}\W{0,3} (?:is |has been |was )?(?:blocked|banned|listed|rejected)",
        r"dynamic(?:ally)? (?:assigned )?(?:ip|pool|address)", r"dial-?up", r"residential", r"(?:messages|mail) from \S{1,80} (?:weren't|were not|was not) sent",
    ),
)  # fmt: skip
