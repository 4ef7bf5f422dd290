-- How long a project keeps what: rules of its own and of its event types, payloads that go before their history does, events
-- that are erased, and what is left of projects and webhooks that were deleted, which goes in the background.

-- Rules ------------------------------------------------------------------------------------------------------------

ALTER TABLE postrider.projects
  -- NULL: as the deployment says.
  ADD COLUMN retention_days INTEGER,
  -- NULL: as long as the history.
  ADD COLUMN payload_retention_days INTEGER,
  -- NULL: as the deployment says.
  ADD COLUMN backlog_limit INTEGER,
  ADD CONSTRAINT projects_retention_days_check CHECK (retention_days BETWEEN 1 AND 3650),
  ADD CONSTRAINT projects_payload_retention_days_check CHECK (payload_retention_days BETWEEN 1 AND 3650),
  ADD CONSTRAINT projects_backlog_limit_check CHECK (backlog_limit >= 1);

-- Who publishes asks now and then which projects have one.
CREATE INDEX idx_projects_backlog_limit
  ON postrider.projects (id)
  WHERE backlog_limit IS NOT NULL;

ALTER TABLE postrider.webhook_event_types
  -- NULL: as the project says.
  ADD COLUMN retention_days INTEGER,
  ADD CONSTRAINT webhook_event_types_retention_days_check CHECK (retention_days BETWEEN 1 AND 3650);

DROP TRIGGER projects_audit ON postrider.projects;
CREATE TRIGGER projects_audit
  AFTER INSERT OR UPDATE OR DELETE ON postrider.projects
  FOR EACH ROW
  EXECUTE FUNCTION postrider.audit_change('project', 'id', 'id name retention_days payload_retention_days backlog_limit');

DROP TRIGGER webhook_event_types_audit ON postrider.webhook_event_types;
CREATE TRIGGER webhook_event_types_audit
  AFTER INSERT OR UPDATE OR DELETE ON postrider.webhook_event_types
  FOR EACH ROW
  EXECUTE FUNCTION postrider.audit_change('event_type', 'name', 'project_id name description schema example deprecated version retention_days');

-- Projects with rules of their own, and how far the present pass over the history of each is. What expires at the
-- deployment's age leaves these projects alone.
CREATE TABLE postrider.project_retention (
  project_id UUID PRIMARY KEY REFERENCES postrider.projects (id) ON DELETE CASCADE,
  -- When the next step of a pass is due: in the middle of a pass, at once.
  due_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  phase TEXT NOT NULL DEFAULT 'deliveries',
  last_created_at TIMESTAMPTZ NOT NULL DEFAULT '-infinity',
  last_id UUID NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  -- What this pass did.
  deliveries BIGINT NOT NULL DEFAULT 0,
  events BIGINT NOT NULL DEFAULT 0,
  payloads BIGINT NOT NULL DEFAULT 0,
  -- All events before this moment have no payload any more; in the middle of a pass, the oldest of it that still has one.
  payloads_from TIMESTAMPTZ NOT NULL DEFAULT '-infinity',
  payloads_left_at TIMESTAMPTZ,

  CONSTRAINT project_retention_phase_check CHECK (phase IN ('deliveries', 'events', 'payloads'))
);

-- A rule that is made, changed or taken away begins a new pass, whoever writes it.
CREATE FUNCTION postrider.note_retention_rule()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  changed uuid := CASE TG_OP WHEN 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END ->> TG_ARGV[0];
BEGIN
  INSERT INTO postrider.project_retention (project_id)
  SELECT project.id
  FROM postrider.projects AS project
  WHERE project.id = changed
  ON CONFLICT (project_id) DO UPDATE
  SET due_at = EXCLUDED.due_at,
      phase = EXCLUDED.phase,
      last_created_at = EXCLUDED.last_created_at,
      last_id = EXCLUDED.last_id,
      payloads_from = EXCLUDED.payloads_from,
      payloads_left_at = NULL;
  RETURN NULL;
END
$$;

