"""Signing keys and certificates.

`dkim` decides and keeps the keys of our domains, `keywatch` tells it what the DNS shows; `acme` orders and renews
our certificate, `proofs` shows an authority that a name is ours.
"""
