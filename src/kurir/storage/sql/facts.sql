-- Facts: accepted messages and what becomes of them.  One file, one writer (the brain), WAL, synchronous=FULL.
-- Addresses are text "local@domain" without quotes (the last @ divides them; "postmaster@" has no domain).
-- Times are seconds since the epoch, UTC.  Columns named `params`, `origin`, `data`, `reasons` and `numbers`
-- are msgpack of the value named beside them.

CREATE TABLE ledger (
  -- The other side of the books: how much was ever written.  Counted up in the transaction that adds the rows
  -- and never down, so that the audit misses a row that vanished without a trace.
  id          INTEGER PRIMARY KEY CHECK (id = 1),  -- there is one row
  messages    INTEGER NOT NULL,                    -- also the highest accept number: numbers are dense from 1
  recipients  INTEGER NOT NULL,                    -- recipient rows ever made
  events      INTEGER NOT NULL                     -- also the highest event id: ids are dense from 1
) STRICT;
INSERT INTO ledger VALUES (1, 0, 0, 0);

CREATE TABLE epoch (
  number      INTEGER PRIMARY KEY,                 -- of a start of the brain, 1 for the first
  started_at  REAL NOT NULL
) STRICT;

CREATE TABLE message (
  -- Written once at acceptance, never changed; leaves for a day file when it is settled.
  number         INTEGER PRIMARY KEY,              -- accept number
  accepted_at    REAL NOT NULL,
  reverse_path   TEXT,                             -- NULL: the null sender <>
  account        TEXT,                             -- who was logged in
  recipients     INTEGER NOT NULL,                 -- how many recipient rows belong to it
  size           INTEGER NOT NULL,                 -- octets of the body as it came
  sha256         BLOB NOT NULL,                    -- of the same octets
  body_file      TEXT,                             -- name in the body folder; NULL: the body stands in `body`
  header_end     INTEGER NOT NULL,                 -- offset of the body proper
  proven_sender  INTEGER NOT NULL,                 -- 1: reports may go back to reverse_path
  notice_of      TEXT,                             -- the obligation that this message (a report) fulfils
  message_id     TEXT NOT NULL,
  subject        TEXT NOT NULL,
  header_from    TEXT NOT NULL,
  params         BLOB NOT NULL,                    -- MailParams
  origin         BLOB NOT NULL,                    -- Origin
  trace_block    BLOB NOT NULL                     -- header lines put in front of the body
) STRICT;

CREATE TABLE body (
  -- Small bodies, apart from `message` so that a start reads 100,000 messages without walking over their bodies.
  number  INTEGER PRIMARY KEY,
  data    BLOB NOT NULL
) STRICT;

CREATE TABLE recipient (
  -- Exactly one of: `fate` is set (ended, for ever); `held` is set (waits for a person); else waits for `next_at`.
  number    INTEGER NOT NULL,
  idx       INTEGER NOT NULL,                      -- 0.. within the message
  fate      TEXT,                                  -- Fate; set once
  next_at   REAL NOT NULL,
  attempts  INTEGER NOT NULL,
  held      TEXT,                                  -- the reason
  leased    INTEGER NOT NULL,                      -- epoch that works on it, 0: nobody does
  told      INTEGER NOT NULL,                      -- delay notices sent
  address   TEXT NOT NULL,
  wanted    TEXT,                                  -- what the sender typed, where an alias changed it
  notify    INTEGER,                               -- NOTIFY flags; NULL: the sender said nothing
  orcpt     TEXT,
  PRIMARY KEY (number, idx)
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
  -- One line of a message's trace, in the transaction of the change it tells of.
  number     INTEGER NOT NULL,
  id         INTEGER NOT NULL,                     -- order of writing, dense over all messages
  kind       TEXT NOT NULL,                        -- EventKind
  recipient  INTEGER NOT NULL,                     -- idx, or -1 for the message as a whole
  fate       TEXT,                                 -- set on the one event that ends the recipient
  data       BLOB NOT NULL,                        -- Event
  PRIMARY KEY (number, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE notice (
  -- Obligations to report.  An open one counts as waiting: its message and body stay until it is met.
  id       TEXT PRIMARY KEY,                       -- "<number>-<kind>-<seq>": making it twice makes it once
  number   INTEGER NOT NULL,                       -- the message it reports of
  address  TEXT NOT NULL,                          -- who is told
  held     INTEGER NOT NULL,                       -- 1: the sender is unproven, the postmaster is told
  open     INTEGER NOT NULL,                       -- 1 -> 0 when met or waived
  met_by   INTEGER,                                -- accept number of the report
  reasons  BLOB NOT NULL                           -- tuple of NoticeReason
) STRICT, WITHOUT ROWID;
CREATE INDEX notice_number ON notice (number);

CREATE TABLE settled (
  -- Work list of the mover: messages whose last recipient ended.
  number  INTEGER PRIMARY KEY,
  at      REAL NOT NULL                            -- when; says the day
) STRICT;

CREATE TABLE day (
  -- What left for day files.  The counts grow in the transaction that removes the rows from here.
  day         TEXT PRIMARY KEY,                    -- "YYYY-MM-DD"
  messages    INTEGER NOT NULL,
  recipients  INTEGER NOT NULL,
  events      INTEGER NOT NULL,                    -- without those of erasures, which are written later
  fates       TEXT NOT NULL,                       -- JSON object, fate -> recipients
  numbers     BLOB,                                -- runs of accept numbers; set on closing
  seal        BLOB,                                -- sha256 over the row; set on closing
  closed_at   REAL,                                -- nothing is added any more
  dropped_at  REAL                                 -- the file was removed, its retention being over
) STRICT, WITHOUT ROWID;
