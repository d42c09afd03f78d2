-- Whom we spare after trouble: how many connections at once, and how many messages a second, as of the last cut.  Times in epoch seconds.
CREATE TABLE pace (
  key            TEXT PRIMARY KEY,
  at             REAL NOT NULL,                    -- of the cut
  signal         TEXT NOT NULL,                    -- '' where it is over
  top            REAL NOT NULL,
  level          REAL NOT NULL,
  met            REAL NOT NULL,                    -- where trouble was met
  stride         REAL NOT NULL,
  moved_at       REAL NOT NULL,
  rate_top       REAL,                             -- these are NULL where the rate is free
  rate_level     REAL,
  rate_met       REAL,
  rate_stride    REAL,
  rate_moved_at  REAL
) STRICT, WITHOUT ROWID;
