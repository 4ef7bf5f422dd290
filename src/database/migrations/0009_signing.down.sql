CREATE OR REPLACE TRIGGER webhooks_touch_updated_at
  BEFORE UPDATE ON postrider.webhooks
  FOR EACH ROW
  EXECUTE FUNCTION postrider.touch_updated_at();

-- Without Ed25519 nothing that they send would verify: they wait for a secret of the other kind.
DO $migration$
DECLARE
  changed integer;
BEGIN
  UPDATE postrider.webhooks
  SET previous_secret = NULL,
      previous_secret_expires_at = NULL,
      previous_public_key = NULL
  WHERE previous_public_key IS NOT NULL;

  UPDATE postrider.webhooks
  SET is_active = false
  WHERE public_key IS NOT NULL
    AND is_active;
  GET DIAGNOSTICS changed = ROW_COUNT;
  IF changed > 0 THEN
    RAISE NOTICE '% webhooks sign with Ed25519: made inactive, give them a new secret', changed;
  END IF;
END
$migration$;

ALTER TABLE postrider.webhooks
  DROP COLUMN public_key,
  DROP COLUMN previous_public_key;
