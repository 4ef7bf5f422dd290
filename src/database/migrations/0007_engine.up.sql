-- An event and its payload are one row, the payload is kept as the text that is signed and sent, and the statements that
-- run for every delivery are functions: planned once for each connection, by index whatever the statistics say.
-- Measured before: publishing wrote four heaps and ten index entries for each event, and a claim spent a third of its
-- time on planning.

-- Events ----------------------------------------------------------------------------------------------------------

-- The envelope as JSON text: every attempt sends these very bytes.
ALTER TABLE postrider.events ADD COLUMN payload TEXT;

UPDATE postrider.events AS event
SET payload = stored.payload::text
FROM postrider.event_payloads AS stored
WHERE stored.project_id = event.project_id
  AND stored.event_id = event.id;

-- What is old is found by the order in which it was written. A tree would take an entry from each event and delivery.
DROP INDEX postrider.idx_events_created_at, postrider.idx_webhook_deliveries_created_at;

CREATE INDEX idx_events_created_at
  ON postrider.events
  USING brin (created_at)
  WITH (pages_per_range = 32, autosummarize = on);

CREATE INDEX idx_webhook_deliveries_created_at
  ON postrider.deliveries
  USING brin (created_at)
  WITH (pages_per_range = 32, autosummarize = on);

CREATE OR REPLACE FUNCTION postrider.delete_events_of_project()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
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
  COALESCE(delivery.payload, event.payload::jsonb) AS payload,
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
LEFT JOIN postrider.events AS event
  ON event.project_id = delivery.project_id
  AND event.id = delivery.event_id;

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

DROP TABLE postrider.event_payloads;

-- Publishing ------------------------------------------------------------------------------------------------------

DROP FUNCTION postrider.envelope(uuid, uuid, text, jsonb, uuid, text, timestamptz);
DROP FUNCTION postrider.publish_columns(uuid, text[], uuid[], text[], jsonb[], uuid[], text[], timestamptz[]);
DROP FUNCTION postrider.deliveries_of_same_event(uuid, text, uuid, text, jsonb, uuid, text, timestamptz);

