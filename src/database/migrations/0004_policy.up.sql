-- How each webhook wants to be delivered to. NULL means the deployment's default.

ALTER TABLE postrider.webhooks
  ADD COLUMN retry_seconds INTEGER[],
  ADD COLUMN timeout_ms INTEGER,
  ADD COLUMN max_in_flight INTEGER,
  ADD COLUMN rate_per_second DOUBLE PRECISION,
  ADD COLUMN ordered BOOLEAN NOT NULL DEFAULT false,
  ADD CONSTRAINT webhooks_retry_seconds_check CHECK (
    cardinality(retry_seconds) <= 20
    AND array_position(retry_seconds, NULL) IS NULL
    AND 1 <= ALL(retry_seconds)
    AND 604800 >= ALL(retry_seconds)
  ),
  ADD CONSTRAINT webhooks_timeout_ms_check CHECK (timeout_ms BETWEEN 1000 AND 15000),
  ADD CONSTRAINT webhooks_max_in_flight_check CHECK (max_in_flight BETWEEN 1 AND 1000),
  ADD CONSTRAINT webhooks_rate_per_second_check CHECK (rate_per_second BETWEEN 0.01 AND 10000);

-- The tokens that a webhook with a rate has left, refilled as time passes. Who claims for it holds its row, so that the
-- rate holds over all workers together.
CREATE TABLE postrider.webhook_rates (
  webhook_id UUID PRIMARY KEY REFERENCES postrider.webhooks (id) ON DELETE CASCADE,
  tokens DOUBLE PRECISION NOT NULL,
  refilled_at TIMESTAMPTZ NOT NULL
) WITH (fillfactor = 50);

CREATE FUNCTION postrider.keep_policy()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  IF NEW.rate_per_second IS NULL THEN
    DELETE FROM postrider.webhook_rates WHERE webhook_id = NEW.id;
  ELSE
    INSERT INTO postrider.webhook_rates (webhook_id, tokens, refilled_at)
    VALUES (NEW.id, GREATEST(NEW.rate_per_second, 1), clock_timestamp())
    ON CONFLICT (webhook_id) DO UPDATE
    SET tokens = LEAST(webhook_rates.tokens, GREATEST(NEW.rate_per_second, 1));
  END IF;

  IF NEW.ordered THEN
    INSERT INTO postrider.delivery_lines (webhook_id)
    VALUES (NEW.id)
    ON CONFLICT DO NOTHING;
  ELSE
    DELETE FROM postrider.delivery_lines WHERE webhook_id = NEW.id;
    WITH released AS (
      DELETE FROM postrider.delivery_line_waiting
      WHERE webhook_id = NEW.id
      RETURNING delivery_id
    )
    INSERT INTO postrider.delivery_queue (webhook_id, scheduled_at, delivery_id)
    SELECT delivery.webhook_id, delivery.scheduled_at, delivery.id
    FROM postrider.deliveries AS delivery
    WHERE delivery.id = ANY(ARRAY(SELECT released.delivery_id FROM released));
  END IF;
  RETURN NULL;
END
$$;

CREATE TRIGGER webhooks_keep_policy_insert
  AFTER INSERT ON postrider.webhooks
  FOR EACH ROW
  WHEN (NEW.rate_per_second IS NOT NULL OR NEW.ordered)
  EXECUTE FUNCTION postrider.keep_policy();

CREATE TRIGGER webhooks_keep_policy_update
  AFTER UPDATE ON postrider.webhooks
  FOR EACH ROW
  WHEN (
    NEW.rate_per_second IS DISTINCT FROM OLD.rate_per_second
    OR NEW.ordered IS DISTINCT FROM OLD.ordered
  )
  EXECUTE FUNCTION postrider.keep_policy();
