-- Webhooks that sign with Ed25519 (`v1a`): `secret` holds the private key, encrypted as any secret, and beside it stands
-- the public key, which everybody may know. NULL is a webhook that signs with a shared secret (`v1`).

ALTER TABLE postrider.webhooks
  ADD COLUMN public_key TEXT,
  ADD COLUMN previous_public_key TEXT,
  ADD CONSTRAINT webhooks_public_key_check
    CHECK (public_key ~ '^whpk_[A-Za-z0-9+/]{43}=$'),
  ADD CONSTRAINT webhooks_previous_public_key_check
    CHECK (
      previous_public_key ~ '^whpk_[A-Za-z0-9+/]{43}=$'
      AND (previous_public_key IS NULL OR previous_secret IS NOT NULL)
    );

-- The same secret under another encryption key is no change of the webhook.
CREATE OR REPLACE TRIGGER webhooks_touch_updated_at
  BEFORE UPDATE ON postrider.webhooks
  FOR EACH ROW
  WHEN (current_setting('postrider.reencrypting', true) IS DISTINCT FROM 'on')
  EXECUTE FUNCTION postrider.touch_updated_at();