CREATE TRIGGER projects_note_retention_insert
  AFTER INSERT ON postrider.projects
  FOR EACH ROW
  WHEN (NEW.retention_days IS NOT NULL OR NEW.payload_retention_days IS NOT NULL)
  EXECUTE FUNCTION postrider.note_retention_rule('id');

CREATE TRIGGER projects_note_retention_update
  AFTER UPDATE ON postrider.projects
  FOR EACH ROW
  WHEN (
    NEW.retention_days IS DISTINCT FROM OLD.retention_days
    OR NEW.payload_retention_days IS DISTINCT FROM OLD.payload_retention_days
  )
  EXECUTE FUNCTION postrider.note_retention_rule('id');

CREATE TRIGGER webhook_event_types_note_retention_insert
  AFTER INSERT ON postrider.webhook_event_types
  FOR EACH ROW
  WHEN (NEW.retention_days IS NOT NULL)
  EXECUTE FUNCTION postrider.note_retention_rule('project_id');

CREATE TRIGGER webhook_event_types_note_retention_update
  AFTER UPDATE ON postrider.webhook_event_types
  FOR EACH ROW
  WHEN (
    NEW.retention_days IS DISTINCT FROM OLD.retention_days
    OR (NEW.retention_days IS NOT NULL AND NEW.name <> OLD.name)
  )
  EXECUTE FUNCTION postrider.note_retention_rule('project_id');

CREATE TRIGGER webhook_event_types_note_retention_delete
  AFTER DELETE ON postrider.webhook_event_types
  FOR EACH ROW
  WHEN (OLD.retention_days IS NOT NULL)
  EXECUTE FUNCTION postrider.note_retention_rule('project_id');

-- Payloads ---------------------------------------------------------------------------------------------------------

-- NULL in every row that is there, and so nothing is read for it.
ALTER TABLE postrider.events
  ADD COLUMN payload_expired_at TIMESTAMPTZ;

-- What has no payload cannot be sent, whoever writes.
ALTER TABLE postrider.deliveries
  ADD COLUMN payload_expired_at TIMESTAMPTZ,
  ADD CONSTRAINT deliveries_payload_expired_at_check CHECK (
    payload_expired_at IS NULL OR status IN ('delivered', 'failed')
  ) NOT VALID;

-- The id is an idempotency key as long as the event is there: without its payload, what is left of it is compared.
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
      AND (
        event.payload_expired_at IS NOT NULL
        OR event.payload::jsonb -> 'data' IS NOT DISTINCT FROM deliveries_of_same_event.data
      )
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

-- What was deleted -------------------------------------------------------------------------------------------------

-- Projects and webhooks that are gone, and how far what belonged to them is. Who deletes one waits for its first rows at
-- most; one statement that took all of them would hold their locks, and up vacuum, for as long as it runs.
CREATE TABLE postrider.deletions (
  id UUID PRIMARY KEY DEFAULT postrider.uuid_generate_v7(),
  project_id UUID NOT NULL,
  -- NULL: the project, whose webhooks have a row each.
  webhook_id UUID,
  phase TEXT NOT NULL DEFAULT 'deliveries',
  -- Newest first: each step goes on behind the last row of the one before, past all that is dead.
  last_created_at TIMESTAMPTZ NOT NULL DEFAULT 'infinity',
  last_id UUID NOT NULL DEFAULT 'ffffffff-ffff-ffff-ffff-ffffffffffff',
  deliveries BIGINT NOT NULL DEFAULT 0,
  events BIGINT NOT NULL DEFAULT 0,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  stepped_at TIMESTAMPTZ,

  CONSTRAINT deletions_phase_check CHECK (
    phase IN ('deliveries', 'events', 'waiting', 'filtered', 'statistics', 'ended')
  )
);

CREATE INDEX idx_deletions_project
  ON postrider.deletions (project_id);

-- A reference deletes at once. Publishing, which holds the webhook, makes none for one that is gone, and neither does the
-- view below; what counts by project may do so until its rows are gone, too.
ALTER TABLE postrider.deliveries DROP CONSTRAINT webhook_deliveries_webhook_id_fkey;
ALTER TABLE postrider.attempt_statistics DROP CONSTRAINT attempt_statistics_project_id_fkey;
ALTER TABLE postrider.event_statistics DROP CONSTRAINT event_statistics_project_id_fkey;

