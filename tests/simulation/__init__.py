"""Kurir under a virtual clock, network, resolver and disk, all drawn from one seed.

One `World` (world.py) runs real code: the brain, reception sessions, a delivery hand, and the channels between
their processes.  Below them everything is made up: `loop` (time and order), `net` (streams and sockets), `dns`,
`disk`.  `peers` are the senders and destinations, `faults` what goes wrong and when, `checkers` what must hold all the
same.  One integer decides everything: the same seed gives the same trace, and the trace has a hash.
"""
