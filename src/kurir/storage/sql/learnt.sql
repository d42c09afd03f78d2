-- What other servers have told us of their limits.  Written by every delivery process, a few rows a day.

CREATE TABLE change (                              -- one row: the number of the last change
  last INTEGER NOT NULL
) STRICT;
INSERT INTO change VALUES (0);

CREATE TABLE lesson (
  subject TEXT NOT NULL,                           -- whose limit: the key of an entry of the atlas, with the account
  unit    TEXT NOT NULL,                           -- messages, recipients, connections, octets
  per     TEXT NOT NULL,                           -- hour, day, message, connection, once...
  value   INTEGER NOT NULL,
  at      REAL NOT NULL,                           -- last heard
  words   TEXT NOT NULL,                           -- the reply, or EHLO
  PRIMARY KEY (subject, unit, per)
) STRICT, WITHOUT ROWID;

CREATE TABLE begun (                               -- when a road that warms up was first used
  road TEXT PRIMARY KEY,
  at   REAL NOT NULL
) STRICT, WITHOUT ROWID;
