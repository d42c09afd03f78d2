-- Reports: what incoming mail proved, for those who ask to be told, and what others report about us.
-- Receptions count, control sends, deliveries take in: a few rows a minute at most.

CREATE TABLE seen (                                -- mail counted for DMARC reports (RFC 9990)
  day        TEXT NOT NULL,                        -- UTC
  domain     TEXT NOT NULL,                        -- where the policy was found
  method     TEXT NOT NULL,                        -- treewalk, psl
  policy     TEXT NOT NULL,                        -- the record
  row        TEXT NOT NULL,                        -- JSON: one row of a report, for one message
  count      INTEGER NOT NULL,
  PRIMARY KEY (day, domain, method, policy, row)
) STRICT, WITHOUT ROWID;

CREATE TABLE known (                               -- domains that proved themselves
  domain     TEXT PRIMARY KEY,
  since      TEXT NOT NULL,                        -- day
  last       TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE dealt (                               -- days and domains that a report was sent about, or need none
  day        TEXT NOT NULL,
  domain     TEXT NOT NULL,
  outcome    TEXT NOT NULL,
  at         REAL NOT NULL,
  PRIMARY KEY (day, domain)
) STRICT, WITHOUT ROWID;

CREATE TABLE sent (                                -- reports under way and gone
  message_id TEXT PRIMARY KEY,
  day        TEXT NOT NULL,
  domain     TEXT NOT NULL,
  address    TEXT NOT NULL,
  number     INTEGER NOT NULL,                     -- of our message
  at         REAL NOT NULL,
  open       INTEGER NOT NULL                      -- 1: what became of it is not known yet
) STRICT, WITHOUT ROWID;
CREATE INDEX sent_day ON sent (day);

CREATE TABLE resting (                             -- addresses that refused a report
  address    TEXT PRIMARY KEY,
  until      REAL NOT NULL,
  why        TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE aggregate (                           -- DMARC reports of others
  id         INTEGER PRIMARY KEY,
  domain     TEXT NOT NULL,
  org        TEXT NOT NULL,
  report_id  TEXT NOT NULL,
  ended      INTEGER NOT NULL,                     -- of the time it tells of, epoch seconds
  at         REAL NOT NULL,
  sender     TEXT NOT NULL,                        -- domain of the mail it came in
  proven     INTEGER NOT NULL,
  left_out   INTEGER NOT NULL,
  report     TEXT NOT NULL,                        -- JSON
  UNIQUE (domain, org, report_id)
) STRICT;
CREATE INDEX aggregate_ended ON aggregate (ended);

CREATE TABLE tls (                                 -- TLS reports of others (RFC 8460)
  id         INTEGER PRIMARY KEY,
  org        TEXT NOT NULL,
  report_id  TEXT NOT NULL,
  at         REAL NOT NULL,
  sender     TEXT NOT NULL,
  proven     INTEGER NOT NULL,
  report     TEXT NOT NULL,                        -- JSON
  UNIQUE (org, report_id)
) STRICT;
CREATE INDEX tls_at ON tls (at);

CREATE TABLE complaint (                           -- feedback about single messages (RFC 5965, RFC 6591)
  id         INTEGER PRIMARY KEY,
  digest     TEXT NOT NULL UNIQUE,                 -- of what it says: the same one is kept once
  at         REAL NOT NULL,
  sender     TEXT NOT NULL,
  proven     INTEGER NOT NULL,
  number     INTEGER,                              -- of our message, where it is one
  account    TEXT NOT NULL,
  feedback   TEXT NOT NULL                         -- JSON
) STRICT;
CREATE INDEX complaint_at ON complaint (at);
CREATE INDEX complaint_number ON complaint (number);
