-- More ways to log in: app passwords, and the keys of client certificates.
ALTER TABLE account ADD COLUMN app_passwords BLOB;  -- msgpack list of AppPassword, or NULL
ALTER TABLE account ADD COLUMN certificates BLOB;   -- msgpack list of ClientCertificate, or NULL
