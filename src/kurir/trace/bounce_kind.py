"""Says what a message is: a bounce, a warning, a report of success, a complaint, an automatic reply, or nothing of that.

Decided by its outer fields, the types of its parts and the first lines.
"""

import re
from enum import Enum

from .bounce_json import notice_of
from .mailparts import Mail, decoded, first


class Kind(str, Enum):
    """What the pasted text is."""

    REPLY = "reply"  # one reply or log line
    BOUNCE = "bounce"  # a returned message
    DELAYED = "delayed"  # a warning: the other server still tries
    DELIVERED = "delivered"  # a report of success
    COMPLAINT = "complaint"  # a recipient called it unwanted (RFC 5965)
    AUTO_REPLY = "auto_reply"  # somebody is away (RFC 3834)
    NOTHING = "nothing"  # neither: nothing to explain


_NOTIFIER = re.compile(
    r"mailer-?daemon|\bmdaemon|post_?master|mail delivery|mail administrator|mailgate|bounce", re.IGNORECASE
)
_SUBJECT = re.compile(
    r"undeliver|user unknown|delivery (?:status|fail|report|error|problem|has failed)|returned (?:mail|message)|fail(?:ure|ed)|non ?remis|not be delivered|"
    r"could not (?:be )?(?:send|deliver|sent)|mail (?:system )?error|bounce|rejected|warning: could not|nondeliver|delayed|loop alert|unzustellbar|"
    r"message (?:not|could|status)|delivery notification|notification d|non-?delivery|not delivered|unable to deliver|mail failure|can(?:no|')t deliver|nicht zustellbar|"
    r"(?:no se (?:puede|pudo|ha podido)|n[aã]o (?:foi possível|é possível|pôde)|impossible d|impossibile|mancat[ao]) .{0,20}(?:entreg|remettre|livr|recapit|consegn)|onbestelbaar|niet bezorg|"
    r"недоставлен|не удается доставить|退信|投递失败|無法傳遞|メールエラー|配信|配送不能",
    re.IGNORECASE,
)
_COMPLAINT = re.compile(r"^\s*(?:unsubscribe\s*$|complaint about message|abuse report)", re.IGNORECASE)
_AWAY = re.compile(
    r"^(?:re: ?)?\[?(?:auto(?:matic)?[ -]?(?:reply|response|antwort)?|out of (?:the )?office|(?:r[eé]ponse|respuesta|risposta|resposta) autom|away|vacation|holiday|abwesen|absence|自動(?:応答|返信)|自动(?:回复|答复))",
    re.IGNORECASE,
)
_AUTOMATIC = re.compile(
    r"this (?:is an|e-?mail is an?|message is an?) auto(?:matic|mated)?[ -]?(?:reply|response|respon)|(?:this|an) automatic (?:e-?mail )?(?:reply|response) (?:to|from)|"
    r"自动回复邮件|i(?: am|'m|'ll| will)(?: be)? (?:currently )?(?:out of (?:the |my )?office|away from|on (?:vacation|holiday|annual leave))",
    re.IGNORECASE,
)
_DELAY = re.compile(
    r"warning message only|has been delayed|is delayed|delayed for|will be (?:re)?tried|temporary failure report|still (?:trying|being)|do(?:es)? not need to (?:re-?send|do)|keep trying|not yet been delivered",
    re.IGNORECASE,
)
# A reply code as servers quote it.
_QUOTED_CODE = re.compile(r"(?<![\w.#/=@:-])#?[245]\d\d[ -](?=[ :\w<'\"#(\[;-])")


def kind_of(mail: Mail) -> Kind:
    """Say what `mail` is, by its outer fields, the types of its parts and the first lines."""
    kinds = {part.kind for part in mail.parts}
    content_type = first(mail.fields, "content-type").lower()
    body = "\n".join(line for part in mail.parts[:2] for line in part.lines[:60])
    notice = notice_of(body)
    if (
        "message/feedback-report" in kinds
        or "feedback-report" in content_type
        or _COMPLAINT.search(decoded(first(mail.fields, "subject")))
        or notice == "Complaint"
    ):
        return Kind.COMPLAINT
    if notice == "Delivery":
        return Kind.DELIVERED
    subject, sender = decoded(first(mail.fields, "subject")), first(mail.fields, "from")
    notifier = bool(_NOTIFIER.search(sender)) or "<>" in (first(mail.fields, "return-path"), sender.strip())
    told = (
        "message/delivery-status" in kinds
        or "delivery-status" in content_type
        or first(mail.fields, "x-failed-recipients") != ""
        or bool(_SUBJECT.search(subject))
        or notice == "Bounce"
    )
    automatic = first(mail.fields, "auto-submitted").lower().startswith("auto-replied")
    if _AWAY.search(subject) and not told:
        return Kind.AUTO_REPLY
    nobody = sender.strip() == "<>"  # a server's own words: a person who is away has an address
    if automatic and not (told or nobody or (_NOTIFIER.search(sender) and _QUOTED_CODE.search(body))):
        return Kind.AUTO_REPLY
    if not told and not notifier and _AUTOMATIC.search(body[:1000]):
        return Kind.AUTO_REPLY
    if (
        not told
        and not notifier
        and not re.search(r"could not be delivered|delivery error|undeliver|not deliver", body, re.IGNORECASE)
    ):
        return Kind.NOTHING
    delayed = re.search(r"delay|warning(?!.{0,80}user unknown)", subject, re.IGNORECASE) or _DELAY.search(
        body
    )
    return Kind.DELAYED if delayed else Kind.BOUNCE
