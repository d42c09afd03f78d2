"""How much, how fast: the limits of others.

A site's queue is `paced` where budgets count what goes there; what is owed to them is committed before a lease goes out
(`debits`).  `shaping` slows down after trouble and grows again, `pacememory` keeps that over a restart.  `acquaintances`
tells who is a new recipient.
"""
