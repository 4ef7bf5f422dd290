-- The rules of projects are forgotten, payloads that expired stay away, and what is left of what was deleted goes at once.

DROP FUNCTION postrider.admit_tenant_role();
ALTER FUNCTION postrider.admit_tenant_role_before_retention() RENAME TO admit_tenant_role;

DROP FUNCTION postrider.erase_event(uuid, uuid);

CREATE OR REPLACE FUNCTION postrider.write_webhook_delivery()
RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
  stored_payload jsonb;
BEGIN
  IF TG_OP = 'DELETE' THEN
    DELETE FROM postrider.deliveries WHERE id = OLD.id;
    PERFORM postrider.place_delivery(OLD.id, OLD.webhook_id, 'failed', OLD.scheduled_at);
    RETURN OLD;
  END IF;

  IF NEW.payload IS NULL THEN
    RAISE EXCEPTION 'null value in column "payload" of "webhook_deliveries"'
      USING ERRCODE = 'not_null_violation', COLUMN = 'payload';
  END IF;
  IF NEW.project_id IS NULL THEN
    SELECT webhook.project_id INTO NEW.project_id
    FROM postrider.webhooks AS webhook
    WHERE webhook.id = NEW.webhook_id;
  END IF;

  IF TG_OP = 'INSERT' THEN
    INSERT INTO postrider.events (project_id, id, type, "timestamp", created_at, deliveries, payload)
    VALUES (
      NEW.project_id, NEW.event_id, NEW.event_type, NEW.created_at, NEW.created_at, 1, NEW.payload::text
    )
    ON CONFLICT DO NOTHING;
  END IF;
  SELECT event.payload::jsonb INTO stored_payload
  FROM postrider.events AS event
  WHERE event.project_id = NEW.project_id
    AND event.id = NEW.event_id;

  IF TG_OP = 'INSERT' THEN
    INSERT INTO postrider.deliveries (
      id, webhook_id, event_id, event_type, payload, status, attempts, max_attempts, scheduled_at, last_attempt_at,
      last_response_status, last_response_body, last_error, delivered_at, created_at, project_id, rescues, max_rescues,
      retried_at
    )
    VALUES (
      NEW.id, NEW.webhook_id, NEW.event_id, NEW.event_type, NULLIF(NEW.payload, stored_payload), NEW.status,
      NEW.attempts, NEW.max_attempts, NEW.scheduled_at, NEW.last_attempt_at, NEW.last_response_status,
      NEW.last_response_body, NEW.last_error, NEW.delivered_at, NEW.created_at, NEW.project_id, NEW.rescues,
      NEW.max_rescues, NEW.retried_at
    );
    PERFORM postrider.place_delivery(NEW.id, NEW.webhook_id, NEW.status, NEW.scheduled_at);
    RETURN NEW;
  END IF;

  UPDATE postrider.deliveries
  SET id = NEW.id,
      webhook_id = NEW.webhook_id,
      event_id = NEW.event_id,
      event_type = NEW.event_type,
      payload = NULLIF(NEW.payload, stored_payload),
      status = NEW.status,
      attempts = NEW.attempts,
      max_attempts = NEW.max_attempts,
      scheduled_at = NEW.scheduled_at,
      last_attempt_at = NEW.last_attempt_at,
      last_response_status = NEW.last_response_status,
      last_response_body = NEW.last_response_body,
      last_error = NEW.last_error,
      delivered_at = NEW.delivered_at,
      created_at = NEW.created_at,
      project_id = NEW.project_id,
      rescues = NEW.rescues,
      max_rescues = NEW.max_rescues,
      retried_at = NEW.retried_at
  WHERE id = OLD.id;
  -- What a worker has in flight is placed by its result.
  IF (OLD.status, OLD.scheduled_at, OLD.webhook_id) IS DISTINCT FROM (NEW.status, NEW.scheduled_at, NEW.webhook_id) THEN
    PERFORM postrider.place_delivery(OLD.id, OLD.webhook_id, 'failed', OLD.scheduled_at);
    PERFORM postrider.place_delivery(NEW.id, NEW.webhook_id, NEW.status, NEW.scheduled_at);
  END IF;
  RETURN NEW;
