-- The queue leaves the history, the payload is stored once for each event, and a worker holds one lease for all that it
-- has in flight. Measured before: each delivery wrote ten indexes three times over, and its payload with them.
--
--   deliveries         one row for each delivery; no index on what changes, so that an update stays on its page (HOT)
--   delivery_queue     what may be sent now; a claim deletes the row
--   delivery_schedule  what waits for its next try; moved into the queue when its time has come
--   delivery_lines     for webhooks that want their deliveries in order: what waits for the one before it
--   workers            who lives, and what each has in flight
--
-- A delivery that is not finished stands in exactly one place: the queue, the schedule, a line, or one worker's
-- `in_flight`.
-- `webhook_deliveries` is a view that shows all of it under the names it always had, and takes writes too.

-- Events -------------------------------------------------------------------------------------------------------

-- One narrow row for each event, whether or not it matched. Its primary key is the idempotency key. There is no
-- foreign key to projects: a lock on the project's row for each event would make publishers wait for each other.
CREATE TABLE postrider.events (
  project_id UUID NOT NULL,
  id UUID NOT NULL,
  type VARCHAR(255) NOT NULL,
  "timestamp" TIMESTAMPTZ NOT NULL,
  application_id UUID,
  environment_name VARCHAR(255),
  created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  deliveries INTEGER NOT NULL,

  PRIMARY KEY (project_id, id)
);

CREATE INDEX idx_events_project_created_at
  ON postrider.events (project_id, created_at DESC, id DESC);

CREATE INDEX idx_events_created_at
  ON postrider.events (created_at);

-- The wide part of an event: the envelope that its webhooks receive.
CREATE TABLE postrider.event_payloads (
  project_id UUID NOT NULL,
  event_id UUID NOT NULL,
  payload JSONB NOT NULL,

  PRIMARY KEY (project_id, event_id)
);

CREATE FUNCTION postrider.delete_events_of_project()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  DELETE FROM postrider.event_payloads WHERE project_id = OLD.id;
  DELETE FROM postrider.events WHERE project_id = OLD.id;
  RETURN NULL;
END
$$;

CREATE TRIGGER projects_delete_events
  AFTER DELETE ON postrider.projects
  FOR EACH ROW
  EXECUTE FUNCTION postrider.delete_events_of_project();

-- Payloads --------------------------------------------------------------------------------------------------------

-- Deliveries that were written by hand have no event yet.
INSERT INTO postrider.events (project_id, id, type, "timestamp", created_at, deliveries)
SELECT DISTINCT ON (delivery.project_id, delivery.event_id)
  delivery.project_id,
  delivery.event_id,
  delivery.event_type,
  delivery.created_at,
  delivery.created_at,
  COUNT(*) OVER (PARTITION BY delivery.project_id, delivery.event_id)
FROM postrider.webhook_deliveries AS delivery
ORDER BY delivery.project_id, delivery.event_id, delivery.created_at
ON CONFLICT DO NOTHING;

INSERT INTO postrider.event_payloads (project_id, event_id, payload)
SELECT DISTINCT ON (delivery.project_id, delivery.event_id)
  delivery.project_id,
  delivery.event_id,
  delivery.payload
FROM postrider.webhook_deliveries AS delivery
ORDER BY delivery.project_id, delivery.event_id, delivery.created_at
ON CONFLICT DO NOTHING;

ALTER TABLE postrider.webhook_deliveries RENAME TO deliveries;
ALTER TABLE postrider.deliveries ALTER COLUMN payload DROP NOT NULL;

-- A delivery keeps a payload of its own only where it differs from its event's.
UPDATE postrider.deliveries AS delivery
SET payload = NULL
FROM postrider.event_payloads AS stored
WHERE stored.project_id = delivery.project_id
  AND stored.event_id = delivery.event_id
  AND stored.payload = delivery.payload;

-- The history -----------------------------------------------------------------------------------------------------

-- What was being sent when this ran is sent again; its worker's result no longer counts.
ALTER TABLE postrider.deliveries
  DROP CONSTRAINT webhook_deliveries_lease_check,
  DROP COLUMN lease_token,
  DROP COLUMN lease_until,
  DROP COLUMN claimed_at;

UPDATE postrider.deliveries
SET status = 'pending'
WHERE status = 'delivering';

DROP INDEX
  postrider.idx_webhook_deliveries_pending,
  postrider.idx_webhook_deliveries_due,
  postrider.idx_webhook_deliveries_delivering,
  postrider.idx_webhook_deliveries_webhook_id,
  postrider.idx_webhook_deliveries_event_id,
  postrider.idx_webhook_deliveries_webhook_event;

-- One index for "the deliveries of an event" and for "each webhook gets an event once".
CREATE UNIQUE INDEX idx_deliveries_event_webhook
  ON postrider.deliveries (event_id, webhook_id);

