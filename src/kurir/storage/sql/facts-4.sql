-- How roads stand that broke: what a brain has to know that starts after a crash.  Times in epoch seconds.
CREATE TABLE road (
  road     TEXT NOT NULL,
  site     TEXT NOT NULL,                          -- '' for the road as a whole
  at       REAL NOT NULL,
  broken   INTEGER NOT NULL,
  breaks   INTEGER NOT NULL,
  since    REAL NOT NULL,
  next_at  REAL NOT NULL,
  cause    TEXT NOT NULL,
  PRIMARY KEY (road, site)
) STRICT, WITHOUT ROWID;
