"""What the command line asks of a server, running or stopped.

What changes something goes by `control` (the socket) or `operate` (a stopped server, under its lock) and ends in the
table of `operations`; `submit` hands over a message; `housekeeping` is done now and then.  What only looks needs no
server: `reading`, `queuelook`, `roadlook`, `tlslook`, `reportlook`, `dnsfacts`.
"""
