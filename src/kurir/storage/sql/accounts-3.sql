-- What an account may and wants: whether its mail may be urgent, and the language of its daily summary.
ALTER TABLE account ADD COLUMN urgent  INTEGER;  -- 1: may say so, 0: never, NULL: by an urgent door only
ALTER TABLE account ADD COLUMN summary TEXT;     -- "en" or "id"; NULL: none
