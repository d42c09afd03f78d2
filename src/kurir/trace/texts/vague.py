"""Words that are said of everything, asked last: any code that says something precise comes before most of them."""

from kurir.model import Cause

from .rule import TextRule, said

VAGUE: tuple[TextRule, ...] = (
    said(
        Cause.EXPIRED,
        r"(?:message|mail|queue|delivery|retry|time|timeout|lifetime)\S{0,40} .{0,30}(?:expired|timeout exceeded|time limit|too long|exceeded)",
        r"message expired", r"retry (?:timeout|time not reached)", r"been in the queue", r"queued? (?:for )?too long",
        r"(?:undeliverable|could not be delivered|cannot be delivered|unable to deliver|not (?:been )?delivered|not deliver) .{0,60}(?:for|after|in|within|more than) (?:\S{1,60} )?\d{1,6}(?:\.\d{1,6})? ?(?:hour|day|minute|second|hr|week|d\b|h\b)",
        r"giving up", r"(?:after|for|within|past)(?<!again after)(?<!again within)(?! up to| the next| another) (?:\S{1,20} ){0,2}\d{1,4}(?:\.\d)? ?(?:hour|day|attempt|tries|retries)", r"for an? (?:very )?long (?:time|period)", r"attempted repeatedly", r"(?:has been|is|was) delayed", r"delivery attempts? will", r"failed to deliver to", r"could not be delivered for",
        r"connection expired", r"not been collected after", r"not reachable within", r"aborted after \d", r"undelivered after \d",
        r"failing for a long time", r"failed \d{1,4} attempts", r"gave up", r"too old", r"unable to deliver .{0,40}(?:hours|days|minutes)",
        r"for too long", r"for (?:more than |the last |over )?\d{1,6} (?:days|hours)", r"(?:message|mail) (?:has )?expired", r"delivery retry",
        r"after (?:multiple|several|many|repeated|\d{1,4}) (?:retries|attempts|tries)", r"too many (?:failures|attempts|retries|delivery attempts)",
        vague=True,
    ),
    said(
        Cause.REMOTE_FAULT,
        r"internal (?:server |software |system )?(?:error|failure)", r"local (?:error|configuration|problem)",
        r"system (?:error|problem|failure|config)", r"config(?:uration)? (?:error|problem)", r"procmail", r"mailer (?:error|failed|exit)", r"\bpipe\b",
        r"i/o error", r"system call", r"write error", r"misconfigur", r"\berror (?:while|during|occurred|reading|writing)", r"upstream error",
        r"unable to process", r"ended early", r"is no mdb", r"licen[cs]e (?:has )?expired",
        r"(?:can't|cannot|couldn't|could not|unable to|error|failed to) (?:open|create|write|read|load|retrieve|store|save|access|append|lock|chdir|process|exec|complete|accept)",
        r"permission denied", r"operating system error", r"several matches", r"(?:is )?not unique", r"exit (?:status|code)", r"exited", r"command (?:died|failed|output|line|time)", r"ldap",
        r"database", r"lmtp", r"mda\b", r"deliver(?:y)? error", r"service (?:currently |temporarily )?(?:unavailable|error)", r"server error",
        r"recipient error", r"timeout in milter", r"software error", r"data format error", r"critical os file", r"no such file", r"out of memory", r"no child", r"program", r"died",
        r"mail system (?:error|problem|fail)", r"transport (?:error|failed)", r"sigkill|signal",
        vague=True,
    ),
    said(
        Cause.PROTOCOL_ERROR,
        r"syntax error", r"command (?:not |was not |is not )?(?:implemented|recogni[sz]ed|unrecogni[sz]ed|parameter|unknown|unexpected|out of|syntax)",
        r"(?:improper|bad|wrong|invalid) (?:command )?sequence", r"sequence of commands", r"pipelin", r"unrecogni[sz]ed (?:command|parameter)",
        r"unsupported (?:command|parameter)", r"(?:helo|ehlo) .{0,40}(?:reject|required|invalid|first)", r"parameter not", r"protocol error", r"error in protocol", r"arguments?",
        vague=True,
    ),
    said(
        Cause.BUSY,
        r"\bbusy\b", r"try (?:again )?(?:later|in)", r"(?:re)?try later", r"temporar", r"overload", r"load (?:average|too)",
        r"not (?:currently )?accepting", r"not available", r"unavailable", r"resources", r"maintenance", r"closing (?:transmission|connection)", r"not presently",
        r"too much load", r"later\b",
        vague=True,
    ),
    said(Cause.CONTENT_SPAM, r"\bspam", r"\bube\b", r"\buce\b", r"\bbulk\b", r"junk", r"unsolicited", r"advertis(?:e?ment|ing)"),
    said(Cause.BLOCKLISTED, r"\byour ip\b"),
    said(
        Cause.BLOCKLISTED,  # a server's address beside a refusal
        r" ips?\b.{0,40}(?:block|bann|reject|refus|den[iy]|listed|invalid|forbidden)",
        *(rf"{no}\S{{0,6}} .{{0,40}}\bips?\b" for no in ("block", "bann", "reject", "refus", "deni", "deny", "listed", "invalid", "forbidden")),
        vague=True,
    ),
    said(Cause.TLS_FAILED, r"tls\b", r"ssl\b", vague=True),
    # Nothing but "no": about us rather than about a message or a recipient, which would be named
    said(Cause.BLOCKLISTED, r"^(?:connection )?(?:rejected|denied|refused|blocked|go away)\W{0,3}$", r"but (?:greeting failed|my name was rejected)", vague=True),
    said(
        Cause.POLICY_RECEIVER,
        r"polic(?:y|ies)", r"denied", r"prohibit", r"not (?:allowed|permitted|authori[sz]ed|accepted)", r"security", r"preferences", r"filter",
        r"refus", r"reject", r"block", r"violat", r"disallow", r"unacceptable", r"\brestrict(?:ed|ion)", r"受信.{0,2}拒否", r"content",
        vague=True,
    ),
)  # fmt: skip