-- Room on each page for the update that every row gets.
ALTER TABLE postrider.deliveries SET (
  fillfactor = 60,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_analyze_scale_factor = 0.05
);

-- An attempt is found by its delivery; checking that the delivery exists would lock the row that was just updated.
ALTER TABLE postrider.webhook_delivery_attempts
  DROP CONSTRAINT webhook_delivery_attempts_delivery_id_fkey,
  DROP CONSTRAINT webhook_delivery_attempts_pkey;
ALTER INDEX postrider.idx_webhook_delivery_attempts_delivery RENAME TO webhook_delivery_attempts_pkey;
ALTER TABLE postrider.webhook_delivery_attempts
  ADD CONSTRAINT webhook_delivery_attempts_pkey PRIMARY KEY USING INDEX webhook_delivery_attempts_pkey;

CREATE FUNCTION postrider.delete_attempts_of_deliveries()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  DELETE FROM postrider.webhook_delivery_attempts
  WHERE delivery_id = ANY(ARRAY(SELECT deleted.id FROM deleted));
  RETURN NULL;
END
$$;

CREATE TRIGGER deliveries_delete_attempts
  AFTER DELETE ON postrider.deliveries
  REFERENCING OLD TABLE AS deleted
  FOR EACH STATEMENT
  EXECUTE FUNCTION postrider.delete_attempts_of_deliveries();

-- The queue -------------------------------------------------------------------------------------------------------

CREATE TABLE postrider.delivery_queue (
  webhook_id UUID NOT NULL,
  scheduled_at TIMESTAMPTZ NOT NULL,
  delivery_id UUID NOT NULL,

  -- A claim steps from webhook to webhook, so that a long queue of one hides no other.
  PRIMARY KEY (webhook_id, scheduled_at, delivery_id)
) WITH (
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_cost_delay = 0
);

CREATE TABLE postrider.delivery_schedule (
  scheduled_at TIMESTAMPTZ NOT NULL,
  delivery_id UUID NOT NULL,
  webhook_id UUID NOT NULL,

  PRIMARY KEY (scheduled_at, delivery_id)
);

CREATE INDEX idx_delivery_schedule_webhook
  ON postrider.delivery_schedule (webhook_id);

INSERT INTO postrider.delivery_queue (webhook_id, scheduled_at, delivery_id)
SELECT webhook_id, scheduled_at, id
FROM postrider.deliveries
WHERE status = 'pending'
  AND scheduled_at <= now();

INSERT INTO postrider.delivery_schedule (webhook_id, scheduled_at, delivery_id)
SELECT webhook_id, scheduled_at, id
FROM postrider.deliveries
WHERE status = 'pending'
  AND scheduled_at > now();

-- A webhook that wants its deliveries in order has a line: `active_delivery_id` is the one at its head, out in the queue,
-- the schedule or in flight. The others wait here, numbered as they were published, and the next one comes out when the
-- head is finished.
CREATE TABLE postrider.delivery_lines (
  webhook_id UUID PRIMARY KEY REFERENCES postrider.webhooks (id) ON DELETE CASCADE,
  active_delivery_id UUID
) WITH (fillfactor = 50);

CREATE TABLE postrider.delivery_line_waiting (
  webhook_id UUID NOT NULL,
  position BIGINT GENERATED ALWAYS AS IDENTITY,
  delivery_id UUID NOT NULL,

  PRIMARY KEY (webhook_id, position)
);

CREATE FUNCTION postrider.unqueue_webhook()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  DELETE FROM postrider.delivery_queue WHERE webhook_id = OLD.id;
  DELETE FROM postrider.delivery_schedule WHERE webhook_id = OLD.id;
  DELETE FROM postrider.delivery_line_waiting WHERE webhook_id = OLD.id;
  RETURN NULL;
END
$$;

CREATE TRIGGER webhooks_unqueue
  AFTER DELETE ON postrider.webhooks
  FOR EACH ROW
  EXECUTE FUNCTION postrider.unqueue_webhook();

-- Workers ---------------------------------------------------------------------------------------------------------

-- One row for each life of a worker. While it is there its results count; whoever finds it expired deletes it, and with
-- that nothing of it counts any more. The arrays say which try of which delivery it may be sending, and since when.
CREATE TABLE postrider.workers (
  id UUID PRIMARY KEY,
  started_at TIMESTAMPTZ NOT NULL,
  lease_until TIMESTAMPTZ NOT NULL,
  in_flight UUID[] NOT NULL DEFAULT '{}',
  in_flight_attempts INTEGER[] NOT NULL DEFAULT '{}',
  in_flight_since TIMESTAMPTZ[] NOT NULL DEFAULT '{}',

  CONSTRAINT workers_in_flight_check CHECK (
    cardinality(in_flight) = cardinality(in_flight_attempts)
    AND cardinality(in_flight) = cardinality(in_flight_since)
  )
) WITH (
  fillfactor = 10,
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 1000
);