END
$$;

DROP TRIGGER projects_delete_rows ON postrider.projects;
DROP TRIGGER webhooks_delete_rows ON postrider.webhooks;
DROP FUNCTION postrider.delete_rows_of_project();
DROP FUNCTION postrider.delete_rows_of_webhook();
DROP FUNCTION postrider.step_deletion(uuid, integer);
DROP TABLE postrider.deletions;

DELETE FROM postrider.deliveries AS delivery
WHERE NOT EXISTS (SELECT FROM postrider.webhooks AS webhook WHERE webhook.id = delivery.webhook_id);
DELETE FROM postrider.events AS event
WHERE NOT EXISTS (SELECT FROM postrider.projects AS project WHERE project.id = event.project_id);
DELETE FROM postrider.delivery_queue AS queued
WHERE NOT EXISTS (SELECT FROM postrider.webhooks AS webhook WHERE webhook.id = queued.webhook_id);
DELETE FROM postrider.delivery_schedule AS waiting
WHERE NOT EXISTS (SELECT FROM postrider.webhooks AS webhook WHERE webhook.id = waiting.webhook_id);
DELETE FROM postrider.delivery_line_waiting AS lined
WHERE NOT EXISTS (SELECT FROM postrider.webhooks AS webhook WHERE webhook.id = lined.webhook_id);
DELETE FROM postrider.filtered_deliveries AS filtered
WHERE NOT EXISTS (SELECT FROM postrider.webhooks AS webhook WHERE webhook.id = filtered.webhook_id);
DELETE FROM postrider.attempt_statistics AS counted
WHERE NOT EXISTS (SELECT FROM postrider.projects AS project WHERE project.id = counted.project_id);
DELETE FROM postrider.event_statistics AS counted
WHERE NOT EXISTS (SELECT FROM postrider.projects AS project WHERE project.id = counted.project_id);

CREATE FUNCTION postrider.unqueue_webhook()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  DELETE FROM postrider.delivery_queue WHERE webhook_id = OLD.id;
  DELETE FROM postrider.delivery_schedule WHERE webhook_id = OLD.id;
  DELETE FROM postrider.delivery_line_waiting WHERE webhook_id = OLD.id;
  RETURN NULL;
END
$$;

CREATE FUNCTION postrider.delete_filtered_of_webhook()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  DELETE FROM postrider.filtered_deliveries WHERE webhook_id = OLD.id;
  RETURN NULL;
END
$$;

CREATE FUNCTION postrider.delete_statistics_of_webhook()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  DELETE FROM postrider.attempt_statistics
  WHERE project_id = OLD.project_id
    AND webhook_id = OLD.id;
  RETURN NULL;
END
$$;

CREATE FUNCTION postrider.delete_events_of_project()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  DELETE FROM postrider.events WHERE project_id = OLD.id;
  RETURN NULL;
END
$$;

REVOKE ALL ON FUNCTION
  postrider.unqueue_webhook(),
  postrider.delete_filtered_of_webhook(),
  postrider.delete_statistics_of_webhook(),
  postrider.delete_events_of_project()
  FROM PUBLIC;

CREATE TRIGGER webhooks_unqueue
  AFTER DELETE ON postrider.webhooks
  FOR EACH ROW
  EXECUTE FUNCTION postrider.unqueue_webhook();

CREATE TRIGGER webhooks_delete_filtered
  AFTER DELETE ON postrider.webhooks
  FOR EACH ROW
  EXECUTE FUNCTION postrider.delete_filtered_of_webhook();

CREATE TRIGGER webhooks_delete_statistics
  AFTER DELETE ON postrider.webhooks
  FOR EACH ROW
  EXECUTE FUNCTION postrider.delete_statistics_of_webhook();

