DROP TRIGGER webhooks_keep_policy_update ON postrider.webhooks;
DROP TRIGGER webhooks_keep_policy_insert ON postrider.webhooks;
DROP FUNCTION postrider.keep_policy();
DROP TABLE postrider.webhook_rates;

ALTER TABLE postrider.webhooks
  DROP COLUMN retry_seconds,
  DROP COLUMN timeout_ms,
  DROP COLUMN max_in_flight,
  DROP COLUMN rate_per_second,
  DROP COLUMN ordered;

DELETE FROM postrider.delivery_lines;
WITH released AS (
  DELETE FROM postrider.delivery_line_waiting
  RETURNING delivery_id
)
INSERT INTO postrider.delivery_queue (webhook_id, scheduled_at, delivery_id)
SELECT delivery.webhook_id, delivery.scheduled_at, delivery.id
FROM postrider.deliveries AS delivery
WHERE delivery.id = ANY(ARRAY(SELECT released.delivery_id FROM released));
