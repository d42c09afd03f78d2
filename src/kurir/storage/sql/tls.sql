-- What is known about the encryption of other servers.  Written by every delivery process, a few rows a day and host.

CREATE TABLE change (                              -- one row: the number of the last change, for `changes since`
  last INTEGER NOT NULL
) STRICT;
INSERT INTO change VALUES (0);

CREATE TABLE memory (                              -- the best protection ever proven with a host
  host       TEXT PRIMARY KEY,
  best       INTEGER NOT NULL,                     -- 1 encrypted, 2 name proven, 3 DANE
  since      REAL NOT NULL,                        -- first proven
  seen       REAL NOT NULL,                        -- last proven
  lost       TEXT NOT NULL,                        -- "", encryption, validity
  lost_since REAL,
  alarmed    REAL NOT NULL,
  change     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX memory_change ON memory (change);

CREATE TABLE policy (                              -- MTA-STS policies (RFC 8461)
  domain     TEXT PRIMARY KEY,
  id         TEXT NOT NULL,
  mode       TEXT NOT NULL,
  mx         TEXT NOT NULL,                        -- JSON list
  max_age    INTEGER NOT NULL,
  lines      TEXT NOT NULL,                        -- JSON list
  fetched_at REAL NOT NULL,
  until      REAL NOT NULL,
  change     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX policy_change ON policy (change);

CREATE TABLE acceptance (                          -- what the operator accepts, and until when
  name       TEXT PRIMARY KEY,                     -- a recipient's domain or a mail host
  until      REAL NOT NULL,
  by         TEXT NOT NULL,
  at         REAL NOT NULL,
  change     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE result (                              -- sessions counted for TLS-RPT (RFC 8460)
  day          TEXT NOT NULL,
  domain       TEXT NOT NULL,
  policy       TEXT NOT NULL,
  strings      TEXT NOT NULL,                      -- JSON list
  patterns     TEXT NOT NULL,                      -- JSON list
  result       TEXT NOT NULL,                      -- "" a success
  sending_ip   TEXT NOT NULL,
  mx_host      TEXT NOT NULL,
  receiving_ip TEXT NOT NULL,
  reason       TEXT NOT NULL,
  count        INTEGER NOT NULL,
  PRIMARY KEY (day, domain, policy, strings, patterns, result, sending_ip, mx_host, receiving_ip, reason)
) STRICT, WITHOUT ROWID;

CREATE TABLE reported (                            -- reports that were sent, or that nobody wants
  day        TEXT NOT NULL,
  domain     TEXT NOT NULL,
  at         REAL NOT NULL,
  outcome    TEXT NOT NULL,
  PRIMARY KEY (day, domain)
) STRICT, WITHOUT ROWID;
