"""What can be said beforehand about mail that must travel sealed or not at all."""

from dataclasses import dataclass

from .reply import Reply


@dataclass(frozen=True, slots=True)
class Prospect:
    """`refusal` is the answer where the demand cannot be met, with the weakest link in words.

    Without one, `unsure` says why nobody could find out in time ("" where it can be met): the mail is taken, and the
    answer comes when it is sent.
    """

    refusal: Reply | None = None
    unsure: str = ""
