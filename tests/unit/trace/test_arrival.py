"""How a message came in, in words: an encrypted hop is not blamed for a client without a certificate."""

import pytest

from kurir.model import Origin, TlsFacts
from kurir.trace import as_json, timeline

from .stories import ACCEPTED, message

TLS = TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384")
PROVEN = TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384", "client")

ARRIVALS = {
    "account": (
        Origin("ESMTPSA", "submission", "198.51.100.7", 4000, "laptop", "ani@example.com", TLS),
        "Accepted from laptop [198.51.100.7], logged in as ani@example.com, encrypted (TLSv1.3).",
    ),
    "address literal as name": (
        Origin("ESMTPS", "mx", "198.51.100.7", 4000, "[198.51.100.7]", None, TLS),
        "Accepted from 198.51.100.7, encrypted (TLSv1.3).",
    ),
    "IPv6 literal as name": (
        Origin("ESMTP", "mx", "2001:db8::1", 4000, "[IPv6:2001:db8::1]", None, None),
        "Accepted from 2001:db8::1, without encryption.",
    ),
    "client certificate": (
        Origin("ESMTPS", "mx", "198.51.100.7", 4000, "mx.example.org", None, PROVEN),
        "Accepted from mx.example.org [198.51.100.7], encrypted, with a client certificate.",
    ),
}


@pytest.mark.parametrize(("origin", "words"), ARRIVALS.values(), ids=ARRIVALS)
def test_arrival_in_words(origin, words):
    told = as_json(timeline(message(origin=origin), [ACCEPTED]), "en")
    assert [step["text"] for step in told["history"]] == [words]
    assert (told["tls"] is None) == (origin.tls is None)
    if origin.tls is not None:
        assert told["tls"]["version"] == "TLSv1.3"
        assert told["tls"]["cipher"] == "TLS_AES_256_GCM_SHA384"
