"""Words about how much and how fast: rates, full disks and mailboxes, and the delivery programs that tell of them."""

from kurir.model import Cause

from .rule import TextRule, said

ROOM: tuple[TextRule, ...] = (
    said(
        Cause.REMOTE_FAULT,
        r"temporary lookup failure", r"(?:contact|connect|reach|query|open)\w{0,4} (?:\S{1,12} )?ldap", r"\bldap (?:server|error|lookup|fail|query|timeout)",
    ),
    said(Cause.REMOTE_FAULT, r"command time limit", r"program time limit", r"delivery process timed out", r"command timed out"),
    said(Cause.MAILBOX_FULL, r"has too (?:many (?:e-?mails?|messages)|much (?:mail|data))"),
    said(Cause.EXPIRED, r"delivery (?:time )?expired", r"envelope (?:has )?expired", r"message too old", r"max(?:imum)? (?:number of )?delivery attempts"),
    said(
        Cause.LOGIN_BRAKED,
        r"too many (?:failed|unsuccessful|invalid|bad|wrong|incorrect) (?:log-?ins?|auth\w*|passwords?|credentials)",
        r"too many (?:log-?in|auth\w*|password) (?:fail|error)",
    ),
    said(
        Cause.RATE_LIMITED,
        r"rate[- ]?limit", r"too many (?:concurrent |simultaneous |open |new )?(?:smtp )?(?:connections|messages from|e-?mails|mails|sessions|deliver)",
        r"frequency limit", r"too many .{0,30}from (?:your|this) (?:ip|host|server|address)", r"sending too (?:fast|many|much)", r"unusual rate", r"at a rate", r"throttl", r"unexpected volume",
        r"too (?:fast|quickly|frequent)", r"frequency .{0,40}limit", r"trop de connexions", r"connection (?:count|frequency) limit",
        r"excessive volume", r"thread limit", r"too many (?:outgoing |new |mail )?messages\b(?! (?:in|on) )", r"numerous attempts(?! (?:to|at) (?:re)?(?:deliver|send))",
        r"message threshold", r"max(?:imum)? messages? per", r"due to (?:the )?(?:sending )?rate\b", r"exceed\w* .{0,30}(?:rate|connections?)",
        r"(?:connection|session)s? (?:rate|limit)", r"slow down", r"max(?:imum)? (?:number of )?(?:concurrent |simultaneous )?(?:smtp )?connections",
        r"queue quota", r"\brate\b.{0,50} exceeded", r"too much mail\b(?! data| stored)",
        r"(?:messages|mails|transactions) (?:(?:for|in|per|on|over) (?:one|this|a)|per) (?:connection|session)", r"message rate",
        r"(?:hourly|outgoing|sending|mail|email|message|connection) (?:(?!size|storage|length)\w{1,12} )?(?:limit|rate|volume) (?:has been |was |is |too )*(?:exceed|reach|high)",
        r"(?:exceeded|reached) (?:their|your|the|its) (?:\w{1,12} )?limit (?:for|of|on) ", r"(?:too many|number of) .{0,30}outgoing",
        r"try (?:again )?(?:sending )?slower",
    ),
    said(
        Cause.BUSY,
        r"write error or disk full", r"not accepting network messages", r"queue (?:is )?full", r"disk of (?:this|the) (?:server|system|host)",
        r"no (?:space|room) to (?:store|keep|take) ", r"(?:in|not )sufficient (?:system|disk)", r"not enough (?:disk|system)", r"(?<!user has )(?<!box has )no space left",
        r"system (?:disk )?(?:is )?full", r"out of (?:disk|memory)",
    ),
    said(
        Cause.MAILBOX_FULL,
        r"(?:mail ?box|mailfolder|inbox|mail ?drop|account|folder|disk|spool|user|recipient)\S{0,40}(?: \S{1,60}){0,5}? (?:is |are )?(?:over)?full\b",
        r"full mail ?box", r"overdrawn", r"(?:does not|doesn't|do not) have (?:enough|sufficient) .{0,30}(?:space|storage|room)", r"over ?-?quota", r"over .{0,20}quota\b", r"quota[ -_]?(?:is |has been |was )?(?:exceed|full|reach|violation|over|used)",
        r"exceed\w* .{0,60}(?:quota|storage|disk|space|mailbox size|mailbox limit|capacity)", r"out of (?:storage|space|quota)",
        r"(?:recipient|mail ?box|account|user) (?:is )?over (?:its |his |the )?(?:size |storage )?limit",
        r"(?:insufficient|not enough|no|no more|lack of) (?:mail ?box |storage |available )?(?:storage|space|room|quota)\b",
        r"mail ?box (?:size|storage|space|quota|limit)", r"storage (?:limit|quota|space|allocation)", r"user is (?:over|out)",
        r"user has (?:exceeded|too many)", r"too (?:many|much) .{0,30}in (?:the |this |his )?(?:mail ?box|inbox)", r"maximum (?:allowed )?storage", r"messages exceed.{0,60}mail ?box",
        r"disk ?quota", r"too much (?:mail )?data", r"too much mail stored", r"space not enough", r"(?:space|quota|storage) (?:has been |is )?(?:all )?used up", r"storage (?:is )?full",
        r"mailbox .{0,80}file too large", r"quota exceeded", r"mail ?box exceeds", r"mail ?box .{0,20}exceed", r"mail ?box .{0,60}(?:quota|limit)", r"would exceed",
        r"exceeds (?:the )?(?:allowed )?quota", r"penuh\b", r"\bvoll\b", r"\bllen[oa]\b", r"\bcheia\b", r"\bpleine\b", r"переполнен", r"已满", r"いっぱい", r"満杯", r"容量.{0,12}(?:超|不足)",
    ),
    # The name of a delivery program says who speaks, not why: a full mailbox is asked for first
    said(
        Cause.REMOTE_FAULT,
        r"procmail", r"maildrop\b", r"mailer error",
        r"could not be (?:stored|saved|written|queued)", r"error in processing", r"cannot allocate memory", r"storage of \S{1,40} .{0,20}failed", r"something went wrong",
        r"^\W{0,3}qq (?:temporary|permanent) problem", r"unable to forward message", r"mail transport (?:error|unavailable|fail)", r"local delivery failed",
        r"mta failure", r"delivery to (?:file|pipe|filter|directory) forbidden", r"broken alias", r"alias(?:es)? (?:file|database)", r"file has been locked", r"home directory is", r"\bx bit set",
    ),
)  # fmt: skip
