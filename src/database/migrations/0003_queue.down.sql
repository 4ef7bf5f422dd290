-- Back to one table: each delivery gets its payload again, and what was in flight waits to be sent.

DROP VIEW postrider.webhook_deliveries;
DROP FUNCTION postrider.write_webhook_delivery();
DROP FUNCTION postrider.place_delivery(uuid, uuid, postrider.webhook_delivery_status, timestamptz);
DROP TABLE postrider.workers;
DROP TRIGGER webhooks_unqueue ON postrider.webhooks;
DROP FUNCTION postrider.unqueue_webhook();
DROP TABLE postrider.delivery_line_waiting;
DROP TABLE postrider.delivery_lines;
DROP TABLE postrider.delivery_schedule;
DROP TABLE postrider.delivery_queue;

DROP TRIGGER deliveries_delete_attempts ON postrider.deliveries;
DROP FUNCTION postrider.delete_attempts_of_deliveries();

UPDATE postrider.deliveries AS delivery
SET payload = COALESCE(
      delivery.payload,
      (
        SELECT stored.payload
        FROM postrider.event_payloads AS stored
        WHERE stored.project_id = delivery.project_id
          AND stored.event_id = delivery.event_id
      ),
      '{}'
    ),
    status = CASE
      WHEN delivery.status = 'delivering' THEN 'pending'
      ELSE delivery.status
    END;

DROP INDEX postrider.idx_deliveries_event_webhook;

ALTER TABLE postrider.deliveries ALTER COLUMN payload SET NOT NULL;
ALTER TABLE postrider.deliveries RESET (
  fillfactor,
  autovacuum_vacuum_scale_factor,
  autovacuum_analyze_scale_factor
);
ALTER TABLE postrider.deliveries RENAME TO webhook_deliveries;

ALTER TABLE postrider.webhook_deliveries
  ADD COLUMN lease_token UUID,
  ADD COLUMN lease_until TIMESTAMPTZ,
  ADD COLUMN claimed_at TIMESTAMPTZ,
  ADD CONSTRAINT webhook_deliveries_lease_check
    CHECK (
      (status = 'delivering') = (lease_token IS NOT NULL)
      AND (lease_token IS NULL) = (lease_until IS NULL)
      AND (lease_token IS NULL) = (claimed_at IS NULL)
    );

CREATE INDEX idx_webhook_deliveries_pending
  ON postrider.webhook_deliveries (scheduled_at)
  WHERE status = 'pending';

CREATE INDEX idx_webhook_deliveries_webhook_id
  ON postrider.webhook_deliveries (webhook_id);

CREATE INDEX idx_webhook_deliveries_event_id
  ON postrider.webhook_deliveries (event_id);

CREATE UNIQUE INDEX idx_webhook_deliveries_webhook_event
  ON postrider.webhook_deliveries (webhook_id, event_id);

CREATE INDEX idx_webhook_deliveries_due
  ON postrider.webhook_deliveries (webhook_id, scheduled_at)
  WHERE status = 'pending';

CREATE INDEX idx_webhook_deliveries_delivering
  ON postrider.webhook_deliveries (webhook_id)
  WHERE status = 'delivering';

CREATE FUNCTION postrider.fill_delivery_project()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  SELECT webhook.project_id INTO NEW.project_id
  FROM postrider.webhooks AS webhook
  WHERE webhook.id = NEW.webhook_id;
  RETURN NEW;
END
$$;

CREATE TRIGGER webhook_deliveries_fill_project
  BEFORE INSERT ON postrider.webhook_deliveries
  FOR EACH ROW
  WHEN (NEW.project_id IS NULL)
  EXECUTE FUNCTION postrider.fill_delivery_project();

DELETE FROM postrider.webhook_delivery_attempts AS attempt
WHERE NOT EXISTS (
  SELECT
  FROM postrider.webhook_deliveries AS delivery
  WHERE delivery.id = attempt.delivery_id
);

ALTER TABLE postrider.webhook_delivery_attempts
  DROP CONSTRAINT webhook_delivery_attempts_pkey,
  ADD CONSTRAINT webhook_delivery_attempts_pkey PRIMARY KEY (id),
  ADD CONSTRAINT webhook_delivery_attempts_delivery_id_fkey
    FOREIGN KEY (delivery_id)
    REFERENCES postrider.webhook_deliveries (id)
    ON DELETE CASCADE;

CREATE UNIQUE INDEX idx_webhook_delivery_attempts_delivery
  ON postrider.webhook_delivery_attempts (delivery_id, attempt);

DROP TRIGGER projects_delete_events ON postrider.projects;
DROP FUNCTION postrider.delete_events_of_project();
DROP TABLE postrider.event_payloads;
DROP TABLE postrider.events;
