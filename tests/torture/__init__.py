"""Torture: kill -9, power cuts, failing system calls, full disks, too few descriptors, jumping clocks.

Run it with ``scripts/torture``.  Nothing here uses Kurir's own code to judge Kurir: a ledger outside keeps
every ``250`` with the message's checksum and everything that came out at the other end.
"""