-- What a receiver gets, and what is signed. Names and types need no escaping. Without settings of its own, so that the
-- planner can inline it.
CREATE FUNCTION postrider.envelope(
  project_id uuid,
  id uuid,
  type text,
  data text,
  application_id uuid,
  environment_name text,
  "timestamp" timestamptz
)
RETURNS text
LANGUAGE sql
STABLE
PARALLEL SAFE
RETURN '{"id":"' || id
  || '","timestamp":"' || to_char("timestamp" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
  || '","type":"' || type
  || '","api_version":"v1","project_id":"' || project_id || '"'
  || COALESCE(',"application_id":"' || application_id || '"', '')
  || COALESCE(',"environment_name":' || to_json(environment_name), '')
  || ',"data":' || data || '}';

-- Publishes the events of one project, given column by column; the answers stand in the order given.
--
-- All events are looked at together and cheaply. What cannot be told so is looked at again, one by one, with the words for
-- its author: a call for each event cost more than all the writing.
--
-- A concurrent publisher of the same id is waited for by ON CONFLICT; what it wrote is read by a second statement,
-- because the first does not see it. Under REPEATABLE READ neither does the second: PostgreSQL raises 40001 there,
-- and the caller tries its transaction again.
CREATE FUNCTION postrider.publish_columns(
  project_id uuid,
  is_batch boolean,
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
-- Planned once for each connection: planning these statements anew took longer than running them. The others keep a plan
-- that was made for few events, or while tables were small, from comparing each with each.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_nestloop = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
  position integer;
  data_texts text[];
  suspects integer[];
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

  WITH given AS MATERIALIZED (
    SELECT
      given.ordinality,
      COALESCE(given.id, postrider.uuid_generate_v7()) AS id,
      given.type,
      given.application_id,
      given.environment_name,
      given."timestamp",
      given.data::text AS data_text
    FROM unnest(ids, types, publish_columns.data, application_ids, environment_names, timestamps)
      WITH ORDINALITY AS given (id, type, data, application_id, environment_name, "timestamp", ordinality)
  ),
  wrong_kinds AS MATERIALIZED (
    SELECT kind.type
    FROM (
      SELECT DISTINCT given.type, given.application_id, given.environment_name
      FROM given
    ) AS kind
    WHERE kind.type IS NULL
      OR kind.type !~ '^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$'
      OR length(kind.type) > 255
      OR kind.environment_name = ''
      OR length(kind.environment_name) > 255
      OR kind.environment_name ~ '[[:cntrl:]]'
      OR (
        kind.application_id IS NOT NULL
        AND NOT EXISTS (
          SELECT
          FROM postrider.applications AS application
          WHERE application.project_id = publish_columns.project_id
            AND application.id = kind.application_id
        )
      )
  )
  SELECT
    array_agg(given.id ORDER BY given.ordinality),
    array_agg(given.data_text ORDER BY given.ordinality),
    array_agg(given.ordinality ORDER BY given.ordinality) FILTER (
      WHERE given.data_text IS NULL
        OR EXISTS (SELECT FROM wrong_kinds)
        OR given."timestamp" NOT BETWEEN '0001-01-01T00:00:00Z' AND '9999-12-31T23:59:59.999Z'
        -- Only a large text can be too large or hold a number of more than 1,000 digits, and only one with as many
        -- brackets can be nested deeper than 64 levels.
        OR octet_length(given.data_text) > 262144
        OR (octet_length(given.data_text) > 1000 AND given.data_text ~ '[0-9]{24}')
        OR octet_length(given.data_text)
          - octet_length(replace(replace(given.data_text, '{', ''), '[', '')) > 64
    )
  INTO ids, data_texts, suspects
  FROM given;

  FOREACH position IN ARRAY COALESCE(suspects, '{}') LOOP
    PERFORM postrider.check_event(
      postrider.event_path(is_batch, position),
      types[position], data[position], environment_names[position], timestamps[position]
    );
    IF application_ids[position] IS NOT NULL AND NOT EXISTS (
      SELECT
      FROM postrider.applications AS application
      WHERE application.project_id = publish_columns.project_id
        AND application.id = application_ids[position]
    ) THEN
      RAISE EXCEPTION '%application_id names no application of this project', postrider.event_path(is_batch, position)
        USING ERRCODE = 'foreign_key_violation', COLUMN = postrider.event_path(is_batch, position) || 'application_id';
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
      given."timestamp",
      given.data_text,
      given.ordinality
    FROM unnest(ids, types, data_texts, application_ids, environment_names, timestamps)
      WITH ORDINALITY AS given (id, type, data_text, application_id, environment_name, "timestamp", ordinality)
    ORDER BY given.id, given.ordinality
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
      project_id, id, type, "timestamp", application_id, environment_name, deliveries, payload
    )
    SELECT
      publish_columns.project_id,
      given.id,
      given.type,
      COALESCE(date_trunc('milliseconds', given."timestamp"), published_at),
      given.application_id,
      given.environment_name,
      COALESCE(counted.deliveries, 0),
      postrider.envelope(
        publish_columns.project_id, given.id, given.type, given.data_text,
        given.application_id, given.environment_name, COALESCE(given."timestamp", published_at)
      )
    FROM given
    LEFT JOIN counted
      ON counted.event_id = given.id
    ORDER BY given.id
    ON CONFLICT (project_id, id) DO NOTHING
    RETURNING id, type, deliveries
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
          publish_columns.project_id, postrider.event_path(is_batch, position), ids[position], types[position], data[position],
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
-- How the strings of a body are read is a setting of the caller's too: with another one, `\.` in a pattern is any character.
SET standard_conforming_strings = on
AS $$
  SELECT publication
  FROM postrider.publish_columns(
    publish.project_id,
    false,
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
SET standard_conforming_strings = on
AS $$
#variable_conflict use_column
DECLARE
  is_plain boolean := false;
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

  -- All of them at once, where all are as they should be.
  BEGIN
    SELECT
      bool_and(
        jsonb_typeof(event) = 'object'
        AND event - '{id,type,data,application_id,environment_name,timestamp}'::text[] = '{}'
        AND COALESCE(jsonb_typeof(event -> 'id'), 'null') IN ('string', 'null')
        AND COALESCE(jsonb_typeof(event -> 'type'), 'null') IN ('string', 'null')
        AND COALESCE(jsonb_typeof(event -> 'application_id'), 'null') IN ('string', 'null')
        AND COALESCE(jsonb_typeof(event -> 'environment_name'), 'null') IN ('string', 'null')
        AND COALESCE((event ->> 'id')::uuid::text = lower(event ->> 'id'), true)
        AND COALESCE((event ->> 'application_id')::uuid::text = lower(event ->> 'application_id'), true)
      ),
      array_agg((event ->> 'id')::uuid ORDER BY ordinality),
      array_agg(event ->> 'type' ORDER BY ordinality),
      array_agg(event -> 'data' ORDER BY ordinality),
      array_agg((event ->> 'application_id')::uuid ORDER BY ordinality),
      array_agg(event ->> 'environment_name' ORDER BY ordinality),
      array_agg(
        CASE
          WHEN event ? 'timestamp' THEN postrider.event_timestamp(
            postrider.event_path(true, ordinality::integer), event, 'timestamp'
          )
        END
        ORDER BY ordinality
      )
    INTO is_plain, ids, types, data, application_ids, environment_names, timestamps
    FROM jsonb_array_elements(events) WITH ORDINALITY AS given (event, ordinality);
  EXCEPTION WHEN data_exception THEN
    is_plain := false;
  END;
  IF NOT is_plain THEN
    PERFORM postrider.check_fields(events);
  END IF;

  RETURN QUERY
  SELECT *
  FROM postrider.publish_columns(
    publish_many.project_id, true, ids, types, data, application_ids, environment_names, timestamps
  );
END
$$;

-- Raises for the first event of a batch whose fields are not those of an event.
CREATE FUNCTION postrider.check_fields(events jsonb)
RETURNS void
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  event jsonb;
  position integer := 0;
  path text;
  field text;
BEGIN
  FOR event IN SELECT jsonb_array_elements(events) LOOP
    position := position + 1;
    path := postrider.event_path(true, position);
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
    PERFORM postrider.event_uuid(path, event, 'id');
    PERFORM postrider.event_string(path, event, 'type');
    PERFORM postrider.event_uuid(path, event, 'application_id');
    PERFORM postrider.event_string(path, event, 'environment_name');
    PERFORM postrider.event_timestamp(path, event, 'timestamp');
  END LOOP;
  RAISE EXCEPTION 'events holds something that cannot be published'
    USING ERRCODE = 'invalid_parameter_value', COLUMN = 'events';
END
$$;

-- What stands in front of a field's name in a message: `events[3].` in a batch, counted from 0.
CREATE FUNCTION postrider.event_path(is_batch boolean, ordinality integer)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN CASE WHEN is_batch THEN 'events[' || ordinality - 1 || '].' ELSE '' END;

-- Delivering ------------------------------------------------------------------------------------------------------

-- A claim and a result run for every delivery. As functions they are planned once for each connection, behind a pooler
-- too. Their settings hold the plan to the indexes: one that was made while a table was small, or by statistics that are
-- late, would scan all of it, or compare each result with each delivery.

-- What a worker sends with nothing else in flight, noted before it is sent: one that would fail if it were cut off once more.
ALTER TABLE postrider.workers ADD COLUMN alone UUID;

-- Where in the queue it belongs when its time has come, if that is another one.
ALTER TABLE postrider.delivery_schedule ADD COLUMN place TIMESTAMPTZ;

-- A delivery with what is needed of its webhook to send it.
CREATE VIEW postrider.claimable_deliveries AS
SELECT
  delivery.id,
  delivery.webhook_id,
  delivery.project_id,
  delivery.event_id,
  delivery.event_type,
  COALESCE(delivery.payload::text, event.payload) AS payload,
  delivery.attempts,
  delivery.max_attempts,
  delivery.rescues,
  delivery.max_rescues,
  delivery.status,
  webhook.url,
  webhook.secret,
  webhook.previous_secret,
  webhook.previous_secret_expires_at,
  webhook.headers,
  webhook.retry_seconds,
  webhook.timeout_ms,
  webhook.max_in_flight,
  webhook.ordered
FROM postrider.deliveries AS delivery
JOIN postrider.webhooks AS webhook
  ON webhook.id = delivery.webhook_id
LEFT JOIN postrider.events AS event
  ON event.project_id = delivery.project_id
  AND event.id = delivery.event_id;

-- Claims from the queue, fairly: it steps by index from one webhook with waiting deliveries to the next, begins behind
-- `after_webhook_id`, and takes from each no more than it has room and, where it has a rate, tokens for. A million rows of
-- one webhook are never walked to find another's. Rows that another worker is just claiming are skipped, and so is a webhook
-- whose tokens it is counting.
--
-- A claimed row leaves the queue and is written into the worker's own row, in the same statement: that is all that is
-- written, whatever the number of deliveries. `ctid = ANY(ARRAY(…))` deletes the very rows that were locked.
--
--   held_*       what the worker holds, by webhook
--   known_*      how much it may hold of the webhooks that it knows; `max_held` of the others, unless their policy says more
--   finished     ids whose results are written: they leave the worker's row with this claim
CREATE FUNCTION postrider.claim_deliveries(
  worker_id uuid,
  now timestamptz,
  wanted integer,
  max_held integer,
  after_webhook_id uuid,
  held_webhook_ids uuid[],
  held_counts integer[],
  known_webhook_ids uuid[],
  known_most integer[],
  finished uuid[]
)
RETURNS SETOF postrider.claimable_deliveries
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET jit = off
AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH RECURSIVE life AS MATERIALIZED (
    SELECT worker.id
    FROM postrider.workers AS worker
    WHERE worker.id = claim_deliveries.worker_id
    FOR NO KEY UPDATE
  ),
  queues AS (
    SELECT
      claim_deliveries.after_webhook_id AS webhook_id,
      false AS is_wrapped,
      false AS is_queue
    FROM life
    UNION ALL
    SELECT next.webhook_id, next.is_wrapped, true
    FROM queues
    CROSS JOIN LATERAL (
      (
        SELECT queued.webhook_id, queues.is_wrapped
        FROM postrider.delivery_queue AS queued
        WHERE queued.webhook_id > queues.webhook_id
        ORDER BY queued.webhook_id
        LIMIT 1
      )
      UNION ALL
      (
        SELECT queued.webhook_id, true
        FROM postrider.delivery_queue AS queued
        WHERE NOT queues.is_wrapped
        ORDER BY queued.webhook_id
        LIMIT 1
      )
      LIMIT 1
    ) AS next
    WHERE NOT next.is_wrapped
      OR next.webhook_id <= claim_deliveries.after_webhook_id
  ),
  candidates AS MATERIALIZED (
    SELECT due.place, queues.webhook_id, webhook.rate_per_second
    FROM queues
    CROSS JOIN LATERAL (
      SELECT webhook.rate_per_second, webhook.max_in_flight
      FROM postrider.webhooks AS webhook
      WHERE webhook.id = queues.webhook_id
        AND webhook.is_active
      OFFSET 0
    ) AS webhook
    LEFT JOIN LATERAL (
      SELECT postrider.tokens_at(rate, webhook.rate_per_second, claim_deliveries.now) AS tokens
      FROM postrider.webhook_rates AS rate
      WHERE rate.webhook_id = queues.webhook_id
        AND webhook.rate_per_second IS NOT NULL
      FOR UPDATE SKIP LOCKED
    ) AS rate
      ON true
    CROSS JOIN LATERAL (
      SELECT LEAST(
        COALESCE(
          known_most[array_position(known_webhook_ids, queues.webhook_id)],
          webhook.max_in_flight,
          max_held
        ) - COALESCE(held_counts[array_position(held_webhook_ids, queues.webhook_id)], 0),
        CASE
          WHEN webhook.rate_per_second IS NULL THEN wanted
          -- Another worker is counting them.
          WHEN rate.tokens IS NULL THEN 0
          ELSE FLOOR(rate.tokens)
        END
      ) AS count
    ) AS room
    CROSS JOIN LATERAL (
      SELECT queued.ctid AS place
      FROM postrider.delivery_queue AS queued
      WHERE queued.webhook_id = queues.webhook_id
        AND queued.scheduled_at <= claim_deliveries.now + interval '10 milliseconds'
      ORDER BY queued.scheduled_at
      LIMIT GREATEST(room.count, 0)
      FOR UPDATE SKIP LOCKED
    ) AS due
    WHERE queues.is_queue
    LIMIT wanted
  ),
  taken AS (
    DELETE FROM postrider.delivery_queue
    WHERE ctid = ANY(ARRAY(SELECT candidates.place FROM candidates))
    RETURNING delivery_id
  ),
  claimed AS MATERIALIZED (
    SELECT delivery.id, delivery.attempts + delivery.rescues + 1 AS attempt
    FROM postrider.deliveries AS delivery
    WHERE delivery.id = ANY(ARRAY(SELECT taken.delivery_id FROM taken))
      AND delivery.status IN ('pending', 'delivering')
  ),
  spent AS (
    UPDATE postrider.webhook_rates AS rate
    SET tokens = postrider.tokens_at(rate, taken.rate_per_second, claim_deliveries.now) - taken.count,
        refilled_at = GREATEST(rate.refilled_at, claim_deliveries.now)
    FROM (
      SELECT candidates.webhook_id, candidates.rate_per_second, COUNT(*) AS count
      FROM candidates
      WHERE candidates.rate_per_second IS NOT NULL
      GROUP BY candidates.webhook_id, candidates.rate_per_second
    ) AS taken
    WHERE rate.webhook_id = taken.webhook_id
  ),
  held AS (
    SELECT
      array_agg(entry.id) AS ids,
      array_agg(entry.attempt) AS attempts,
      array_agg(entry.since) AS since
    FROM (
      SELECT entry.id, entry.attempt, entry.since
      FROM postrider.workers AS worker
      CROSS JOIN LATERAL unnest(worker.in_flight, worker.in_flight_attempts, worker.in_flight_since)
        AS entry (id, attempt, since)
      WHERE worker.id = claim_deliveries.worker_id
        AND NOT EXISTS (
          SELECT
          FROM unnest(finished) AS gone (id)
          WHERE gone.id = entry.id
        )
      UNION ALL
      SELECT claimed.id, claimed.attempt, claim_deliveries.now
      FROM claimed
    ) AS entry
  ),
  noted AS (
    UPDATE postrider.workers AS worker
    SET in_flight = held.ids,
        in_flight_attempts = held.attempts,
        in_flight_since = held.since,
        alone = NULL
    FROM held
    WHERE worker.id = claim_deliveries.worker_id
      AND EXISTS (SELECT FROM claimed)
  )
  SELECT claimable.*
  FROM postrider.claimable_deliveries AS claimable
  WHERE claimable.id = ANY(ARRAY(SELECT claimed.id FROM claimed));
END
$$;

-- A token bucket: `rate_per_second` tokens come in each second, and it holds those of one second, at least one.
CREATE FUNCTION postrider.tokens_at(
  rate postrider.webhook_rates,
  rate_per_second double precision,
  now timestamptz
)
RETURNS double precision
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN LEAST(
  (rate).tokens + rate_per_second * GREATEST(EXTRACT(EPOCH FROM now - (rate).refilled_at), 0),
  GREATEST(rate_per_second, 1)
);

-- Writes the outcomes, the attempts, what waits for its next try, and the webhooks that are gone, in one statement. A result
-- counts while the worker's row is there and the number of its try is not used up; answers the ids that were written.
-- `results` is an array of objects: JSON is read faster than an array for each column, whose texts are escaped twice.
CREATE FUNCTION postrider.record_results(worker_id uuid, now timestamptz, results jsonb)
RETURNS SETOF uuid
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH life AS MATERIALIZED (
    SELECT worker.id
    FROM postrider.workers AS worker
    WHERE worker.id = record_results.worker_id
    FOR KEY SHARE
  ),
  recorded AS (
    UPDATE postrider.deliveries AS delivery
    SET status = result.status,
        attempts = delivery.attempts + 1,
        scheduled_at = COALESCE(result.retry_at, delivery.scheduled_at),
        last_attempt_at = result.started_at,
        last_response_status = result.response_status,
        last_response_body = result.response_body,
        last_error = result.error,
        delivered_at = CASE WHEN result.status = 'delivered' THEN record_results.now END
    FROM jsonb_to_recordset(results) AS result (
      id uuid,
      attempt integer,
      status postrider.webhook_delivery_status,
      retry_at timestamptz,
      started_at timestamptz,
      duration_ms integer,
      request_headers jsonb,
      response_status integer,
      response_headers jsonb,
      response_body text,
      error text,
      outcome text
    )
    WHERE delivery.id = result.id
      AND delivery.attempts + delivery.rescues + 1 = result.attempt
      AND delivery.status IN ('pending', 'delivering')
      AND EXISTS (SELECT FROM life)
    RETURNING
      delivery.id, delivery.webhook_id, delivery.status, delivery.scheduled_at, result.attempt, result.started_at,
      result.duration_ms, result.request_headers, result.response_status, result.response_headers,
      result.response_body, result.error, result.outcome
  ),
  waiting AS (
    INSERT INTO postrider.delivery_schedule (scheduled_at, delivery_id, webhook_id)
    SELECT recorded.scheduled_at, recorded.id, recorded.webhook_id
    FROM recorded
    WHERE recorded.status = 'pending'
  ),
  kept AS (
    INSERT INTO postrider.webhook_delivery_attempts (
      delivery_id, attempt, started_at, duration_ms, request_headers,
      response_status, response_headers, response_body, error, outcome
    )
    SELECT
      recorded.id,
      recorded.attempt,
      recorded.started_at,
      recorded.duration_ms,
      recorded.request_headers,
      recorded.response_status,
      recorded.response_headers,
      recorded.response_body,
      recorded.error,
      CASE recorded.outcome WHEN 'gone' THEN 'failed' ELSE recorded.outcome END
    FROM recorded
  ),
  gone AS (
    UPDATE postrider.webhooks
    SET is_active = false,
        disabled_reason = 'gone'
    WHERE is_active
      AND id = ANY(ARRAY(
        SELECT recorded.webhook_id
        FROM recorded
        WHERE recorded.outcome = 'gone'
      ))
  )
  SELECT recorded.id
  FROM recorded;
END
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA postrider FROM PUBLIC;