-- The arrays are rewritten by every claim: on the page, not beside it.
ALTER TABLE postrider.workers
  ALTER COLUMN in_flight SET STORAGE MAIN,
  ALTER COLUMN in_flight_attempts SET STORAGE MAIN,
  ALTER COLUMN in_flight_since SET STORAGE MAIN;

-- The view --------------------------------------------------------------------------------------------------------

CREATE VIEW postrider.webhook_deliveries AS
SELECT
  delivery.id,
  delivery.webhook_id,
  delivery.event_id,
  delivery.event_type,
  COALESCE(delivery.payload, stored.payload) AS payload,
  delivery.status,
  delivery.attempts,
  delivery.max_attempts,
  delivery.scheduled_at,
  delivery.last_attempt_at,
  delivery.last_response_status,
  delivery.last_response_body,
  delivery.last_error,
  delivery.delivered_at,
  delivery.created_at,
  delivery.project_id,
  delivery.rescues,
  delivery.max_rescues,
  delivery.retried_at
FROM postrider.deliveries AS delivery
LEFT JOIN postrider.event_payloads AS stored
  ON stored.project_id = delivery.project_id
  AND stored.event_id = delivery.event_id;

ALTER VIEW postrider.webhook_deliveries ALTER COLUMN id SET DEFAULT postrider.uuid_generate_v7();
ALTER VIEW postrider.webhook_deliveries ALTER COLUMN status SET DEFAULT 'pending';
ALTER VIEW postrider.webhook_deliveries ALTER COLUMN attempts SET DEFAULT 0;
ALTER VIEW postrider.webhook_deliveries ALTER COLUMN max_attempts SET DEFAULT 6;
ALTER VIEW postrider.webhook_deliveries ALTER COLUMN scheduled_at SET DEFAULT NOW();
ALTER VIEW postrider.webhook_deliveries ALTER COLUMN created_at SET DEFAULT NOW();
ALTER VIEW postrider.webhook_deliveries ALTER COLUMN rescues SET DEFAULT 0;
ALTER VIEW postrider.webhook_deliveries ALTER COLUMN max_rescues SET DEFAULT 5;

-- Puts an unfinished delivery where its time says, and takes any other out.
CREATE FUNCTION postrider.place_delivery(
  id uuid,
  webhook_id uuid,
  status postrider.webhook_delivery_status,
  scheduled_at timestamptz
)
RETURNS void
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
BEGIN
  DELETE FROM postrider.delivery_queue AS queued
  WHERE queued.webhook_id = place_delivery.webhook_id
    AND queued.delivery_id = place_delivery.id;
  DELETE FROM postrider.delivery_schedule AS waiting
  WHERE waiting.webhook_id = place_delivery.webhook_id
    AND waiting.delivery_id = place_delivery.id;
  DELETE FROM postrider.delivery_line_waiting AS waiting
  WHERE waiting.webhook_id = place_delivery.webhook_id
    AND waiting.delivery_id = place_delivery.id;
  IF place_delivery.status <> 'pending' THEN
    RETURN;
  END IF;
  IF place_delivery.scheduled_at <= clock_timestamp() THEN
    INSERT INTO postrider.delivery_queue (webhook_id, scheduled_at, delivery_id)
    VALUES (place_delivery.webhook_id, place_delivery.scheduled_at, place_delivery.id);
  ELSE
    INSERT INTO postrider.delivery_schedule (webhook_id, scheduled_at, delivery_id)
    VALUES (place_delivery.webhook_id, place_delivery.scheduled_at, place_delivery.id);
  END IF;
END
$$;

CREATE FUNCTION postrider.write_webhook_delivery()
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
    INSERT INTO postrider.events (project_id, id, type, "timestamp", created_at, deliveries)
    VALUES (NEW.project_id, NEW.event_id, NEW.event_type, NEW.created_at, NEW.created_at, 1)
    ON CONFLICT DO NOTHING;
    INSERT INTO postrider.event_payloads (project_id, event_id, payload)
    VALUES (NEW.project_id, NEW.event_id, NEW.payload)
    ON CONFLICT DO NOTHING;
  END IF;
  SELECT stored.payload INTO stored_payload
  FROM postrider.event_payloads AS stored
  WHERE stored.project_id = NEW.project_id
    AND stored.event_id = NEW.event_id;

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

CREATE TRIGGER webhook_deliveries_write
  INSTEAD OF INSERT OR UPDATE OR DELETE ON postrider.webhook_deliveries
  FOR EACH ROW
  EXECUTE FUNCTION postrider.write_webhook_delivery();

DROP TRIGGER webhook_deliveries_fill_project ON postrider.deliveries;
DROP FUNCTION postrider.fill_delivery_project();
