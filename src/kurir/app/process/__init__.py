"""What any process of the server is made of.

`supervisor` forks and restarts, and holds the sockets (`bound`) and the `plan` of who runs; `part` runs roles in one
event loop, `privileges` and `descriptors` prepare the process before that, `logs` writes one line per event
(`eventlog`: after it is durable), `systemd` hears of it, `clock` is the real one.

What the supervisor imports (`supervisor`, `bound`, `plan`, `logs`, `systemd`) imports nothing of Kurir in turn: a
test counts what it has loaded.
"""