DROP TRIGGER webhooks_unqueue ON postrider.webhooks;
DROP TRIGGER webhooks_delete_filtered ON postrider.webhooks;
DROP TRIGGER webhooks_delete_statistics ON postrider.webhooks;
DROP TRIGGER projects_delete_events ON postrider.projects;
DROP FUNCTION postrider.unqueue_webhook();
DROP FUNCTION postrider.delete_filtered_of_webhook();
DROP FUNCTION postrider.delete_statistics_of_webhook();
DROP FUNCTION postrider.delete_events_of_project();

-- Deletes at most so many rows of what is gone; answers whether there are more. After the end comes a last look, for what
-- somebody held then or had not committed: one that finds nothing ends it.
CREATE FUNCTION postrider.step_deletion(id uuid, most integer)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
SET enable_seqscan = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
  deletion postrider.deletions;
  budget integer := most;
  ids uuid[];
  moments timestamptz[];
  count integer;
  looked_at integer;
  seen integer := 0;
  is_last_look boolean;
BEGIN
  SELECT kept.*
  INTO deletion
  FROM postrider.deletions AS kept
  WHERE kept.id = step_deletion.id
  FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  is_last_look := deletion.phase = 'ended';
  IF is_last_look THEN
    deletion.phase := 'deliveries';
  END IF;

  WHILE budget > 0 AND deletion.phase <> 'ended' LOOP
    looked_at := 0;
    CASE deletion.phase
      WHEN 'deliveries' THEN
        IF deletion.webhook_id IS NULL THEN
          SELECT
            COALESCE(array_agg(slice.id ORDER BY slice.created_at DESC, slice.id DESC), '{}'),
            array_agg(slice.created_at ORDER BY slice.created_at DESC, slice.id DESC)
          INTO ids, moments
          FROM (
            SELECT delivery.id, delivery.created_at
            FROM postrider.deliveries AS delivery
            WHERE delivery.project_id = deletion.project_id
              AND (delivery.created_at, delivery.id) < (deletion.last_created_at, deletion.last_id)
            ORDER BY delivery.created_at DESC, delivery.id DESC
            LIMIT budget
          ) AS slice;
        ELSE
          SELECT
            COALESCE(array_agg(slice.id ORDER BY slice.created_at DESC, slice.id DESC), '{}'),
            array_agg(slice.created_at ORDER BY slice.created_at DESC, slice.id DESC)
          INTO ids, moments
          FROM (
            SELECT delivery.id, delivery.created_at
            FROM postrider.deliveries AS delivery
            WHERE delivery.webhook_id = deletion.webhook_id
              AND delivery.project_id = deletion.project_id
              AND (delivery.created_at, delivery.id) < (deletion.last_created_at, deletion.last_id)
            ORDER BY delivery.created_at DESC, delivery.id DESC
            LIMIT budget
          ) AS slice;
        END IF;
        looked_at := cardinality(ids);
        -- Whoever holds one is just writing its result: it goes the next time.
        DELETE FROM postrider.deliveries AS delivery
        WHERE delivery.project_id = deletion.project_id
          AND delivery.id = ANY(ARRAY(
            SELECT held.id
            FROM postrider.deliveries AS held
            WHERE held.project_id = deletion.project_id
              AND held.id = ANY(ids)
            FOR UPDATE SKIP LOCKED
          ));
        GET DIAGNOSTICS count = ROW_COUNT;
        deletion.deliveries := deletion.deliveries + count;

      WHEN 'events' THEN
        IF deletion.webhook_id IS NULL THEN
          SELECT
            COALESCE(array_agg(slice.id ORDER BY slice.created_at DESC, slice.id DESC), '{}'),
            array_agg(slice.created_at ORDER BY slice.created_at DESC, slice.id DESC)
          INTO ids, moments
          FROM (
            SELECT event.id, event.created_at
            FROM postrider.events AS event
            WHERE event.project_id = deletion.project_id
              AND (event.created_at, event.id) < (deletion.last_created_at, deletion.last_id)
            ORDER BY event.created_at DESC, event.id DESC
            LIMIT budget
          ) AS slice;
          looked_at := cardinality(ids);
          DELETE FROM postrider.events AS event
          WHERE event.project_id = deletion.project_id
            AND event.id = ANY(ids)
            AND event.created_at <= moments[1]
            AND event.created_at >= moments[looked_at];
          GET DIAGNOSTICS count = ROW_COUNT;
          deletion.events := deletion.events + count;
        END IF;

      WHEN 'waiting' THEN
        IF deletion.webhook_id IS NOT NULL THEN
          DELETE FROM postrider.delivery_queue
          WHERE ctid = ANY(ARRAY(
            SELECT queued.ctid
            FROM postrider.delivery_queue AS queued
            WHERE queued.webhook_id = deletion.webhook_id
            LIMIT budget
            FOR UPDATE SKIP LOCKED
          ));
          GET DIAGNOSTICS count = ROW_COUNT;
          looked_at := count;
          DELETE FROM postrider.delivery_schedule
          WHERE ctid = ANY(ARRAY(
            SELECT waiting.ctid
            FROM postrider.delivery_schedule AS waiting
            WHERE waiting.webhook_id = deletion.webhook_id
            LIMIT budget - looked_at
            FOR UPDATE SKIP LOCKED
          ));
          GET DIAGNOSTICS count = ROW_COUNT;
          looked_at := looked_at + count;
          DELETE FROM postrider.delivery_line_waiting
          WHERE ctid = ANY(ARRAY(
            SELECT lined.ctid
            FROM postrider.delivery_line_waiting AS lined
            WHERE lined.webhook_id = deletion.webhook_id
            LIMIT budget - looked_at
            FOR UPDATE SKIP LOCKED
          ));
          GET DIAGNOSTICS count = ROW_COUNT;
          looked_at := looked_at + count;
        END IF;

      WHEN 'filtered' THEN
        IF deletion.webhook_id IS NOT NULL THEN
          DELETE FROM postrider.filtered_deliveries
          WHERE (event_id, webhook_id) IN (
            SELECT filtered.event_id, filtered.webhook_id
            FROM postrider.filtered_deliveries AS filtered
            WHERE filtered.webhook_id = deletion.webhook_id
            LIMIT budget
            FOR UPDATE SKIP LOCKED
          );
          GET DIAGNOSTICS looked_at = ROW_COUNT;
        END IF;

      WHEN 'statistics' THEN
        DELETE FROM postrider.attempt_statistics
        WHERE ctid = ANY(ARRAY(
          SELECT counted.ctid
          FROM postrider.attempt_statistics AS counted
          WHERE counted.project_id = deletion.project_id
            AND (deletion.webhook_id IS NULL OR counted.webhook_id = deletion.webhook_id)
          LIMIT budget
          FOR UPDATE SKIP LOCKED
        ));
        GET DIAGNOSTICS looked_at = ROW_COUNT;
        IF deletion.webhook_id IS NULL THEN
          DELETE FROM postrider.event_statistics
          WHERE ctid = ANY(ARRAY(
            SELECT counted.ctid
            FROM postrider.event_statistics AS counted
            WHERE counted.project_id = deletion.project_id
            LIMIT budget - looked_at
            FOR UPDATE SKIP LOCKED
          ));
          GET DIAGNOSTICS count = ROW_COUNT;
          looked_at := looked_at + count;
        END IF;
    END CASE;

    IF looked_at >= budget AND deletion.phase IN ('deliveries', 'events') THEN
      deletion.last_created_at := moments[looked_at];
      deletion.last_id := ids[looked_at];
    ELSIF looked_at < budget THEN
      deletion.phase := CASE deletion.phase
        WHEN 'deliveries' THEN 'events'
        WHEN 'events' THEN 'waiting'
        WHEN 'waiting' THEN 'filtered'
        WHEN 'filtered' THEN 'statistics'
        ELSE 'ended'
      END;
      deletion.last_created_at := 'infinity';
      deletion.last_id := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
    END IF;
    budget := budget - looked_at;
    seen := seen + looked_at;
  END LOOP;

  IF is_last_look AND seen = 0 AND deletion.phase = 'ended' THEN
    DELETE FROM postrider.deletions AS kept
    WHERE kept.id = deletion.id;
    RETURN false;
  END IF;
  UPDATE postrider.deletions AS kept
  SET phase = deletion.phase,
      last_created_at = deletion.last_created_at,
      last_id = deletion.last_id,
      deliveries = deletion.deliveries,
      events = deletion.events,
      stepped_at = clock_timestamp()
  WHERE kept.id = deletion.id;
  RETURN deletion.phase <> 'ended';
