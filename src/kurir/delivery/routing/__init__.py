"""Which way: from a domain or a sender to hosts.

`route` picks the operator's rule, `smarthost` reads a next hop's address, `plan` asks the DNS and answers the queue.  `authentic` and `floor` say whether a road may stand in for another, `allowed` which limits of others hold there.
"""
