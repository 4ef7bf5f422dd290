-- Back to payloads in a table of their own, and to statements that the worker sends itself.

DROP FUNCTION postrider.record_results(uuid, timestamptz, jsonb);
DROP FUNCTION postrider.claim_deliveries(
  uuid, timestamptz, integer, integer, uuid, uuid[], integer[], uuid[], integer[], uuid[]
);
DROP FUNCTION postrider.tokens_at(postrider.webhook_rates, double precision, timestamptz);
DROP VIEW postrider.claimable_deliveries;
ALTER TABLE postrider.workers DROP COLUMN alone;
ALTER TABLE postrider.delivery_schedule DROP COLUMN place;
DROP FUNCTION postrider.publish_columns(uuid, boolean, uuid[], text[], jsonb[], uuid[], text[], timestamptz[]);
DROP FUNCTION postrider.deliveries_of_same_event(uuid, text, uuid, text, jsonb, uuid, text, timestamptz);
DROP FUNCTION postrider.envelope(uuid, uuid, text, text, uuid, text, timestamptz);
DROP FUNCTION postrider.check_fields(jsonb);
DROP FUNCTION postrider.event_path(boolean, integer);

-- The wide part of an event: the envelope that its webhooks receive.
CREATE TABLE postrider.event_payloads (
  project_id UUID NOT NULL,
  event_id UUID NOT NULL,
  payload JSONB NOT NULL,

  PRIMARY KEY (project_id, event_id)
);

INSERT INTO postrider.event_payloads (project_id, event_id, payload)
SELECT event.project_id, event.id, event.payload::jsonb
FROM postrider.events AS event
WHERE event.payload IS NOT NULL;

CREATE OR REPLACE FUNCTION postrider.delete_events_of_project()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  DELETE FROM postrider.event_payloads WHERE project_id = OLD.id;
  DELETE FROM postrider.events WHERE project_id = OLD.id;
  RETURN NULL;
END
$$;

CREATE OR REPLACE VIEW postrider.webhook_deliveries AS
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

ALTER TABLE postrider.events DROP COLUMN payload;

DROP INDEX postrider.idx_events_created_at, postrider.idx_webhook_deliveries_created_at;

CREATE INDEX idx_events_created_at
  ON postrider.events (created_at);

CREATE INDEX idx_webhook_deliveries_created_at
  ON postrider.deliveries (created_at);