END
$$;

-- A webhook with a short history is gone whole. Of a project that is being deleted, whose row is gone by now, only a few
-- webhooks are begun with: there may be thousands.
CREATE FUNCTION postrider.delete_rows_of_webhook()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  deletion_id uuid;
  is_one_of_many boolean := (
    SELECT COUNT(*) > 5
    FROM (
      SELECT
      FROM postrider.deletions AS deletion
      WHERE deletion.project_id = OLD.project_id
        AND deletion.created_at = now()
      LIMIT 6
    ) AS deletion
  );
BEGIN
  INSERT INTO postrider.deletions (project_id, webhook_id)
  VALUES (OLD.project_id, OLD.id)
  RETURNING id INTO deletion_id;
  IF NOT is_one_of_many THEN
    PERFORM postrider.step_deletion(deletion_id, CASE
      WHEN EXISTS (SELECT FROM postrider.projects AS project WHERE project.id = OLD.project_id) THEN 500
      ELSE 100
    END);
  END IF;
  RETURN NULL;
END
$$;

CREATE TRIGGER webhooks_delete_rows
  AFTER DELETE ON postrider.webhooks
  FOR EACH ROW
  EXECUTE FUNCTION postrider.delete_rows_of_webhook();

CREATE FUNCTION postrider.delete_rows_of_project()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  deletion_id uuid;
BEGIN
  INSERT INTO postrider.deletions (project_id)
  VALUES (OLD.id)
  RETURNING id INTO deletion_id;
  PERFORM postrider.step_deletion(deletion_id, 500);
  RETURN NULL;
