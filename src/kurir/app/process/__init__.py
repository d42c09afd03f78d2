"""What any process of the server is made of.

`supervisor` forks and restarts, `part` runs roles in one event loop, `privileges` and `descriptors` prepare the
process before that, `logs` writes one line per event (`eventlog`: after it is durable), `clock` is the real one.
"""
