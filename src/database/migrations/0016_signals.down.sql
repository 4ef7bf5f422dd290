-- An operational webhook would get the events of everybody: it is made inactive.

DROP FUNCTION postrider.admit_tenant_role();
ALTER FUNCTION postrider.admit_tenant_role_before_signals() RENAME TO admit_tenant_role;

DROP TRIGGER webhooks_start_anew ON postrider.webhooks;
DROP FUNCTION postrider.start_webhook_anew();

UPDATE postrider.webhooks
SET is_active = false
WHERE operational
  AND is_active;

DROP TRIGGER webhooks_audit ON postrider.webhooks;
CREATE TRIGGER webhooks_audit
  AFTER INSERT OR UPDATE OR DELETE ON postrider.webhooks
  FOR EACH ROW
  EXECUTE FUNCTION postrider.audit_change('webhook', 'id', 'id project_id name url event_types application_id environment_name is_active disabled_reason description header_names retry_seconds timeout_ms max_in_flight rate_per_second ordered public_key previous_public_key previous_secret_expires_at created_by_id payload_template filter shape_id');

DROP FUNCTION postrider.publish_columns(uuid, boolean, uuid[], text[], jsonb[], uuid[], text[], timestamptz[], boolean);
DROP FUNCTION postrider.claim_deliveries(
  uuid, timestamptz, integer, integer, uuid, uuid[], integer[], uuid[], integer[], uuid[]
);
DROP VIEW postrider.claimable_deliveries;

CREATE VIEW postrider.claimable_deliveries
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

REVOKE ALL ON FUNCTION
  postrider.claim_deliveries(
    uuid, timestamptz, integer, integer, uuid, uuid[], integer[], uuid[], integer[], uuid[]
  ),
  postrider.publish_columns(uuid, boolean, uuid[], text[], jsonb[], uuid[], text[], timestamptz[])
  FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.note_failed_delivery()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NEW.status = 'failed' THEN
    INSERT INTO postrider.failed_deliveries (delivery_id, project_id, webhook_id, created_at)
    VALUES (NEW.id, NEW.project_id, NEW.webhook_id, NEW.created_at)
    ON CONFLICT (delivery_id) DO UPDATE
    SET webhook_id = EXCLUDED.webhook_id,
        created_at = EXCLUDED.created_at;
  ELSE
    DELETE FROM postrider.failed_deliveries WHERE delivery_id = NEW.id;
  END IF;
  RETURN NULL;
END
$$;

DROP FUNCTION postrider.probe_interval(integer);
DROP FUNCTION postrider.signal(postrider.webhooks, text, jsonb);
DROP FUNCTION postrider.utc_text(timestamptz);
DROP TABLE postrider.webhook_breakers;
DROP TABLE postrider.failing_webhooks;
DROP TABLE postrider.high_backlogs;
DROP TRIGGER projects_delete_signals ON postrider.projects;
DROP FUNCTION postrider.delete_signals_of_project();
DROP TABLE postrider.signals;
DROP INDEX postrider.idx_webhooks_operational;

ALTER TABLE postrider.webhooks DROP COLUMN operational;

ALTER TABLE postrider.events
  DROP COLUMN traceparent,
  DROP COLUMN operational;
