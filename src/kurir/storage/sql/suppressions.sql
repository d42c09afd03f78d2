-- Addresses that mail is not sent to, the evidence, and what came back for which message.  Written rarely.

CREATE TABLE entry (
  address TEXT PRIMARY KEY,                        -- lower case
  cause   TEXT NOT NULL,
  words   TEXT NOT NULL,                           -- what was said, or why a person decided so
  source  INTEGER,                                 -- accept number of the message that showed it
  by      TEXT NOT NULL,                           -- a person, "bounce", "refusals"
  since   REAL NOT NULL,
  until   REAL                                     -- NULL: until a person removes it
) STRICT, WITHOUT ROWID;

CREATE TABLE strike (                              -- refusals that are not proof yet: one a day
  address TEXT NOT NULL,
  day     TEXT NOT NULL,
  cause   TEXT NOT NULL,
  words   TEXT NOT NULL,
  number  INTEGER NOT NULL,
  at      REAL NOT NULL,
  PRIMARY KEY (address, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE report (                              -- a bounce, tied to the message that it is about
  number    INTEGER NOT NULL,
  recipient INTEGER NOT NULL,
  bounce    INTEGER NOT NULL,
  at        REAL NOT NULL,
  cause     TEXT NOT NULL,
  final     INTEGER NOT NULL,
  host      TEXT NOT NULL,
  words     TEXT NOT NULL,
  PRIMARY KEY (number, recipient, bounce)
) STRICT, WITHOUT ROWID;
