"""Senders: whether those of incoming mail are genuine, what proves ours, and what others report: ``[senderauth]``, ``[signing]``, ``[reports]``."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from .section import Section
from .units import Seconds
from .values import AddressText, DomainName, Network


class SenderRuleSection(Section):
    """Your own rule for mail that names this domain (or one below it) as its author and fails DMARC."""

    unproven: Literal["accept", "mark", "hold", "refuse"] = Field(description="What is done with it.")
    reason: str = Field(description="Why, in words: the trace says it.", min_length=3, max_length=200)


class SenderAuthSection(Section):
    """Is the sender of mail from strangers genuine? SPF, DKIM, DMARC, ARC and the reverse name, on the smtp doors.

    Accounts, `trust.networks` and `exempt` networks are not checked. A name service that does not answer never refuses mail.
    """

    enabled: bool = Field(True, description="Check mail from strangers.")
    exempt: list[Network] = Field(
        ["127.0.0.0/8", "::1/128"], description="Networks whose mail is not checked; it gets no more rights."
    )
    authserv_id: DomainName | None = Field(
        None, description="Our name in Authentication-Results; default server.hostname."
    )
    deadline: Seconds = Field(20, description="For all checks of one message together.", ge=1, le=300)
    dmarc_reject: Literal["accept", "mark", "hold", "refuse"] = Field(
        "refuse", description="Where the domain's owner asks to reject (DMARC)."
    )
    dmarc_quarantine: Literal["accept", "mark", "hold", "refuse"] = Field(
        "mark", description="Where the owner asks for quarantine; mark adds X-Spam-Flag: YES."
    )
    spf_fail: Literal["note", "mark", "hold", "refuse"] = Field(
        "mark",
        description="Where SPF fails, no signature is valid and there is no DMARC rule; note: only the result.",
    )
    trusted_sealers: list[DomainName] = Field(
        [], description="Forwarders whose ARC seals are believed when they broke a signature."
    )
    dmarc_reports: bool = Field(
        True,
        description="Send daily reports to domains that ask for them (DMARC `rua`) and whose mail has passed before.",
    )
    dmarc_reports_after: Seconds = Field(
        7 * 86400,
        description="How long ago mail of a domain must have passed DMARC for the first time before it gets reports.",
        ge=0,
    )
    suffix_list: Path | None = Field(
        Path("/usr/share/publicsuffix/public_suffix_list.dat"),
        description="Public suffix list, for domains whose owner cannot be found in DNS; may be missing.",
    )
    domains: dict[DomainName, SenderRuleSection] = Field(
        {}, description="Your own rule for mail that names this domain (or one below it) and fails DMARC."
    )


class ReportsSection(Section):
    """What others report about our domains: read where it arrives, shown by `kurir dmarc` and `kurir tls reports`."""

    read: bool = Field(True, description="Read DMARC and TLS reports and complaints that come in by mail.")
    addresses: list[AddressText] = Field(
        [], description="Addresses they come to, beside postmaster and abuse of each of our domains."
    )
    deliver: bool = Field(
        True, description="Deliver the mails too, or pass them on; false ends the way of what was read here."
    )


class SigningSection(Section):
    """What leaves in the name of our domains."""

    dkim: bool = Field(True, description="Sign mail of our own people with the keys of their domain.")
    arc: bool = Field(True, description="Seal mail from outside that an alias sends on.")
    srs: bool = Field(
        True,
        description="Give mail from outside that an alias sends on a sender of ours, so that SPF passes.",
    )
    rotate: Seconds = Field(
        180 * 86400, description="Make new DKIM keys when those in use are so old; 0 never.", ge=0
    )
