"""A week of mail inside the limits of others, played through the real sending half of Kurir in seconds.

Real are the brain, the budgets, the planner and the delivery hand with its connections; `loop`, `net` and `disk` of the
simulation around it carry them.  The other side is made of `providers`: each counts by its own clock (`terms`), refuses,
discards, delays or hangs up beyond that, and fails now and then (`outages`).  `traffic` is what a school, a newsletter and
an application hand in.  `best` says how soon all of it could have gone under the same margins, `rules` what must hold.
One integer decides everything.
"""
