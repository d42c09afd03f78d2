-- Accounts: who may log in.  Own file, readable by its owner only; other processes open it read-only.

CREATE TABLE account (
  key            TEXT PRIMARY KEY,                 -- the name in lower case
  name           TEXT NOT NULL,                    -- as it was given
  addresses      TEXT NOT NULL,                    -- JSON list: what it may send as
  password_hash  TEXT NOT NULL,                    -- argon2id, encoded
  scram          BLOB,                             -- msgpack (iterations, salt, stored key, server key), or NULL
  disabled       TEXT,                             -- the reason, or NULL
  created_at     REAL NOT NULL
) STRICT, WITHOUT ROWID;
