"""The composition root: the one place that knows every room and wires them together.

`serve` reads the configuration, binds the sockets, drops privileges and hands the roles to the supervisor, which
forks them and restarts what falls.  Each role is a *part* in an event loop of its own.  They talk over `ipc`; with
``workers = 0`` all of them live in one process and call each other directly.  Operators come in by `operating`.

==============  =======================================================================================================
`serve`         ``kurir serve``: the tables of who the processes are, from the first line to the last
`process`       what any of our processes is made of: supervisor, event loop, privileges, log, clock
`wiring`        from the configuration to each room's settings; ``kurir init``, and the trial of a file
`roles`         the four parts: brain (the queue), reception, delivery, control
`ipc`           frames between the brain and the other roles, and what survives when one of them falls
`operating`     what the command line asks: verbs by the control socket, and what only looks
`keys`          signing keys and certificates: made, put into use when the DNS shows them, renewed
`learnt`        what a process remembers of others: limits, TLS, dead addresses
`reports`       reports sent and received, and what is told each morning
==============  =======================================================================================================
"""
