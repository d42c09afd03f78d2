"""The openspf suite for RFC 7208: 200 of 200."""

from kurir.senderauth.spf import SpfQuery, check_mail_from
from tests.shared import need

from .spf_suite import Case, cases


async def test_openspf_suite() -> None:
    wrong = []
    count = 0
    for case in cases(need("data", "spf", "rfc7208-tests.yml")):
        count += 1
        fault = await _fault(case)
        if fault:
            wrong.append(fault)
    assert not wrong, f"{len(wrong)} of {count}:\n" + "\n".join(wrong)
    assert count == 200


async def _fault(case: Case) -> str:
    query = SpfQuery(case.client, case.helo, case.sender, receiver="unknown", at=1_700_000_000)
    verdict = await check_mail_from(query, case.dns)
    if verdict.result.value not in case.results:
        return f"{case.name}: {verdict.result.value} ({verdict.reason.value} {verdict.detail}), not {case.results}"
    if case.explanation is not None and (verdict.explanation or "DEFAULT") != case.explanation:
        return f"{case.name}: explanation {verdict.explanation!r}, not {case.explanation!r}"
    return ""
