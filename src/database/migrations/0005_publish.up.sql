-- The only way in: an event is remembered by its id, matched, and queued for each webhook, in one call and in the
-- caller's own transaction.

-- What publishing answers. A composite, not RETURNS TABLE: its `id` would collide with the argument's.
CREATE TYPE postrider.publication AS (
  id uuid,
  deliveries integer,
  duplicate boolean
);

-- Every entry of `event_types` that matches a type: `*`, the type itself, and `a.*` for each prefix of its segments.
CREATE FUNCTION postrider.event_type_patterns(type text)
RETURNS text[]
LANGUAGE sql
IMMUTABLE
STRICT
PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
RETURN ARRAY['*', type] || ARRAY(
  SELECT array_to_string(segments[1:length], '.') || '.*'
  FROM string_to_array(type, '.') AS segments
  CROSS JOIN LATERAL generate_series(1, cardinality(segments) - 1) AS length
);

-- The length of a value as compact JSON. PostgreSQL writes a space after each comma and colon of its own.
CREATE FUNCTION postrider.compact_length(data jsonb)
RETURNS bigint
LANGUAGE sql
IMMUTABLE
STRICT
PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
RETURN octet_length(data::text) - (
  SELECT COALESCE(SUM(
    CASE jsonb_typeof(container)
      WHEN 'array' THEN GREATEST(jsonb_array_length(container) - 1, 0)
      ELSE GREATEST(2 * (SELECT COUNT(*) FROM jsonb_object_keys(container)) - 1, 0)
    END
  ), 0)
  FROM jsonb_path_query(data, 'strict $.** ? (@.type() == "object" || @.type() == "array")') AS container
);

-- Raises for an event that may not be published. `path` stands in front of the field's name; the field's path is
-- also the error's COLUMN, for programs.
CREATE FUNCTION postrider.check_event(
  path text,
  type text,
  data jsonb,
  environment_name text,
  "timestamp" timestamptz
)
RETURNS void
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  data_text text;
BEGIN
  IF type IS NULL THEN
    RAISE EXCEPTION '%type is missing', path
      USING ERRCODE = 'null_value_not_allowed', COLUMN = path || 'type';
  END IF;
  IF length(type) > 255 OR type !~ '^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$' THEN
    RAISE EXCEPTION '%type must be segments of A-Z a-z 0-9 _ - joined by dots, at most 255 characters', path
      USING ERRCODE = 'invalid_parameter_value', COLUMN = path || 'type';
  END IF;
  IF environment_name = '' OR length(environment_name) > 255 OR environment_name ~ '[[:cntrl:]]' THEN
    RAISE EXCEPTION '%environment_name must have 1 to 255 characters and no control characters', path
      USING ERRCODE = 'invalid_parameter_value', COLUMN = path || 'environment_name';
  END IF;
  IF "timestamp" NOT BETWEEN '0001-01-01T00:00:00Z' AND '9999-12-31T23:59:59.999Z' THEN
    RAISE EXCEPTION '%timestamp must lie in the years 1 to 9999', path
      USING ERRCODE = 'invalid_parameter_value', COLUMN = path || 'timestamp';
  END IF;
  IF data IS NULL THEN
    RAISE EXCEPTION '%data is missing', path
      USING ERRCODE = 'null_value_not_allowed', COLUMN = path || 'data';
  END IF;
  IF jsonb_path_exists(data, 'strict $.**{64 to last} ? (@.type() == "object" || @.type() == "array")') THEN
    RAISE EXCEPTION '%data is nested deeper than 64 levels', path
      USING ERRCODE = 'invalid_parameter_value', COLUMN = path || 'data';
  END IF;

  data_text := data::text;
  -- Only a text with a long run of digits can hold such a number: the walk over all values costs three times this.
  IF data_text ~ '[0-9]{250}' AND EXISTS (
    SELECT
    FROM jsonb_path_query(data, 'strict $.** ? (@.type() == "number")') AS number
    WHERE length(translate(number::text, '-.', '')) > 1000
  ) THEN
    RAISE EXCEPTION '%data has a number of more than 1,000 digits', path
      USING ERRCODE = 'invalid_parameter_value', COLUMN = path || 'data';
  END IF;
  IF octet_length(data_text) > 262144 AND postrider.compact_length(data) > 262144 THEN
    RAISE EXCEPTION '%data is larger than 256 KiB', path
      USING ERRCODE = 'program_limit_exceeded', COLUMN = path || 'data';
  END IF;
END
$$;

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
CREATE FUNCTION postrider.publish(
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

-- The string under `name` of one event of a batch, or NULL where it is absent or null.
CREATE FUNCTION postrider.event_string(path text, event jsonb, name text)
RETURNS text
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF jsonb_typeof(event -> name) NOT IN ('string', 'null') THEN
    RAISE EXCEPTION '% must be a string', path || name
      USING ERRCODE = 'invalid_parameter_value', COLUMN = path || name;
  END IF;
  RETURN event ->> name;
END
$$;

-- The same, as a UUID.
CREATE FUNCTION postrider.event_uuid(path text, event jsonb, name text)
RETURNS uuid
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  value text := postrider.event_string(path, event, name);
BEGIN
  IF value !~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' THEN
    RAISE EXCEPTION '% must be a UUID', path || name
      USING ERRCODE = 'invalid_parameter_value', COLUMN = path || name;
  END IF;
  RETURN value::uuid;
END
$$;

-- The same, as a moment: RFC 3339 with a time zone.
CREATE FUNCTION postrider.event_timestamp(path text, event jsonb, name text)
RETURNS timestamptz
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  value text := postrider.event_string(path, event, name);
  pattern CONSTANT text := '^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$';
BEGIN
  IF value IS NULL THEN
    RETURN NULL;
  END IF;
  IF value ~ pattern THEN
    BEGIN
      RETURN value::timestamptz;
    EXCEPTION WHEN data_exception THEN
      NULL; -- such as the 30th of February
    END;
  END IF;
  RAISE EXCEPTION '% must be a time such as 2026-11-24T09:30:00.000Z', path || name
    USING ERRCODE = 'invalid_parameter_value', COLUMN = path || name;
END
$$;

-- Publishes 1 to 1,000 events, all or none; `events` is an array of objects with the fields of the HTTP call.
CREATE FUNCTION postrider.publish_many(project_id uuid, events jsonb)
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

-- Whoever may publish is granted it: USAGE on the schema, EXECUTE on publish and publish_many. The rest is ours.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA postrider FROM PUBLIC;
