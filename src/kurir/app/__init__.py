"""The composition root: the one place that knows every room and wires them together.

``serve`` binds the sockets, drops privileges and hands the roles to ``supervisor``, which forks them and restarts
what falls.  Each role is a ``part`` in an event loop of its own, built from the configuration (``settings``
translates it room by room): ``brain`` (the queue), ``reception``, ``delivery``, ``controlpart``.  They talk over
``channel`` (msgpack frames on a unix socket; ``link`` on their side, ``seat`` on the brain's); with ``workers = 0``
all of them live in one process and call each other through ``doors``.  Operators come in by ``control`` and end
in the table of ``operations``; what only reads (``reading``) needs no server.

====================  =================================================================================================
processes             `serve`, `supervisor`, `part`, `privileges`, `descriptors`, `logs`, `eventlog`, `clock`
roles                 `brain` (`seat`, `housekeeping`), `reception`, `delivery`, `controlpart` (`publicweb`, `acmepart`)
between them          `channel`, `wire`, `link`, `doors`, `reporting` (figures)
from the file         `settings`, `secrets`, `roads`, `setup` (``kurir init``, and the trial of a file)
commands              `control`, `operate`, `operations`, `submit`; only looking: `reading`, `roadlook`, `tlslook`,
                      `reportlook`, `dnsfacts`
limits of others      `allowances`, `lessons`, `foresight`
keys, certificates    `keys`, `keywatch`, `acme`, `proofs`, `tlsdesk`
reports, addresses    `dmarcreports`, `tlsreports`, `yesterday`, `seencounts`, `reportsin`, `mornings`, `suppressing`
====================  =================================================================================================
"""
