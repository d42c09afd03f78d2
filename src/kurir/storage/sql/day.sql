-- One day of settled mail: days/YYYY-MM-DD.db, the day on which the last recipient ended.  Same words as facts.sql.
-- Written by the mover in one synced transaction per batch, before the rows leave facts.db.

CREATE TABLE message (
  number         INTEGER PRIMARY KEY,
  accepted_at    REAL NOT NULL,
  reverse_path   TEXT,
  account        TEXT,
  recipients     INTEGER NOT NULL,
  size           INTEGER NOT NULL,
  sha256         BLOB NOT NULL,
  body_file      TEXT,
  header_end     INTEGER NOT NULL,
  proven_sender  INTEGER NOT NULL,
  notice_of      TEXT,
  message_id     TEXT NOT NULL,
  subject        TEXT NOT NULL,
  header_from    TEXT NOT NULL,
  params         BLOB NOT NULL,
  origin         BLOB NOT NULL,
  trace_block    BLOB NOT NULL,
  finished_at    REAL NOT NULL
) STRICT;
CREATE INDEX message_by_message_id ON message (message_id);

CREATE TABLE recipient (
  number    INTEGER NOT NULL,
  idx       INTEGER NOT NULL,
  fate      TEXT,
  next_at   REAL NOT NULL,
  attempts  INTEGER NOT NULL,
  held      TEXT,
  leased    INTEGER NOT NULL,
  told      INTEGER NOT NULL,
  address   TEXT NOT NULL,
  wanted    TEXT,
  notify    INTEGER,
  orcpt     TEXT,
  PRIMARY KEY (number, idx)
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
  number     INTEGER NOT NULL,
  id         INTEGER NOT NULL,
  kind       TEXT NOT NULL,
  recipient  INTEGER NOT NULL,
  fate       TEXT,
  data       BLOB NOT NULL,
  PRIMARY KEY (number, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE notice (
  id       TEXT PRIMARY KEY,
  number   INTEGER NOT NULL,
  address  TEXT NOT NULL,
  held     INTEGER NOT NULL,
  open     INTEGER NOT NULL,
  met_by   INTEGER,
  reasons  BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX notice_number ON notice (number);

CREATE TABLE person (
  -- Index for searching: every address of a message in lower case (sender, recipient, wanted, header From).
  address  TEXT NOT NULL,
  number   INTEGER NOT NULL,
  PRIMARY KEY (address, number)
) STRICT, WITHOUT ROWID;