END
$$;

CREATE TRIGGER projects_delete_rows
  AFTER DELETE ON postrider.projects
  FOR EACH ROW
  EXECUTE FUNCTION postrider.delete_rows_of_project();

-- As a reference would: a webhook that is being deleted is waited for, and then there is none.
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

  -- One whose payload has expired can be changed in all that does not send it.
  IF NEW.payload IS NULL AND (TG_OP = 'INSERT' OR OLD.payload IS NOT NULL OR NEW.status IN ('pending', 'delivering')) THEN
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
  IF TG_OP = 'INSERT' OR NEW.webhook_id IS DISTINCT FROM OLD.webhook_id THEN
    PERFORM
    FROM postrider.webhooks AS webhook
    WHERE webhook.id = NEW.webhook_id
    FOR KEY SHARE;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'webhook_id % names no webhook', NEW.webhook_id
        USING ERRCODE = 'foreign_key_violation', COLUMN = 'webhook_id';
    END IF;
  END IF;

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

-- Erasure ----------------------------------------------------------------------------------------------------------

-- Removes one event with all that came of it; answers whether there was such a thing. That it was done is written down, and
-- nothing of what it held. A result that comes in afterwards finds no delivery, and is dropped.
CREATE FUNCTION postrider.erase_event(project_id uuid, id uuid)
RETURNS boolean
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
  is_there boolean;
  delivery_ids uuid[];
  in_flight integer;
  filtered integer;
