"""Words that servers use for each cause, in order: the first row that matches decides.

Specific rows stand before general ones, because "blocked", "denied" or "rejected" is said of everything.
All patterns run on lower-case text with runs of white space made one blank.
"""

import re
from typing import NamedTuple

from kurir.model import Cause


class TextRule(NamedTuple):
    """Where `pattern` is found, it is `cause`."""

    cause: Cause
    pattern: re.Pattern[str]
    vague: bool = False  # said of everything: anything more precise wins


def _any(cause: Cause, *patterns: str, vague: bool = False) -> TextRule:
    return TextRule(cause, re.compile("|".join(patterns)), vague)


TEXTS: tuple[TextRule, ...] = (
    _any(Cause.SUPPRESSED, r"suppression list", r"suppressed (?:address|recipient)"),
    _any(
        Cause.LOOP,
        r"too many hops", r"hop count exceeded", r"(?:mail|routing|forwarding|message) loop", r"loops? back to",
        r"too many received", r"loop (?:was )?(?:found|detected)", r"loop count", r"(?:mail|message) (?:is )?looping", r"loop alert", r"duplicated? message-id", r"exceeded \d{1,3} hops", r"would create a (?:mail )?loop", r"loop count", r"(?:forwarding|routing) loop",
    ),
    _any(
        Cause.GREYLISTED,
        r"gr[ae]y-? ?list", r"you are (?:new|unknown) here", r"first (?:time|attempt).{0,30}(?:try|retry) again", r"(?:temporar\w+ (?:deferred|rejected|refused)|try (?:again|later)) .{0,60}precaution", r"first contact",
    ),
    _any(
        Cause.TOO_MANY_RECIPIENTS,
        r"too many recipients", r"recipients? (?:per message )?limit", r"too many (?:rcpt|destinat)",
    ),
    _any(
        Cause.QUOTA_SPENT,
        r"sending (?:quota|limit)", r"exceed(?:ed|s)?.{0,30}(?:daily|hourly).{0,30}(?:limit|quota|allowance)",
        r"(?:daily|hourly) (?:sending |mail |message |email )?(?:limit|quota).{0,20}(?:exceed|reach)",
        r"(?:daily|hourly) limit", r"(?:batas|kuota) (?:pengiriman|email|surel)",
    ),
    _any(Cause.DISABLED_USER, r"(?:user|recipient|mail ?box|account)\b.{0,60} not accept(?:ing)? (?:any )?(?:e-?)?mail\b(?! with)"),
    _any(
        Cause.NULL_MX,
        r"null ?mx", r"indicated no smtp service", r"(?:host|domain|system|server|machine)\S{0,40} (?:name )?does(?: not|n't) (?:accept|receive|handle) (?:any )?(?:e-?)?mail(?!s? (?:from|for|over|with))",
        r"do(?:es)?(?:n'?t| not) receive (?:any )?e?-?mail", r"(?:not|never) accept(?:s|ing)? (?:any )?e?-?mail\b(?! (?:from|for|over|with))", r"mail receiving (?:is )?disabled",
        r"service not available.{0,20}no mail",
    ),
    _any(
        Cause.SENDER_REJECTED,  # on somebody's list is here the sender, not the server
        r"(?<!blocked )sender(?:'s)? (?:(?:e-?mail )?address |(?:envelope )?domain |is |has been |was |in |on |my |our |a |the |recipient's ){0,6}(?:black|block|deny|bad) ?-?(?:mail ?from )?list", r"your (?:e-?mail address|domain|envelope sender) (?:has been|is|was) (?:in my |on our )?(?:black ?list|block|bad)", r"bad ?mail ?from",
        r"sender .{0,20}spammer", r"blocked senders?\b", r"(?:header|envelope)-?(?:from|based) .{0,40}block", r"envelope blocked", r"block policy for",
    ),
    _any(
        Cause.BLOCKLISTED,  # what the server is said to do, not what this message is
        r"\b(?:currently|are|is) sending (?:out )?spam", r"(?:like|as|known|is|are) (?:an? )?spammer", r"\bspam (?:source|ip)\b", r"open prox(?:y|ies)", r"too m(?:any|uch) (?:unwanted|spam|junk|abus\w{1,5})s? (?:messages |e?-?mails? )?(?:have been sent |came |received )?from",
        r"\b(?:ip|ip address|host|server|network)(?:\W{0,3}[0-9a-f.:]{7,45}\W{0,3})? (?:has been|is|was) (?:temporarily |currently )?(?:blocked|banned|black ?listed|rejected|hang ?up)", r"(?:invalid|forbidden) ip\b", r"no access for this (?:ip|host|domain|network)", r"(?:sender|sending|source|client|remote|connecting|bad) (?:sender )?ip(?: address)? (?:is |was |has been )?(?:reject|refus|denied|blocked|banned|black)", r"bad sender ip",
    ),
    _any(
        Cause.CONTENT_SPAM,
        r"(?:blacklist|blocklist|block|list)ed (?:url|link|domain in|uri)", r"\bur[il]bl\b", r"\bsurbl\b", r"(?<!virus or )spam (?:content|classification|message|score|detected|filter)",
        r"scored as spam", r"looks like spam", r"spam-?like", r"considered (?:as )?(?:spam|unsolicited)", r"identified as spam", r"classified as (?:spam|unsolicited|bulk)",
        r"probable spam", r"likely (?:spam|unsolicited)", r"message content rejected", r"appears to be (?:spam|unsolicited)", r"(?:is|as|be) spam\b", r"\bspam\W{0,3}$", r"spamassassin", r"rspamd", r"brightmail", r"anti-?spam\b(?!\.)", r"spam ?trap", r"spamming", r"\bno spam\b", r"spam ?(?:/|or|and) ?virus", r"(?:mail|message|spam) score", r"pattern detection", r"(?:blocked|rejected|refused) by (?:our|the|a) (?:\w{1,12} )?filter", r"reject\w{0,3} (?:mail|message) content", r"nature of the content",
        r"(?:message|mail) (?:was |has been |is )?filtered\b", r"(?:unacceptable|undesirable|unwanted) content", r"content (?:is |was )?(?:denied|unacceptable|judged)", r"content[- ]filter", r"spam(?:-like)? characteristics", r"(?:by|from) \S{0,20} ?-? ?(?:anti-?spam|deepspam)", r"due to spam",
    ),
    _any(Cause.DMARC_FAIL, r"\bdmarc\b", r"multiple authentication checks failed", r"required authentication level", r"authentication requirements", r"no authentication information",
         r"does not have authentication information", r"unauthenticated email"),
    _any(
        Cause.SPF_FAIL,
        r"\bspf\b", r"sender policy framework", r"sender ?id\b", r"not (?:a )?designated (?:sender|mail)",
    ),
    _any(Cause.DKIM_FAIL, r"\bdkim\b", r"\bdomainkeys?\b", r"bad signature"),
    _any(
        Cause.NO_PTR,
        r"reverse[- ](?:dns|lookup|name|hostname|address|entry|mapping|resolution)", r"\brdns\b", r"\bptr\b", r"fcrdns", r"unverif(?:y|i)able sending ip", r"ip name lookup failed",
        r"no matches to nameserver query", r"cannot find your (?:reverse )?host ?name", r"cannot (?:resolve|find) your",
        r"mismatch(?:es)? client ip", r"(?:ip|address|client|host) .{0,20}has no (?:host ?name|name\b|dns)", r"(?:helo|ehlo) (?:name|argument|host ?name) .{0,20}(?:invalid|does not|not)", r"(?:ip|client) (?:address )?.{0,30}does not resolve", r"unresolvable (?:relay|client|host)",
        r"not resolve (?:the |your )?(?:ip|address)", r"hostname.{0,20}not (?:match|resolve)", r"generic (?:reverse|hostname|host name)",
        r"invalid (?:dns )?(?:helo|ehlo).{0,20}(?:ip|dns)", r"must have a valid (?:dns|host)", r"(?:bad|invalid|forged) (?:helo|ehlo)", r"(?:helo|ehlo) (?:command )?rejected", r"forward dns",
    ),
    _any(
        Cause.BAD_REPUTATION,
        r"reputation", r"suspicious due to", r"(?:excessive|too many) (?:unknown|invalid|bad) (?:recipients|users|rcpt)", r"user complaints", r"access denied, please try again later", r"poor (?:score|sender)", r"cloudmark sender intelligence",
    ),
    _any(
        Cause.BLOCKLISTED,
        r"block-? ?list", r"black-? ?list", r"\bdns(?:bl|rbl)s?\b", r"\brbls?\b", r"spamhaus", r"spamcop", r"\bsorbs\b", r"barracudacentral",
        r"uceprotect", r"abuseat", r"abusix", r"senderscore", r"blocked (?:using|by .{0,20}(?:list|rbl))", r"(?<!not )listed (?:at|in|on|by) ",
        r"banned (?:sending )?(?:ip|host)", r"not (?:in|on) (?:the |our |my )?(?:white|allow) ?-?list", r"client host rejected", r"mail from (?:[0-9]{1,3}\.){3}[0-9]{1,3}.{0,20}(?:refus|reject|denied|block)", r"(?:host|ip|country|region|network),? (?:is |are )?not (?:allowed|permitted|welcome)", r"(?:blocked|refused|rejected|denied)\W{1,3}see:? https?", r"\b(?:ip|client host|server|host|network|address ip|ip address)\S{0,40} .{0,40}(?:is |has been |was |est )?(?:blocked|banned|bloquee|blackholed)",
        r"block(?:ed)? (?:your )?(?:ip|host|server|network)", r"(?:refus|reject|block|deny|deni|drop)\w* .{0,20}(?:connections?|(?:e-?)?mail) from (?:your |this )?(?:ip|host|server|network|address)",
        r"your (?:ip|host|network|server|mail server) .{0,60}(?:reject|block|listed|refused|denied|banned)", r"\(bl\)", r"invalid ip for sending", r"access denied.{0,40}(?:ip|host) ",
        r"not accepting connections", r"client host rejected: access denied", r"not allowed to connect", r"intrusion prevention", r"blockedby", r"(?:deny|reject)-? ?list",  r"your access to .{0,60}(?:reject|denied|refused|block)", r"connection (?:refused|rejected|denied) (?:by|due to) (?:policy|security|your)", r"refused to talk to me: 5",
        r"smtp server of your (?:isp|provider)", r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}\W{0,3} (?:is |has been |was )?(?:blocked|banned|listed|rejected)", r"dynamic (?:ip|pool|address)", r"dial-?up", r"residential", r"(?:messages|mail) from \S{1,80} (?:weren't|were not|was not) sent",
    ),
    _any(Cause.REMOTE_FAULT, r"temporary lookup failure", r"\bldap (?:server|error|lookup|fail|query|timeout)", r"procmail", r"maildrop\b", r"mailer error"),
    _any(Cause.EXPIRED, r"envelope (?:has )?expired", r"message too old"),
    _any(
        Cause.LOGIN_BRAKED,
        r"too many (?:failed|unsuccessful|invalid|bad|wrong|incorrect) (?:log-?ins?|auth\w*|passwords?|credentials)", r"too many (?:log-?in|auth\w*|password) (?:fail|error)",
    ),
    _any(
        Cause.RATE_LIMITED,
        r"rate[- ]?limit", r"too many (?:concurrent |simultaneous |open |new )?(?:smtp )?(?:connections|messages from|e-?mails|mails|sessions|deliver)", r"frequency limit",
        r"sending too (?:fast|many|much)", r"unusual rate", r"at a rate", r"throttl", r"unexpected volume", r"too (?:fast|quickly|frequent)", r"frequency .{0,40}limit", r"trop de connexions", r"connection (?:count|frequency) limit", r"excessive volume", r"thread limit", r"too many (?:outgoing |new |mail )?messages\b(?! (?:in|on) )", r"numerous attempts", r"message threshold", r"max(?:imum)? messages? per", r"due to (?:the )?(?:sending )?rate\b",
        r"exceed\w* .{0,30}(?:rate|connections?)", r"(?:connection|session)s? (?:rate|limit)", r"slow down", r"max(?:imum)? (?:number of )?(?:concurrent |simultaneous )?(?:smtp )?connections", r"queue quota",
        r"too much mail\b(?! data)", r"(?:messages|mails|transactions) (?:(?:for|in|per|on|over) (?:one|this|a)|per) (?:connection|session)", r"message rate", r"(?:hourly|outgoing|sending|mail|email|message|connection) (?:(?!size|storage|length)\w{1,12} )?(?:limit|rate|volume) (?:has been |was |is |too )*(?:exceed|reach|high)", r"(?:exceeded|reached) (?:their|your|the|its) (?:\w{1,12} )?limit (?:for|of|on) ", r"(?:too many|number of) .{0,30}outgoing", r"try (?:again )?(?:sending )?slower",
    ),
    _any(
        Cause.BUSY,
        r"write error or disk full", r"not accepting network messages", r"queue (?:is )?full", r"disk of (?:this|the) (?:server|system|host)", r"no (?:space|room) to (?:store|keep|take) ", r"(?:in|not )sufficient (?:system|disk)", r"not enough (?:disk|system)", r"no space left", r"system (?:disk )?(?:is )?full", r"out of (?:disk|memory)",
    ),
    _any(
        Cause.MAILBOX_FULL,
        r"(?:mail ?box|mailfolder|inbox|mail ?drop|account|folder|disk|spool|user|recipient)\S{0,40}(?: \S{1,60}){0,5}? (?:is |are )?(?:over)?full\b", r"full mail ?box", r"over ?-?quota", r"over .{0,20}quota\b",
        r"quota[ -_]?(?:is |has been |was )?(?:exceed|full|reach|violation|over|used)", r"exceed\w* .{0,60}(?:quota|storage|disk|space|mailbox size|mailbox limit|capacity)",
        r"out of (?:storage|space|quota)", r"(?:insufficient|not enough|no|lack of) (?:mail ?box |storage |available )?(?:storage|space|room|quota)\b",
        r"mailbox (?:size|storage|space|quota)", r"storage (?:limit|quota|space|allocation)", r"user is (?:over|out)", r"user has (?:exceeded|too many)", r"too (?:many|much) .{0,30}in (?:the |this |his )?(?:mail ?box|inbox)",
        r"maximum (?:allowed )?storage", r"disk ?quota", r"too much (?:mail )?data", r"(?:space|quota|storage) (?:has been |is )?(?:all )?used up", r"storage (?:is )?full", r"mailbox .{0,80}file too large", r"quota exceeded", r"mail ?box exceeds", r"mailbox .{0,20}(?:quota|exceeded)", r"would exceed", r"exceeds (?:the )?(?:allowed )?quota",
        r"penuh\b", r"\bvoll\b", r"\bllen[oa]\b", r"\bcheia\b", r"\bpleine\b", r"переполнен", r"已满",
    ),
    _any(Cause.REMOTE_FAULT, r"could not be (?:stored|saved|written|queued)", r"storage of \S{1,40} .{0,20}failed", r"something went wrong", r"^\W{0,3}qq (?:temporary|permanent) problem"),
    _any(Cause.PROTOCOL_ERROR, r"too many (?:\w{1,20} )?(?:errors|commands)\b"),
    _any(
        Cause.MALFORMED,
        r"rfc ?-?(?:\(?2|\(?5)?[38]22", r"rfc ?5322", r"not rfc", r"headers? (?:error|too large|too long|is invalid|are invalid|syntax)", r"multiple .{0,40}(?:from|subject|sender|header)", r"duplicate .{0,20}header",
        r"(?:improper|illegal|invalid) (?:use of )?8-?bit", r"8-?bit (?:data|characters?) in", r"(?:bare|stray|lone) (?:lf|cr|line ?feed|newline|carriage)", r"invalid (?:message content|characters?\b)", r"improper(?:ly)?[- ]format", r"invalid (?:mime )?structure", r"unnecessary base64", r"mime complexity", r"message depth", r"too many related", r"(?:missing|has no|without) (?:or invalid |an? )?.{0,20}(?:date|from|to|message-id|header)\b",
        r"malformed(?! (?:or unexpected )?name)", r"invalid header", r"line (?:is )?too long", r"mime[- ](?:error|format|structure|version)", r"badly formed", r"headers? fail", r"invalid mime", r"smtplf\.html", r"(?<!mailbox )address cannot be (?:understood|parsed)", r"media error", r"message format",
    ),
    _any(
        Cause.TOO_LARGE,
        r"(?:message|mail|size|length|body|content|attachment)s?\b.{0,40}(?:too (?:large|big)|(?<!timeout )exceed)", r"(?:message|mail|body) (?:is |was )?too long", r"too (?:large|big)\b", r"max(?:imum)?\.? (?:message |mail |allowed )?size",
        r"message (?:size|length)", r"size limit", r"larger than", r"exceed\w* .{0,30}(?:size|length)", r"fixed maximum", r"taille (?:limite )?du message", r"limit of .{0,12}attachments", r"line limit exceeded",
    ),
    _any(
        Cause.CONTENT_FORBIDDEN,
        r"\bvirus", r"malicious", r"malware", r"infected", r"(?:banned|blocked|forbidden|prohibited|dangerous|illegal|executable|this|disallowed|unsafe) (?:file )?attachment", r"attachment .{0,40}(?:not (?:allowed|accepted|permitted)|block|reject|forbidden|prohibit)",
        r"content presents a potential", r"potential security", r"attachment (?:type|extension)", r"infect\w{1,3}\b", r"executable", r"phish", r"trojan", r"\bworm\b", r"(?:banned|forbidden|prohibited) (?:file|content)", r"bad (?:file|attachment)",
    ),
    _any(
        Cause.RELAY_DENIED,
        r"relay(?:ing)? (?:access |is |mail |operation )?(?:denied|not |prohibited|rejected|refused|attempt|disallowed|forbidden|blocked|from)", r"(?:not (?:permitted|allowed|authori[sz]ed)|unable|refuse[sd]?|cannot|can't|no|denied|deny) (?:to )?(?:mail )?relay", r"(?:do(?:es)?(?: not|n't)|won't|will not) relay",
        r"relay access", r"(?:unauthori[sz]ed|insecure) (?:mail )?relay", r"not configured to relay", r"not a(?:n)? open relay", r"relaying", r"we do not relay", r"\brcpthosts?\b", r"as an? (?:mail )?(?:relay|gateway)", r"not an? (?:mail )?gateway", r"(?:don'?t|do not|does not) (?:handle|host|serve|accept) (?:any )?(?:e-?)?mail for", r"open relay", r"relaying to .{0,80}prohibited", r"not a valid relay", r"not local (?:domain|user|host)",
        r"domain .{0,60}(?:not (?:hosted|handled|local|served|accepted) (?:here|by))", r"mail server is not (?:responsible|configured) for",
    ),
    _any(
        Cause.AUTH_FAILED,
        r"authentication (?:credentials )?(?:is |was )?(?:invalid|failed|failure|unsuccessful|error)", r"(?:invalid|bad|incorrect|wrong) (?:login|credentials|user ?name|password)", r"password not accepted", r"application-specific password",
        r"basic authentication is disabled", r"login (?:failed|denied)", r"auth fail",
    ),
    _any(
        Cause.AUTH_REQUIRED,
        r"(?:auth(?:entication)?|login|log ?in) (?:is )?(?:required|needed|first)", r"must (?:first )?(?:log ?in|authenticate|be authenticated|login)", r"unauthenticated (?:senders?|mail|users?|client|connection)", r"not (?:been )?authenticated", r"smtp auth",
        r"please (?:log ?in|authenticate)", r"without authentication", r"requires? auth", r"you are not authorized", r"authenticate (?:first|yourself)",
    ),
    _any(
        Cause.TLS_REQUIRED,
        r"must issue a starttls", r"\btls only", r"starttls (?:command )?first", r"(?:starttls|tls|ssl|encryption|encrypted connection|secure connection) (?:is |was )?(?:required|mandatory|needed|enforced)", r"requires? (?:a |an |the )?(?:secure|encrypt|tls|starttls|ssl)", r"(?:offer|support|advertise)\w* (?:starttls|tls|encryption).{0,40}(?:require|must)",
        r"not (?:support|offer|advertis)\w* (?:starttls|tls)", r"requires? (?:tls|encryption|high-strength|strong(?:er)? )", r"(?:tls|ssl)[\w./]{0,12} connection required", r"(?:starttls|tls) is required",
    ),
    _any(Cause.TLS_FAILED, r"starttls", r"mta-sts", r"high-strength ciphers", r"\btls\b.{0,40}(?:fail|error|not available|handshake|negotiat|unavailable)", r"certificate", r"ssl (?:handshake|error)", r"handshake fail"),
    _any(Cause.POLICY_RECEIVER, r"for policy reasons?", r"(?:rejected|refused|blocked|denied) by (?:the )?(?:destination|recipient|receiv|user\b)", r"restricted by policy", r"not accepting (?:any )?(?:e-?)?mail with", r"(?:user|recipient) (?:rules|preferences|settings)", r"(?:denied|rejected|refused|blocked) by (?:local |our |a |the |administrative )?polic", r"policy (?:violation|reject)"),
    _any(
        Cause.SENDER_NOT_YOURS,  # Postfix, Microsoft, Kurir: the login does not have this address
        r"not owned by (?:user|account|the )", r"unauthori[sz]ed sender address", r"send ?as ?denied", r"permissions? to send as", r"not (?:allowed|permitted|authori[sz]ed) to send as",
        r"(?:account|you) may not send (?:from|as)",
    ),
    _any(
        Cause.SENDER_REJECTED,
        r"sender (?:address |domain |verify |verification |e-?mail |'?<?\S{1,120}>?'? )?(?:is |was |has been |address |domain )?(?:reject|refus|denied|den(?:y|ied)|invalid|unknown|verify fail|failed|not exist|does not|doesn't|block|could not|not (?:allowed|accepted|valid|found|exist)|unverified|unauthori)",
        r"domain of sender", r"sender (?:e-?mail )?(?:address )?is not", r"(?:fake|forged|spoofed) (?:sender|from)", r"from:? ?domain must", r"\bbatv\b", r"backscatter", r"unsigned (?:dsn|bounce)", r"third-party dsn", r"[eé]metteur invalide", r"unresolvable .{0,20}from domain", r"empty (?:e-?mail )?address", r"invalid dns mx", r"purported responsible",  # Sender ID found no author at all
        r"permission to post", r"(?:unroutable|unrouteable|invalid|bad|unknown|unverifi\w+|forged|illegal) (?:sender|return|from|envelope)", r"sender verif", r"verify (?:the )?sender", r"sender's? (?:domain|address|mail)", r"envelope[- ](?:sender|from)", r"(?:empty|null) (?:sender|envelope|return|reverse)",
        r"(?:return|reverse)[- ]path", r"bounces? (?:are |is )?not accepted", r"mail from .{0,120}(?:reject|refus|denied|not (?:allowed|accepted)|block)", r"from:? (?:address|domain|header).{0,60}(?:reject|refus|denied|not |invalid|block)",
        r"not (?:authori[sz]ed|allowed|permitted) to (?:send|post)", r"does not have permission to (?:send|post)", r"don't have permission to (?:send|post)", r"(?:only|restricted to) .{0,40}(?:members|subscribers|senders)", r"we don't accept mail from", r"not accept(?:ed|ing)? mail from",
        r"no such domain\b.{0,40}\.$", r"sender is (?:not|on)", r"you (?:are|have been) (?:not )?(?:allowed|blocked|authori[sz]ed|permitted)",
    ),
    _any(
        Cause.DISABLED_USER,
        r"(?:account|mail ?box|user|address|recipient|subscriber|customer|alias)\S{0,40}(?: \S{1,60}){0,6}? (?:disabled|inactive|suspended|discontinued|deactivated|deleted|locked|frozen|blocked|closed|expired|on hold|terminated|unavailable\.? for|not active|no longer active|inactivated)",
        r"(?:disabled|inactive|suspended|frozen|locked|closed|expired|deactivated|discontinued|dormant) (?:account|mail ?box|recipient|user|address|e-?mail)", r"(?<!delivery )temporarily (?:disabled|locked|suspended)", r"user .{0,30}not active", r"recipient suspend", r"(?<!delivery )(?:currently|temporar(?:y|ily)) (?:suspended|locked|inactive|frozen)", r"archiv(?:ed|[eé]e?) recipient", r"recipient .{0,20}archiv", r"(?:is|has been|been) (?:now )?(?:suspended|deactivated|terminated)\b", r"> is (?:now )?disabled", r"account not activated", r"user hang ?up", r"\bcompte .{0,40}bloqu", r"account (?:is )?(?:not available|disabled)",
        r"domain .{0,30}(?:has been |is )?(?:suspended|expired|disabled)", r"dinonaktifkan", r"ditangguhkan", r"deaktiviert", r"gesperrt", r"deshabilitad", r"desativad", r"boite du destinataire archivee", r"vacation mode",
    ),
    _any(
        Cause.UNKNOWN_DOMAIN,
        r"type=\w{1,5}: host not found(?!, try)", r"dns records? .{0,60}not be found", r"no mx (?:record|host)s? (?:was |were )?found", r"(?:account or )?domain may not exist",
    ),
    _any(
        Cause.DNS_FAILURE,
        r"(?:dns|mx|name ?server|host ?name|name) (?:type '\w+' )?(?:lookup|query|resolution|server|service) (?:failed|failure|error|timed? ?out|temporar|of \S{1,80} (?:responded with code (?:servfail|noerror|refused)|had no relevant))", r"servfail", r"host lookup", r"dns (?:error|failure|failed|timeout|problem|server)", r"no relevant answers",
        r"(?:unable|failed|could not|cannot|can't) (?:to )?(?:resolve|lookup|look up|find (?:mx|dns|address))", r"temporary (?:dns|name|resolution)", r"name server timeout", r"(?:malformed|unexpected) name ?server", r"host name lookup failure", r"dns query failed", r"problem (?:with|resolving) dns",
        r"lowest numbered mx", r"config(?:uration)? error: mx", r"mx (?:list|record|points)", r"all (?:relevant )?mx",
    ),
    _any(
        Cause.UNKNOWN_DOMAIN,
        r"(?:domain|host)(?: name| part)? (?:was |is |does |has |could )?(?:not (?:be )?(?:found|exist|known|valid|resolve)|unknown|invalid|doesn't exist|nonexistent|non-existent)", r"(?:nxdomain|no such (?:domain|host)|unknown (?:host|domain)|unrout(?:e)?able (?:mail )?domain|host unknown)",
        r"(?:bad|illegal|invalid) (?:destination )?(?:host|system|domain|mailbox$)", r"name or service not known", r"domain (?:is )?not reachable", r"couldn't find (?:a mail exchanger|any host)", r"no mx\b", r"domain .{0,80}(?:does not exist|doesn't exist|not found|can't be found|couldn't be found|not reachable|is invalid)", r"non-?existent (?:host|domain)", r"couldn't find any host named", r"cannot find .{0,40}(?:domain|host)",
        r"responded with code nxdomain", r"recipient address must contain a domain", r"domain (?:isn't|is not) (?:found|valid|known)", r"host/domain", r"domain must exist", r"domain .{0,60}(?:is|was) unknown", r"we (?:couldn't|could not) find the recipient domain",
    ),
    _any(
        Cause.UNKNOWN_USER,
        r"(?:user|recipient|mail ?box|account|address|addressee|alias|customer|person|name|email|member|subscriber|list|local part|username)(?:e?s\b)?(?: address| name| account| id|:|\(s\)){0,3}(?:'?s?)? .{0,60}?(?:unknown|not (?:be )?(?:found|present|exist|known|valid|listed|local|registered|recogni[sz]ed|here|have)|does(?: not|n't) exist|doesn't|is invalid|isn't|not a valid|was not found|couldn't be found|non-?existent|not in our)",
        r"(?:no such|unknown|invalid|bad|nonexist\w+|non-existent|undefined|unrecogni[sz]ed|illegal|wrong|incorrect|no)[ -](?:valid )?(?:local )?(?:virtual )?(?:user|recipient|mail ?box|account|address|addressee|alias|customer|person|mail|e-?mail|name|member|destinat\w+|local[ -]?part|id)(?:e?s)?\b",
        r"(?:not|isn't) (?:our|a (?:known|valid|registered|local|current)|an? (?:existing|active)) .{0,20}(?:user|customer|recipient|mailbox|address|account|subscriber)", r"not (?:our|a) (?:user|customer|member)", r"mail ?box (?:\S{1,80} )?(?:is )?(?:currently )?(?:un ?avai\w{1,6}ble\b|not available|invalid)", r"(?:recipient|mail ?box|user|rcpt)s?(?: \S{1,80})? (?:is |are )?not (?:accepted|ok|allowed|permitted)\b", r"account is not allowed", r"bad ?-?rcpt", r"(?:bad|valid)recipient", r"validrcpt", r"recipient (?:refuses to|has been denied)", r"rejected (?:the |all )?recipients?\b", r"(?:recipient|address|user) (?:could not|cannot|can't) be verified", r"(?:missing|no) home dir", r"has been replaced by", r"\bin (?:the |our )?(?:name |user )?(?:directory|address book)", r"lookup .{0,40}domain map", r"path no exist", r"address (?:rejected|invalid|unknown|error|not found|failed)", r"user (?:unknown|not found|reject|does)", r"recipient (?:rejected|unknown|not found|invalid|reject|no longer|address rejected)",
        r"recipient address(?:es)? rejected", r"(?:recipient|user|account) unavailable", r"invalid (?:final )?(?:delivery )?user", r"bad destination mailbox", r"does not exist", r"doesn't exist", r"no mail ?box", r"no longer (?:on|at|with|valid|works?|available|here|in use|exists?)", r"has moved", r"has left", r"not found in", r"^\W{0,3}\S{1,320}>?:? not found", r"there is no one", r"destinataire inv", r"unrout(?:e)?able address", r"undeliverable address", r"not listed in", r"(?:can't|cannot|could not|unable to) (?:find|locate) (?:user|recipient|mail ?box|address|that)", r"left (?:the |our )?(?:company|organi[sz]ation)",
        r"does(?: not|n't) have an? \S{1,60} account", r"unknown or illegal", r"not known (?:here|at)", r"nosuchuser", r"to an? (?:invalid|unknown|nonexistent)", r"delivery to the following recipients? failed permanently", r"this address (?:no longer|is not|is no)", r"\bnot? (?:one|body) by that name", r"tidak (?:ditemukan|dikenal|ada|terdaftar)", r"unbekannt", r"\binconnu", r"desconocid", r"desconhecid", r"sconosciut", r"inexist", r"\b(?:non?|n\W?) ?(?:existe|esiste)", r"existiert nicht", r"nicht gefunden", r"bestaat niet", r"onbekende", r"nie istnieje", r"nessun utente", r"n[aã]o encontrad", r"no encontrad", r"introuvable", r"не (?:найден|существует)", r"(?:用户|用戶|邮箱|信箱|收件人|帐号|账号).{0,10}不存在", r"isn't (?:known|recognized|valid)", r"not our",
    ),
    _any(Cause.TIMEOUT, r"session has lasted", r"timed? ?-?out", r"timeout", r"no (?:response|answer|reply)", r"not respond"),
    _any(
        Cause.UNREACHABLE,
        r"connection refused", r"no route to host", r"unreachable", r"(?:could not|couldn't|unable to|cannot|can't|failed to|not) (?:be )?(?:connect|contact|reach|establish|open|make a connection)", r"did not accept our requests to connect", r"host is down", r"connect(?:ion)? (?:failed|attempt|to \S{1,80} failed)", r"network (?:is |was )?(?:down|error|problem)", r"connection (?:was )?(?:error|problem|failure)", r"failed to connect", r"(?:not|n't|unable) (?:been )?(?:able )?to (?:establish|connect|contact|reach)", r"could not find a gateway", r"no (?:valid )?hosts?\b", r"not (?:be )?reachable", r"network",
    ),
    _any(
        Cause.CONNECTION_LOST,
        r"connection (?:was |has been )?(?:dropped|closed|lost|reset|broken|terminated|aborted|shutdown)", r"lost connection", r"broken pipe", r"unexpected(?:ly)? (?:eof|close|disconnect|connection)", r"remote (?:server|host|side) (?:closed|hung|dropped)", r"connection died", r"disconnected", r"error encountered while communicating", r"conversation with .{0,80}(?:timed|lost|fail)",
    ),
    _any(
        Cause.EXPIRED,
        r"(?:message|mail|queue|delivery|retry|time|timeout|lifetime)\S{0,40} .{0,30}(?:expired|timeout exceeded|time limit|too long|exceeded)", r"message expired", r"delivery (?:time )?expired", r"retry (?:timeout|time not reached)", r"been in the queue", r"queued? (?:for )?too long",
        r"(?:undeliverable|could not be delivered|cannot be delivered|unable to deliver|not (?:been )?delivered|not deliver) .{0,60}(?:for|after|in|within|more than) (?:\S{1,60} )?\d{1,6}(?:\.\d{1,6})? ?(?:hour|day|minute|second|hr|week|d\b|h\b)", r"giving up", r"(?:has been|is|was) delayed", r"delivery attempts? will", r"failed to deliver to", r"could not be delivered for", r"connection expired", r"not been collected after", r"not reachable within", r"aborted after \d", r"undelivered after \d", r"failing for a long time", r"failed \d{1,4} attempts", r"gave up", r"too old", r"unable to deliver .{0,40}(?:hours|days|minutes)", r"for too long", r"for (?:more than |the last |over )?\d{1,6} (?:days|hours)", r"(?:message|mail) (?:has )?expired", r"delivery retry", r"after (?:multiple|several|many|repeated|\d{1,4}) (?:retries|attempts|tries)", r"too many (?:failures|attempts|retries|delivery attempts)",
        vague=True,
    ),
    _any(
        Cause.REMOTE_FAULT,
        r"internal (?:server |software |system )?(?:error|failure)", r"local (?:error|configuration|problem)", r"system (?:error|problem|failure|config)", r"config(?:uration)? (?:error|problem)", r"procmail", r"mailer (?:error|failed|exit)", r"\bpipe\b", r"i/o error", r"system call", r"write error", r"misconfigur", r"\berror (?:while|during|occurred|reading|writing)", r"upstream error", r"unable to process", r"ended early", r"is no mdb", r"licen[cs]e (?:has )?expired", r"(?:can't|cannot|couldn't|could not|unable to|error|failed to) (?:open|create|write|read|load|store|save|access|append|lock|chdir|process|exec|complete|accept)", r"permission denied", r"operating system error", r"exit (?:status|code)", r"exited", r"command (?:died|failed|output|line|time)",
        r"ldap", r"database", r"lmtp", r"mda\b", r"deliver(?:y)? error", r"service (?:currently |temporarily )?(?:unavailable|error)", r"server error", r"recipient error", r"timeout in milter", r"software error", r"out of memory", r"no child", r"program", r"died", r"mail system (?:error|problem|fail)", r"transport (?:error|failed)", r"sigkill|signal",
        vague=True,
    ),
    _any(
        Cause.PROTOCOL_ERROR,
        r"syntax error", r"command (?:not |was not |is not )?(?:implemented|recogni[sz]ed|unrecogni[sz]ed|parameter|unknown|unexpected|out of|syntax)", r"(?:improper|bad|wrong|invalid) (?:command )?sequence", r"sequence of commands", r"pipelin", r"unrecogni[sz]ed (?:command|parameter)", r"unsupported (?:command|parameter)", r"(?:helo|ehlo) .{0,40}(?:reject|required|invalid|first)", r"parameter not", r"arguments?",
        vague=True,
    ),
    _any(
        Cause.BUSY,
        r"\bbusy\b", r"try (?:again )?(?:later|in)", r"(?:re)?try later", r"temporar", r"overload", r"load (?:average|too)", r"not (?:currently )?accepting", r"not available", r"unavailable", r"resources", r"maintenance", r"closing (?:transmission|connection)", r"too much load", r"later\b",
        vague=True,
    ),
    _any(Cause.CONTENT_SPAM, r"spam", r"\bube\b", r"\buce\b", r"\bbulk\b", r"junk", r"unsolicited", r"advertis"),
    _any(Cause.BLOCKLISTED, r"\byour ip\b"),
    # Nothing but "no": about us rather than about a message or a recipient, which would be named
    _any(Cause.BLOCKLISTED, r"^(?:connection )?(?:rejected|denied|refused|blocked|go away)\W{0,3}$", vague=True),
    _any(
        Cause.POLICY_RECEIVER,
        r"polic(?:y|ies)", r"denied", r"prohibit", r"not (?:allowed|permitted|authori[sz]ed|accepted)", r"security", r"preferences", r"filter", r"refus", r"reject", r"block", r"violat", r"disallow", r"unacceptable", r"restricted", r"content",
        vague=True,
    ),
)  # fmt: skip
