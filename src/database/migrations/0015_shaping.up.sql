-- Which events a webhook gets beyond their type, and as what: a filter and a payload template. Both together are its shape.
-- A delivery keeps the shape that its webhook had when the event was published: versions are never changed, and a row names
-- its own. Where a webhook has none, nothing is written and nothing is read for it.

-- Shapes ----------------------------------------------------------------------------------------------------------

ALTER TABLE postrider.webhooks
  -- As it was written: receivers get the members in this order.
  ADD COLUMN payload_template JSON,
  -- CEL over `event`.
  ADD COLUMN filter TEXT,
  -- The version that both are.
  ADD COLUMN shape_id UUID,
  ADD CONSTRAINT webhooks_shape_check CHECK (
    (shape_id IS NULL) = (payload_template IS NULL AND filter IS NULL)
  ),
  ADD CONSTRAINT webhooks_payload_template_check CHECK (octet_length(payload_template::text) <= 16384),
  ADD CONSTRAINT webhooks_filter_check CHECK (length(filter) <= 2000);

CREATE TABLE postrider.webhook_shapes (
  id UUID PRIMARY KEY,
  project_id UUID NOT NULL,
  webhook_id UUID NOT NULL REFERENCES postrider.webhooks (id) ON DELETE CASCADE,
  payload_template JSON,
  filter TEXT,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  replaced_at TIMESTAMPTZ -- NULL: the webhook's own
);

CREATE INDEX idx_webhook_shapes_webhook
  ON postrider.webhook_shapes (webhook_id);

-- Before the row is written: a change of the two makes a version, whoever changes them. The same again is none.
CREATE FUNCTION postrider.name_shape()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF json_typeof(NEW.payload_template) = 'null' THEN
    NEW.payload_template := NULL;
  END IF;
  IF TG_OP = 'UPDATE'
    AND NEW.payload_template::text IS NOT DISTINCT FROM OLD.payload_template::text
    AND NEW.filter IS NOT DISTINCT FROM OLD.filter THEN
    NEW.shape_id := OLD.shape_id;
  ELSIF NEW.payload_template IS NULL AND NEW.filter IS NULL THEN
    NEW.shape_id := NULL;
  ELSE
    NEW.shape_id := postrider.uuid_generate_v7();
  END IF;
  RETURN NEW;
END
$$;

-- After it, since a version belongs to its webhook.
CREATE FUNCTION postrider.keep_shape()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    UPDATE postrider.webhook_shapes
    SET replaced_at = now()
    WHERE id = OLD.shape_id;
  END IF;
  IF NEW.shape_id IS NOT NULL THEN
    INSERT INTO postrider.webhook_shapes (id, project_id, webhook_id, payload_template, filter)
    VALUES (NEW.shape_id, NEW.project_id, NEW.id, NEW.payload_template, NEW.filter);
  END IF;
  RETURN NULL;
END
$$;

CREATE TRIGGER webhooks_name_shape_insert
  BEFORE INSERT ON postrider.webhooks
  FOR EACH ROW
  WHEN (NEW.payload_template IS NOT NULL OR NEW.filter IS NOT NULL OR NEW.shape_id IS NOT NULL)
  EXECUTE FUNCTION postrider.name_shape();

CREATE TRIGGER webhooks_name_shape_update
  BEFORE UPDATE OF payload_template, filter, shape_id ON postrider.webhooks
  FOR EACH ROW
  EXECUTE FUNCTION postrider.name_shape();

CREATE TRIGGER webhooks_keep_shape_insert
  AFTER INSERT ON postrider.webhooks
  FOR EACH ROW
  WHEN (NEW.shape_id IS NOT NULL)
  EXECUTE FUNCTION postrider.keep_shape();

CREATE TRIGGER webhooks_keep_shape_update
  AFTER UPDATE ON postrider.webhooks
  FOR EACH ROW
  WHEN (NEW.shape_id IS DISTINCT FROM OLD.shape_id)
  EXECUTE FUNCTION postrider.keep_shape();

-- No foreign key: its check would be done for each delivery. A version stays as long as a delivery may name it.
ALTER TABLE postrider.deliveries ADD COLUMN shape_id UUID;

-- Filtered deliveries ---------------------------------------------------------------------------------------------

-- Deliveries whose filter kept the event back. Each was in `deliveries` until a worker asked its filter, and is in one of the
-- two tables alone. No foreign key to the webhook: see the trigger.
CREATE TABLE postrider.filtered_deliveries (
  id UUID NOT NULL, -- of the delivery that it was
  project_id UUID NOT NULL,
  webhook_id UUID NOT NULL,
  event_id UUID NOT NULL,
  event_type VARCHAR(255) NOT NULL,
  shape_id UUID NOT NULL,
  reason TEXT NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),

  PRIMARY KEY (event_id, webhook_id)
);

CREATE INDEX idx_filtered_deliveries_webhook
  ON postrider.filtered_deliveries (webhook_id, created_at DESC, id DESC);

CREATE INDEX idx_filtered_deliveries_created_at
  ON postrider.filtered_deliveries
  USING brin (created_at)
  WITH (pages_per_range = 32, autosummarize = on);

-- It runs after the deliveries of the webhook are gone, whose deletion has waited for whoever was just filtering one.
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

