"""The four roles of a running server, each a part for an event loop.

`brain` is the queue (`seat`: one role's end of its table), `reception` the doors (`foresight`: may this mail travel
sealed?), `delivery` one hand of the brain, `control` the control socket, the admin port, the public web (`publicweb`)
and our certificate (`acmepart`).
"""