-- What a receiver gets, and what is signed. Without settings of its own, so that the planner can inline it.
CREATE FUNCTION postrider.envelope(
  project_id uuid,
  id uuid,
  type text,
  data jsonb,
  application_id uuid,
  environment_name text,
  "timestamp" timestamptz
)
RETURNS jsonb
LANGUAGE sql
STABLE
PARALLEL SAFE
RETURN jsonb_build_object(
  'id', id,
  'timestamp', to_char("timestamp" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
  'type', type,
  'api_version', 'v1',
  'project_id', project_id,
  'data', data
)
|| CASE WHEN application_id IS NULL THEN '{}' ELSE jsonb_build_object('application_id', application_id) END
|| CASE WHEN environment_name IS NULL THEN '{}' ELSE jsonb_build_object('environment_name', environment_name) END;

-- Publishes the events of one project, given column by column; the answers stand in the order given.
--
-- A concurrent publisher of the same id is waited for by ON CONFLICT; what it wrote is read by a second statement,
-- because the first does not see it. Under REPEATABLE READ neither does the second: PostgreSQL raises 40001 there,
-- and the caller tries its transaction again.
CREATE FUNCTION postrider.publish_columns(
  project_id uuid,
  paths text[],
  ids uuid[],
  types text[],
  data jsonb[],
  application_ids uuid[],
  environment_names text[],
  timestamps timestamptz[]
)
RETURNS SETOF postrider.publication
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  position integer;
  fresh uuid[];
  counts integer[];
  publication postrider.publication;
  published_at timestamptz := date_trunc('milliseconds', clock_timestamp());
BEGIN
  PERFORM
  FROM postrider.projects AS project
  WHERE project.id = publish_columns.project_id;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'project_id % names no project', publish_columns.project_id
      USING ERRCODE = 'foreign_key_violation', COLUMN = 'project_id';
  END IF;

  FOR position IN 1..cardinality(types) LOOP
    PERFORM postrider.check_event(
      paths[position], types[position], data[position], environment_names[position], timestamps[position]
    );
    IF application_ids[position] IS NOT NULL AND NOT EXISTS (
      SELECT
      FROM postrider.applications AS application
      WHERE application.project_id = publish_columns.project_id
        AND application.id = application_ids[position]
    ) THEN
      RAISE EXCEPTION '%application_id names no application of this project', paths[position]
        USING ERRCODE = 'foreign_key_violation', COLUMN = paths[position] || 'application_id';
    END IF;
    IF ids[position] IS NULL THEN
      ids[position] := postrider.uuid_generate_v7();
    END IF;
  END LOOP;

  WITH given AS MATERIALIZED (
    -- Of several with one id the first is published; the others are compared with it below. The order by id
    -- keeps two batches with the same ids from waiting for each other crosswise.
    SELECT DISTINCT ON (given.id)
      given.id,
      given.type,
      given.application_id,
      given.environment_name,
      COALESCE(date_trunc('milliseconds', given."timestamp"), published_at) AS "timestamp",
      given.data,
      given.ordinality
    FROM unnest(ids, types, publish_columns.data, application_ids, environment_names, timestamps)
      WITH ORDINALITY AS given (id, type, data, application_id, environment_name, "timestamp", ordinality)
    ORDER BY given.id, given.ordinality
  ),
  enveloped AS MATERIALIZED (
    SELECT
      given.id,
      postrider.envelope(
        publish_columns.project_id, given.id, given.type, given.data,
        given.application_id, given.environment_name, given."timestamp"
      ) AS payload
    FROM given
  ),
  routes AS MATERIALIZED (
    -- A batch has many events and few kinds of them: each kind is matched once.
    SELECT
      kinds.type,
      kinds.application_id,
      kinds.environment_name,
      postrider.event_type_patterns(kinds.type) AS patterns
    FROM (
      SELECT DISTINCT type, application_id, environment_name
      FROM given
    ) AS kinds
  ),
  matching AS MATERIALIZED (
    SELECT
      routes.type,
      routes.application_id,
      routes.environment_name,
      webhook.id AS webhook_id,
      COALESCE(cardinality(webhook.retry_seconds) + 1, 6) AS max_attempts,
      webhook.ordered
    FROM routes
    JOIN postrider.webhooks AS webhook
      ON webhook.project_id = publish_columns.project_id
      AND webhook.is_active
      AND webhook.event_types ?| routes.patterns
      AND (webhook.application_id IS NULL OR webhook.application_id = routes.application_id)
      AND (webhook.environment_name IS NULL OR webhook.environment_name = routes.environment_name)
    -- A webhook that is being deleted is waited for and left out, instead of failing the foreign key.
    FOR KEY SHARE OF webhook
  ),
  matched AS MATERIALIZED (
    SELECT
      given.id AS event_id,
      matching.webhook_id,
      matching.max_attempts
    FROM given
    JOIN matching
      ON matching.type = given.type
      AND matching.application_id IS NOT DISTINCT FROM given.application_id
      AND matching.environment_name IS NOT DISTINCT FROM given.environment_name
  ),
  counted AS (
    SELECT
      event_id,
      COUNT(*)::integer AS deliveries
    FROM matched
    GROUP BY event_id
  ),
  remembered AS (
    INSERT INTO postrider.events (
      project_id, id, type, "timestamp", application_id, environment_name, deliveries
    )
    SELECT
      publish_columns.project_id,
      given.id,
      given.type,
      given."timestamp",
      given.application_id,
      given.environment_name,
      COALESCE(counted.deliveries, 0)
    FROM given
    LEFT JOIN counted
      ON counted.event_id = given.id
    ORDER BY given.id
    ON CONFLICT (project_id, id) DO NOTHING
    RETURNING id, type, deliveries
  ),
  kept AS (
    INSERT INTO postrider.event_payloads (project_id, event_id, payload)
    SELECT
      publish_columns.project_id,
      remembered.id,
      enveloped.payload
    FROM remembered
    JOIN enveloped
      ON enveloped.id = remembered.id
  ),
  delivering AS (
    INSERT INTO postrider.deliveries (webhook_id, project_id, event_id, event_type, max_attempts)
    SELECT
      matched.webhook_id,
      publish_columns.project_id,
      remembered.id,
      remembered.type,
      matched.max_attempts
    FROM remembered
    JOIN matched
      ON matched.event_id = remembered.id
    RETURNING webhook_id, scheduled_at, id, event_id
  ),
  in_order AS MATERIALIZED (
    SELECT DISTINCT webhook_id
    FROM matching
    WHERE ordered
  ),
  queued AS (
    INSERT INTO postrider.delivery_queue (webhook_id, scheduled_at, delivery_id)
    SELECT
      delivering.webhook_id,
      delivering.scheduled_at,
      delivering.id
    FROM delivering
    WHERE delivering.webhook_id <> ALL(ARRAY(SELECT in_order.webhook_id FROM in_order))
  ),
  lined_up AS (
    INSERT INTO postrider.delivery_line_waiting (webhook_id, delivery_id)
    SELECT
      delivering.webhook_id,
      delivering.id
    FROM delivering
    JOIN given
      ON given.id = delivering.event_id
    WHERE delivering.webhook_id = ANY(ARRAY(SELECT in_order.webhook_id FROM in_order))
    ORDER BY given.ordinality
  )
  SELECT
    COALESCE(array_agg(remembered.id), '{}'),
    COALESCE(array_agg(remembered.deliveries), '{}')
  INTO fresh, counts
  FROM remembered;

  IF cardinality(fresh) < cardinality(ids) THEN
    FOR position IN 1..cardinality(ids) LOOP
      publication.id := ids[position];
      publication.duplicate := ids[position] <> ALL(fresh) OR ids[position] = ANY(ids[:position - 1]);
      publication.deliveries := CASE
        WHEN publication.duplicate THEN postrider.deliveries_of_same_event(
          publish_columns.project_id, paths[position], ids[position], types[position], data[position],
          application_ids[position], environment_names[position], timestamps[position]
        )
        ELSE counts[array_position(fresh, ids[position])]
      END;
      RETURN NEXT publication;
    END LOOP;
    RETURN;
  END IF;

  -- No table is read for the usual answer: a plan cached while it was small would scan it.
  RETURN QUERY
  SELECT
    given.id,
    inserted.deliveries,
    false
  FROM unnest(ids) WITH ORDINALITY AS given (id, ordinality)
  JOIN unnest(fresh, counts) AS inserted (id, deliveries)
    ON inserted.id = given.id
  ORDER BY given.ordinality;
END
$$;

-- How many deliveries the event stored under this id made. Raises unless it has the same content: equal type, data (as
-- jsonb compares), application and environment, and the timestamp where one is given.
CREATE FUNCTION postrider.deliveries_of_same_event(
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
      AND stored.payload -> 'data' IS NOT DISTINCT FROM deliveries_of_same_event.data
  INTO deliveries, same
  FROM postrider.events AS event
  JOIN postrider.event_payloads AS stored
    ON stored.project_id = event.project_id
    AND stored.event_id = event.id
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

-- Publishes one event. With `id` given, the same call again creates nothing and answers `duplicate`.
CREATE OR REPLACE FUNCTION postrider.publish(
  project_id uuid,
  type text,
  data jsonb,
  id uuid DEFAULT NULL,
  application_id uuid DEFAULT NULL,
  environment_name text DEFAULT NULL,
  "timestamp" timestamptz DEFAULT NULL
)
RETURNS postrider.publication
LANGUAGE sql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT publication
  FROM postrider.publish_columns(
    publish.project_id,
    ARRAY[''],
    ARRAY[publish.id],
    ARRAY[publish.type],
    ARRAY[publish.data],
    ARRAY[publish.application_id],
    ARRAY[publish.environment_name],
    ARRAY[publish."timestamp"]
  ) AS publication
$$;

-- Publishes 1 to 1,000 events, all or none; `events` is an array of objects with the fields of the HTTP call.
CREATE OR REPLACE FUNCTION postrider.publish_many(project_id uuid, events jsonb)
RETURNS SETOF postrider.publication
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  event jsonb;
  position integer := 0;
  path text;
  field text;
  paths text[];
  ids uuid[];
  types text[];
  data jsonb[];
  application_ids uuid[];
  environment_names text[];
  timestamps timestamptz[];
BEGIN
  IF events IS NULL OR jsonb_typeof(events) <> 'array' OR jsonb_array_length(events) NOT BETWEEN 1 AND 1000 THEN
    RAISE EXCEPTION 'events must be an array of 1 to 1,000 events'
      USING ERRCODE = 'invalid_parameter_value', COLUMN = 'events';
  END IF;

  FOR event IN SELECT jsonb_array_elements(events) LOOP
    path := 'events[' || position || '].';
    position := position + 1;
    IF jsonb_typeof(event) <> 'object' THEN
      RAISE EXCEPTION '% must be an object', rtrim(path, '.')
        USING ERRCODE = 'invalid_parameter_value', COLUMN = rtrim(path, '.');
    END IF;
    SELECT name INTO field
    FROM jsonb_object_keys(event) AS name
    WHERE name NOT IN ('id', 'type', 'data', 'application_id', 'environment_name', 'timestamp')
    LIMIT 1;
    IF FOUND THEN
      RAISE EXCEPTION '% is not a field of an event', path || field
        USING ERRCODE = 'invalid_parameter_value', COLUMN = path || field;
    END IF;
    paths[position] := path;
    ids[position] := postrider.event_uuid(path, event, 'id');
    types[position] := postrider.event_string(path, event, 'type');
    data[position] := event -> 'data';
    application_ids[position] := postrider.event_uuid(path, event, 'application_id');
    environment_names[position] := postrider.event_string(path, event, 'environment_name');
    timestamps[position] := postrider.event_timestamp(path, event, 'timestamp');
  END LOOP;

  RETURN QUERY
  SELECT *
  FROM postrider.publish_columns(
    publish_many.project_id, paths, ids, types, data, application_ids, environment_names, timestamps
  );
END
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA postrider FROM PUBLIC;