CREATE TRIGGER webhooks_delete_filtered
  AFTER DELETE ON postrider.webhooks
  FOR EACH ROW
  EXECUTE FUNCTION postrider.delete_filtered_of_webhook();

-- Takes deliveries out of the history that their filter keeps back, and notes that. As a result does, it counts while the
-- worker's row is there and the number of the try is not used up; answers the ids that were written.
CREATE FUNCTION postrider.record_filtered(worker_id uuid, now timestamptz, filtered jsonb)
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
    WHERE worker.id = record_filtered.worker_id
    FOR KEY SHARE
  ),
  gone AS (
    DELETE FROM postrider.deliveries AS delivery
    USING jsonb_to_recordset(record_filtered.filtered) AS result (id uuid, attempt integer, reason text)
    WHERE delivery.id = result.id
      AND delivery.attempts + delivery.rescues + 1 = result.attempt
      AND delivery.status IN ('pending', 'delivering')
      AND EXISTS (SELECT FROM life)
    RETURNING
      delivery.id, delivery.project_id, delivery.webhook_id, delivery.event_id, delivery.event_type, delivery.shape_id,
      result.reason
  ),
  kept AS (
    INSERT INTO postrider.filtered_deliveries (
      id, project_id, webhook_id, event_id, event_type, shape_id, reason, created_at
    )
    SELECT
      gone.id, gone.project_id, gone.webhook_id, gone.event_id, gone.event_type, gone.shape_id, gone.reason,
      record_filtered.now
    FROM gone
    ON CONFLICT (event_id, webhook_id) DO UPDATE
    SET id = EXCLUDED.id,
        shape_id = EXCLUDED.shape_id,
        reason = EXCLUDED.reason,
        created_at = EXCLUDED.created_at
  ),
  -- A rate is that of requests, and there was none.
  rates AS MATERIALIZED (
    SELECT rate.webhook_id
    FROM postrider.webhook_rates AS rate
    WHERE rate.webhook_id = ANY(ARRAY(SELECT gone.webhook_id FROM gone))
    ORDER BY rate.webhook_id
    FOR UPDATE
  ),
  given_back AS (
    UPDATE postrider.webhook_rates AS rate
    SET tokens = rate.tokens + (
          SELECT COUNT(*)
          FROM gone
          WHERE gone.webhook_id = rate.webhook_id
        )
    WHERE rate.webhook_id = ANY(ARRAY(SELECT rates.webhook_id FROM rates))
  )
  SELECT gone.id
  FROM gone;
END
$$;

-- Publishing and claiming, which pass the version on --------------------------------------------------------------

CREATE OR REPLACE FUNCTION postrider.publish_columns(
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
      webhook.ordered,
      webhook.shape_id
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
      matching.max_attempts,
      matching.shape_id
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
    INSERT INTO postrider.deliveries (webhook_id, project_id, event_id, event_type, max_attempts, shape_id)
    SELECT
      matched.webhook_id,
      publish_columns.project_id,
      remembered.id,
      remembered.type,
      matched.max_attempts,
      matched.shape_id
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

CREATE OR REPLACE VIEW postrider.claimable_deliveries
WITH (security_invoker = true)
AS
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
  webhook.ordered,
  delivery.shape_id
FROM postrider.deliveries AS delivery
JOIN postrider.webhooks AS webhook
  ON webhook.id = delivery.webhook_id
LEFT JOIN postrider.events AS event
  ON event.project_id = delivery.project_id
  AND event.id = delivery.event_id;

-- Rights -----------------------------------------------------------------------------------------------------------

-- Who changed what: neither of the two is a secret, whoever sees a webhook sees them.
DROP TRIGGER webhooks_audit ON postrider.webhooks;
CREATE TRIGGER webhooks_audit
  AFTER INSERT OR UPDATE OR DELETE ON postrider.webhooks
  FOR EACH ROW
  EXECUTE FUNCTION postrider.audit_change('webhook', 'id', 'id project_id name url event_types application_id environment_name is_active disabled_reason description header_names retry_seconds timeout_ms max_in_flight rate_per_second ordered public_key previous_public_key previous_secret_expires_at created_by_id payload_template filter shape_id');

ALTER TABLE postrider.webhook_shapes ENABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.filtered_deliveries ENABLE ROW LEVEL SECURITY;

CREATE POLICY own_project ON postrider.webhook_shapes
  USING (project_id = postrider.current_project());

CREATE POLICY own_project ON postrider.filtered_deliveries
  USING (project_id = postrider.current_project());

REVOKE ALL ON FUNCTION
  postrider.name_shape(),
  postrider.keep_shape(),
  postrider.delete_filtered_of_webhook(),
  postrider.record_filtered(uuid, timestamptz, jsonb)
  FROM PUBLIC;

ALTER FUNCTION postrider.admit_tenant_role() RENAME TO admit_tenant_role_before_shaping;

CREATE FUNCTION postrider.admit_tenant_role()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM postrider.admit_tenant_role_before_shaping();
  GRANT SELECT ON
    postrider.webhook_shapes,
    postrider.filtered_deliveries
    TO postrider_tenant;
END
$$;

REVOKE ALL ON FUNCTION postrider.admit_tenant_role() FROM PUBLIC;

SELECT postrider.admit_tenant_role();
