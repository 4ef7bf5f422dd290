-- Keys that end by themselves, and what tells that one is not used any more. Neither column is in an index: noting a
-- use rewrites nothing but the row.
ALTER TABLE postrider.api_keys
  ADD COLUMN expires_at TIMESTAMPTZ, -- from here on it opens nothing; NULL: it does not end by itself
  ADD COLUMN last_used_at TIMESTAMPTZ; -- to within a minute or so; NULL: never
