-- Observations: what was seen at the door and left no message.  Own file, synchronous=NORMAL, capped in rows.

CREATE TABLE observation (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,    -- order of first sight; the lowest are dropped first
  at         REAL NOT NULL,                        -- first seen
  last_at    REAL NOT NULL,                        -- last seen
  kind       TEXT NOT NULL,                        -- ObservationKind
  client     TEXT NOT NULL,
  account    TEXT NOT NULL,
  sender     TEXT,                                 -- as it was said
  recipient  TEXT NOT NULL,
  count      INTEGER NOT NULL,                     -- equal ones within a window are counted together
  data       BLOB NOT NULL                         -- Observation
) STRICT;
