"""A session with one of several hosts: `opening` tries them in order, `visit` does one as its TLS policy demands.

`dialing` makes the connection, `session` talks on it, `token_login` logs in without a password, `classify` says what a refusal
means, `backoff` remembers who was silent.
"""
