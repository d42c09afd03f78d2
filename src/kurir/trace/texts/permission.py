"""Words about what we may do: relay, log in, use TLS, write as this sender, write to this recipient."""

from kurir.model import Cause

from .rule import TextRule, said

PERMISSION: tuple[TextRule, ...] = (
    said(
        Cause.RELAY_DENIED,
        r"is not hosted (?:here|by|on)", r"relay(?:ing)? (?:access |is |mail |operation )?(?:denied|not |prohibited|rejected|refused|attempt|disallowed|forbidden|blocked|from)",
        r"(?:not (?:permitted|allowed|authori[sz]ed)|unable|refuse[sd]?|cannot|can't|no|denied|deny) (?:to )?(?:mail )?relay",
        r"(?:do(?:es)?(?: not|n't)|won't|will not) relay", r"relay access", r"(?:unauthori[sz]ed|insecure) (?:mail )?relay", r"not configured to relay",
        r"not a(?:n)? open relay", r"relaying", r"we do not relay", r"delivery is not allowed to", r"\brcpthosts?\b", r"as an? (?:mail )?(?:relay|gateway)",
        r"not an? (?:mail )?gateway", r"(?:don'?t|do not|does not) (?:handle|host|serve|accept) (?:any )?(?:e-?)?mail for", r"open relay",
        r"relaying to .{0,80}prohibited", r"not a valid relay", r"not local (?:domain|user|host)",
        r"(?:domain|address) .{0,60}(?:not (?:hosted|handled|local|served|accepted) (?:here|by))", r"mail server is not (?:responsible|configured) for",
        r"not accept(?:ed|ing)? (?:mail )?for (?:this|that) domain",
    ),
    said(
        Cause.AUTH_FAILED,
        r"authentication (?:credentials )?(?:is |was )?(?:invalid|failed|failure|unsuccessful|error)",
        r"(?:invalid|bad|incorrect|wrong) (?:login|credentials|user ?name|password)", r"password not accepted", r"application-specific password",
        r"basic authentication is disabled", r"login (?:failed|denied)", r"auth fail", r"unable to authenticate", r"not (?:support|offer|advertis)\w* (?:smtp )?auth",
    ),
    said(
        Cause.AUTH_REQUIRED,
        r"(?:auth(?:entication)?|login|log ?in) (?:is )?(?:required|needed|first)", r"must (?:first )?(?:log ?in|authenticate|be authenticated|login)",
        r"unauthenticated (?:senders?|mail|users?|client|connection)", r"not (?:been )?authenticated", r"smtp auth", r"please (?:log ?in|authenticate)",
        r"without authentication", r"requires? auth", r"you are not authorized", r"authenticate (?:first|yourself)", r"(?:receive|check|fetch|read|pop) (?:your )?(?:e?-?mail|pop3?) (?:first|before)", r"pop ?-?(?:3 )?before ?-?smtp",
    ),
    said(
        Cause.TLS_REQUIRED,
        r"must issue a starttls", r"\btls only", r"starttls (?:command )?first",
        r"(?:starttls|tls|ssl|encryption|encrypted connection|secure connection) (?:is |was )?(?:required|mandatory|needed|enforced)",
        r"requires? (?:a |an |the )?(?:secure|encrypt|tls|starttls|ssl)",
        r"(?:offer|support|advertise)\w* (?:starttls|tls|encryption).{0,40}(?:require|must)", r"not (?:support|offer|advertis)\w* (?:starttls|tls)",
        r"requires? (?:tls|encryption|high-strength|strong(?:er)? )", r"(?:tls|ssl)[\w./]{0,12} connection required", r"(?:starttls|tls) is required",
    ),
    said(
        Cause.TLS_FAILED,
        r"starttls", r"mta-sts", r"high-strength ciphers", r"\btls\b.{0,40}(?:fail|error|not available|handshake|negotiat|unavailable)", r"certificate",
        r"ssl (?:handshake|error|context|negotiat)", r"handshake fail",
    ),
    said(
        Cause.POLICY_RECEIVER,
        r"for policy reasons?", r"(?:rejected|refused|blocked|denied) by (?:the )?(?:destination|recipient|receiv|user\b)", r"restricted by policy",
        r"not accepting (?:any )?(?:e-?)?mail with", r"(?:user|recipient) (?:rules|preferences|settings)",
        r"(?:denied|rejected|refused|blocked) by (?:local |our |a |the |administrative )?polic", r"policy (?:violation|reject)",
    ),
    said(
        Cause.SENDER_NOT_YOURS,  # Postfix, Microsoft, Kurir: the login does not have this address
        r"not owned by (?:user|account|the )", r"unauthori[sz]ed sender address", r"must (?:be (?:the )?same|match) .{0,40}(?:auth|login|user)", r"send ?as ?denied", r"permissions? to send as",
        r"not (?:allowed|permitted|authori[sz]ed) to send as", r"(?:account|you) may not send (?:from|as)",
    ),
    said(
        Cause.SENDER_REJECTED,
        r"sender (?:address |domain |verify |verification |e-?mail |'?<?\S{1,120}>?'? )?(?:is |was |has been |address |domain )?(?:reject|refus|denied|den(?:y|ied)|invalid|unknown|verify fail|failed|not exist|does not|doesn't|block|could not|not (?:allowed|accepted|valid|found|exist)|unverified|unauthori)",
        r"domain of (?:the )?sender", r"\bsender(?:'s)? domain\b", r"sender (?:e-?mail )?(?:address )?is not", r"(?:fake|forged|spoofed) (?:sender|from)", r"from:? ?domain must",
        r"\bbatv\b", r"domain name (?:is )?required", r"\bforgery\b", r"only accepts? (?:e?-?mails?|messages) from", r"allowed senders list", r"valid mx for sender", r"mail from domain", r"sender .{0,30}invalid format", r"you(?: a|\')re not (?:a )?(?:subscribed|member)", r"may not have permission", r"^\W{0,3}verification failed for", r"backscatter", r"unsigned (?:dsn|bounce)", r"third-party dsn", r"[eé]metteur invalide", r"unresolvable .{0,20}from domain",
        r"empty (?:e-?mail )?address", r"invalid dns mx", r"purported responsible",  # Sender ID found no author at all
        r"permission to post", r"(?:unroutable|unrouteable|invalid|bad|unknown|unverifi\w+|forged|illegal) (?:sender|return|from|envelope)",
        r"sender verif", r"verify (?:the )?sender", r"sender's? (?:domain|address|mail)", r"envelope[- ](?:sender|from)",
        r"(?:empty|null) (?:sender|envelope|return|reverse)", r"(?:return|reverse)[- ]path", r"bounces? (?:are |is )?not accepted",
        r"mail from .{0,120}(?:reject|refus|denied|not (?:allowed|accepted)|block)",
        r"from:? (?:address|domain|header).{0,60}(?:reject|refus|denied|not |invalid|block)",
        r"not (?:authori[sz]ed|allowed|permitted) to (?:send|post)", r"do(?:es)?(?: not|n't) have permission to (?:send|post)",
        r"(?:only|restricted to) .{0,40}(?:members|subscribers|senders)", r"we don't accept mail from",
        r"not accept(?:ed|ing)? mail from", r"sender is (?:not|on)", r"sender (?:has )?not (?:been )?(?:yet )?(?:pre-?)?(?:approved|authori[sz]ed|registered|white)",
        r"you (?:are|have been) (?:not )?(?:allowed|blocked|authori[sz]ed|permitted)",
    ),
)  # fmt: skip