BEGIN
  -- For another project there is none.
  IF erase_event.project_id IS DISTINCT FROM COALESCE(postrider.current_project(), erase_event.project_id) THEN
    RETURN false;
  END IF;

  PERFORM
  FROM postrider.events AS event
  WHERE event.project_id = erase_event.project_id
    AND event.id = erase_event.id
  FOR UPDATE;
  is_there := FOUND;
  delivery_ids := ARRAY(
    SELECT delivery.id
    FROM postrider.deliveries AS delivery
    WHERE delivery.event_id = erase_event.id
      AND delivery.project_id = erase_event.project_id
    ORDER BY delivery.id
    FOR UPDATE
  );
  SELECT COUNT(*)::integer
  INTO in_flight
  FROM postrider.workers AS worker
  CROSS JOIN LATERAL unnest(worker.in_flight, worker.in_flight_attempts) AS entry (id, attempt)
  JOIN postrider.deliveries AS delivery
    ON delivery.id = entry.id
    AND delivery.attempts + delivery.rescues + 1 = entry.attempt
    AND delivery.status IN ('pending', 'delivering')
  WHERE entry.id = ANY(delivery_ids);

  DELETE FROM postrider.delivery_queue AS queued
  USING postrider.deliveries AS delivery
  WHERE delivery.id = ANY(delivery_ids)
    AND queued.webhook_id = delivery.webhook_id
    AND queued.scheduled_at = delivery.scheduled_at
    AND queued.delivery_id = delivery.id;
  DELETE FROM postrider.delivery_schedule AS waiting
  USING postrider.deliveries AS delivery
  WHERE delivery.id = ANY(delivery_ids)
    AND waiting.scheduled_at = delivery.scheduled_at
    AND waiting.delivery_id = delivery.id;
  DELETE FROM postrider.delivery_line_waiting AS lined
  USING postrider.deliveries AS delivery
  WHERE delivery.id = ANY(delivery_ids)
    AND lined.webhook_id = delivery.webhook_id
    AND lined.delivery_id = delivery.id;
  DELETE FROM postrider.deliveries AS delivery
  WHERE delivery.project_id = erase_event.project_id
    AND delivery.id = ANY(delivery_ids);

  DELETE FROM postrider.filtered_deliveries AS kept_back
  WHERE kept_back.project_id = erase_event.project_id
    AND kept_back.event_id = erase_event.id;
  GET DIAGNOSTICS filtered = ROW_COUNT;
  IF NOT is_there AND filtered = 0 AND delivery_ids = '{}' THEN
    RETURN false;
  END IF;
  -- What is to be told of one that failed, and was not told yet.
  DELETE FROM postrider.signals AS signal
  WHERE signal.project_id = erase_event.project_id
    AND signal.data ->> 'event_id' = erase_event.id::text;
  DELETE FROM postrider.events AS event
  WHERE event.project_id = erase_event.project_id
    AND event.id = erase_event.id;

  PERFORM postrider.audit_as(
    NULL, erase_event.project_id, 'event.erased', 'event', erase_event.id::text,
    jsonb_build_object('deliveries', cardinality(delivery_ids), 'in_flight', in_flight), NULL
  );
  RETURN true;
END
$$;

-- Rights -----------------------------------------------------------------------------------------------------------

ALTER TABLE postrider.project_retention ENABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.deletions ENABLE ROW LEVEL SECURITY;

CREATE POLICY own_project ON postrider.project_retention
  USING (project_id = postrider.current_project());

CREATE POLICY own_project ON postrider.deletions
  USING (project_id = postrider.current_project());

REVOKE ALL ON FUNCTION
  postrider.note_retention_rule(),
  postrider.step_deletion(uuid, integer),
  postrider.delete_rows_of_webhook(),
  postrider.delete_rows_of_project(),
  postrider.erase_event(uuid, uuid)
  FROM PUBLIC;

ALTER FUNCTION postrider.admit_tenant_role() RENAME TO admit_tenant_role_before_retention;

CREATE FUNCTION postrider.admit_tenant_role()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM postrider.admit_tenant_role_before_retention();
  GRANT UPDATE (retention_days, payload_retention_days, backlog_limit) ON postrider.projects TO postrider_tenant;
  GRANT EXECUTE ON FUNCTION postrider.erase_event(uuid, uuid) TO postrider_tenant;
END
$$;

REVOKE ALL ON FUNCTION postrider.admit_tenant_role() FROM PUBLIC;

SELECT postrider.admit_tenant_role();
