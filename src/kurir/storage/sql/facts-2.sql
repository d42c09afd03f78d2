-- Wall time that nobody lived through: the server was off, or its clock jumped ahead.  It does not age the messages
-- that were there already (numbers below `below`), whatever the dates in their rows say.
CREATE TABLE gap (
  below    INTEGER NOT NULL,
  seconds  REAL NOT NULL,
  noted_at REAL NOT NULL
) STRICT;
