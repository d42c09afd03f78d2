"""What the signatures say in Authentication-Results (RFC 8601 section 2.7.1, RFC 6008 for ``header.b``)."""

from kurir.senderauth.results import MethodResult

from .verdict import DkimVerdict


def of_dkim(verdict: DkimVerdict) -> MethodResult:
    """Return the ``dkim`` result for one signature."""
    properties = (
        ("header.d", verdict.domain),
        ("header.i", verdict.identity),
        ("header.s", verdict.selector),
        ("header.a", verdict.algorithm),
        ("header.b", verdict.mark),
    )
    comment = "" if verdict.passed else verdict.reason.value.replace("_", " ")
    if verdict.testing:
        comment = f"{comment}, key in testing".removeprefix(", ")
    return MethodResult(
        "dkim",
        verdict.result.value,
        tuple((name, value) for name, value in properties if value),
        comment=comment,
    )
