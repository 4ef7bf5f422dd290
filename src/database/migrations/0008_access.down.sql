-- The version before knows no end of a key: one that has an end would open its project for ever.
DELETE FROM postrider.api_keys
WHERE expires_at IS NOT NULL;

ALTER TABLE postrider.api_keys
  DROP COLUMN last_used_at,
  DROP COLUMN expires_at;