CREATE TRIGGER projects_delete_events
  AFTER DELETE ON postrider.projects
  FOR EACH ROW
  EXECUTE FUNCTION postrider.delete_events_of_project();

ALTER TABLE postrider.deliveries
  ADD CONSTRAINT webhook_deliveries_webhook_id_fkey
  FOREIGN KEY (webhook_id) REFERENCES postrider.webhooks (id) ON DELETE CASCADE;
ALTER TABLE postrider.attempt_statistics
  ADD CONSTRAINT attempt_statistics_project_id_fkey
  FOREIGN KEY (project_id) REFERENCES postrider.projects (id) ON DELETE CASCADE;
ALTER TABLE postrider.event_statistics
  ADD CONSTRAINT event_statistics_project_id_fkey
  FOREIGN KEY (project_id) REFERENCES postrider.projects (id) ON DELETE CASCADE;

CREATE OR REPLACE FUNCTION postrider.deliveries_of_same_event(
  project_id uuid,
  path text,
  id uuid,
  type text,
  data jsonb,
  application_id uuid,
  environment_name text,
  "timestamp" timestamptz
)
RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  same boolean;
  deliveries integer;
BEGIN
  SELECT
    event.deliveries,
    event.type = deliveries_of_same_event.type
      AND event.application_id IS NOT DISTINCT FROM deliveries_of_same_event.application_id
      AND event.environment_name IS NOT DISTINCT FROM deliveries_of_same_event.environment_name
      AND (
        deliveries_of_same_event."timestamp" IS NULL
        OR event."timestamp" = date_trunc('milliseconds', deliveries_of_same_event."timestamp")
      )
      AND event.payload::jsonb -> 'data' IS NOT DISTINCT FROM deliveries_of_same_event.data
  INTO deliveries, same
  FROM postrider.events AS event
  WHERE event.project_id = deliveries_of_same_event.project_id
    AND event.id = deliveries_of_same_event.id;

  IF NOT FOUND THEN
    RAISE EXCEPTION '%id % was being removed while it was published again: try again', path, id
      USING ERRCODE = 'serialization_failure', COLUMN = path || 'id';
  END IF;
  IF NOT same THEN
    RAISE EXCEPTION '%id % was published before with other content', path, deliveries_of_same_event.id
      USING ERRCODE = 'unique_violation', COLUMN = path || 'id',
        HINT = 'Use a new id for a new event; send the same content to repeat one.';
  END IF;
  RETURN deliveries;
END
$$;

ALTER TABLE postrider.deliveries DROP COLUMN payload_expired_at;
ALTER TABLE postrider.events DROP COLUMN payload_expired_at;

DROP TRIGGER webhook_event_types_note_retention_delete ON postrider.webhook_event_types;
DROP TRIGGER webhook_event_types_note_retention_update ON postrider.webhook_event_types;
DROP TRIGGER webhook_event_types_note_retention_insert ON postrider.webhook_event_types;
DROP TRIGGER projects_note_retention_update ON postrider.projects;
DROP TRIGGER projects_note_retention_insert ON postrider.projects;
DROP FUNCTION postrider.note_retention_rule();
DROP TABLE postrider.project_retention;

DROP TRIGGER webhook_event_types_audit ON postrider.webhook_event_types;
CREATE TRIGGER webhook_event_types_audit
  AFTER INSERT OR UPDATE OR DELETE ON postrider.webhook_event_types
  FOR EACH ROW
  EXECUTE FUNCTION postrider.audit_change('event_type', 'name', 'project_id name description schema example deprecated version');

DROP TRIGGER projects_audit ON postrider.projects;
CREATE TRIGGER projects_audit
  AFTER INSERT OR UPDATE OR DELETE ON postrider.projects
  FOR EACH ROW
  EXECUTE FUNCTION postrider.audit_change('project', 'id', 'id name');

ALTER TABLE postrider.webhook_event_types DROP COLUMN retention_days;

ALTER TABLE postrider.projects
  DROP COLUMN retention_days,
  DROP COLUMN payload_retention_days,
  DROP COLUMN backlog_limit;
