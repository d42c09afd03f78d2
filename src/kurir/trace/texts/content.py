"""Words about the message itself: its form, its size, what is attached to it."""

from kurir.model import Cause

from .rule import TextRule, said

CONTENT: tuple[TextRule, ...] = (
    said(Cause.PROTOCOL_ERROR, r"too many (?:\w{1,20} )?(?:errors|commands)\b"),
    said(
        Cause.MALFORMED,
        r"rfc ?-?(?:\(?2|\(?5)?[38]22", r"rfc ?5322", r"\bno \S{1,30} (?:field|header)\b", r"not rfc", r"headers? (?:error|too large|too long|is invalid|are invalid|syntax)",
        r"multiple .{0,40}(?:from|subject|sender|header)", r"duplicate .{0,20}header", r"(?:improper|illegal|invalid) (?:use of )?8-?bit",
        r"8-?bit (?:data|characters?) in", r"(?:bare|stray|lone) (?:lf|cr|line ?feed|newline|carriage)", r"(?:invalid|illegal) (?:message content|characters?\b)", r"invalidchar",
        r"improper(?:ly)?[- ]format", r"invalid (?:mime )?structure", r"unnecessary base64", r"mime complexity", r"message depth", r"too many related",
        r"(?:missing|has no|without) (?:or invalid |an? )?.{0,20}(?:date|from|to|message-id|header)\b", r"malformed(?! (?:or unexpected )?(?:dns|name))",
        r"invalid header", r"lines? (?:is |are )?too long", r"(?:maximum|allowed|exceed\w*) .{0,20}line length", r"mime[- ](?:error|format|structure|version|label|encod|header|type)", r"badly formed", r"headers? fail", r"invalid mime",
        r"smtplf\.html", r"(?<!mailbox )address cannot be (?:understood|parsed)", r"media error", r"message format",
    ),
    said(Cause.NEEDS_SMTPUTF8, r"smtputf8 (?:is )?(?:required|needed|not )", r"support\w* smtputf8", r"require\w* smtputf8", r"internationali[sz]ed (?:e-?mail )?address"),
    said(Cause.NEEDS_8BIT, r"body type not supported", r"conver\w{1,5} (?:from )?8-?bit", r"8bitmime", r"binarymime"),
    said(
        Cause.TOO_LARGE,
        r"(?:message|mail|size|length|body|content|attachment)s?\b.{0,40}(?:too (?:large|big)|(?<!timeout )exceed)",
        r"(?:message|mail|body) (?:is |was )?too long", r"too (?:large|big)\b", r"max(?:imum)?\.? (?:message |mail |allowed )?size",
        r"message (?:size|length)", r"size limit", r"larger than", r"exceed\w* .{0,30}(?:size|length)", r"fixed maximum",
        r"taille (?:limite )?du message", r"limit of .{0,12}attachments", r"line limit exceeded",
    ),
    said(
        Cause.CONTENT_FORBIDDEN,
        r"(?<!scanned for )(?<!scanned for all )(?<!checked for )(?<!for known )(?<!no )\bvirus(?!wall|[ -]?free)", r"malicious", r"malware", r"infected",
        r"(?:banned|blocked|forbidden|prohibited|dangerous|illegal|executable|this|disallowed|unsafe) (?:file )?attachment",
        r"attachment .{0,40}(?:not (?:allowed|accepted|permitted)|block|reject|forbidden|prohibit)", r"content presents a potential",
        r"potential security", r"attachment (?:type|extension)", r"infect\w{1,3}\b", r"executable", r"phish", r"trojan", r"\bworm\b",
        r"(?:banned|forbidden|prohibited) (?:file|content)", r"bad (?:file|attachment)",
    ),
)  # fmt: skip
