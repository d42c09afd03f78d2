-- What is used of the limits of others: a debit counts until its moment has left the window.  Moment -1: taken by a lease that
-- is still out.
CREATE TABLE debit (
  key    TEXT NOT NULL,
  at     INTEGER NOT NULL,                         -- milliseconds since 1970
  units  INTEGER NOT NULL,
  PRIMARY KEY (key, at)
) STRICT, WITHOUT ROWID;
