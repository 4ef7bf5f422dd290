-- What Postrider tells of itself: the trace that an event belongs to, endpoints that are sick, and the events that say so.
-- Nothing here costs anything for an event without a trace and an endpoint that is well.

-- Traces -----------------------------------------------------------------------------------------------------------

-- Both columns are NULL or false in every row that is there: nothing is read for it.
ALTER TABLE postrider.events
  -- W3C trace context of whoever published it.
  ADD COLUMN traceparent TEXT,
  -- Told by Postrider itself.
  ADD COLUMN operational BOOLEAN NOT NULL DEFAULT false,
  ADD CONSTRAINT events_traceparent_check CHECK (
    traceparent ~ '^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$'
  ) NOT VALID;

-- Operational webhooks ---------------------------------------------------------------------------------------------

-- Such a webhook gets what Postrider tells of itself and nothing else; all others never get that.
ALTER TABLE postrider.webhooks ADD COLUMN operational BOOLEAN NOT NULL DEFAULT false;

CREATE INDEX idx_webhooks_operational
  ON postrider.webhooks (project_id)
  WHERE operational AND is_active;

-- What is to be told, until an operational event was published of it under the same id. No foreign key: a project that is
-- deleted makes its webhooks inactive on the way.
CREATE TABLE postrider.signals (
  id UUID PRIMARY KEY DEFAULT postrider.uuid_generate_v7(),
  project_id UUID NOT NULL,
  type TEXT NOT NULL,
  data JSONB NOT NULL,
  application_id UUID,
  environment_name TEXT,
  created_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);

-- After the webhooks and applications of the project, whose ends may be signals.
CREATE FUNCTION postrider.delete_signals_of_project()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  DELETE FROM postrider.signals WHERE project_id = OLD.id;
  RETURN NULL;
END
$$;

CREATE TRIGGER projects_delete_signals
  AFTER DELETE ON postrider.projects
  FOR EACH ROW
  EXECUTE FUNCTION postrider.delete_signals_of_project();

-- Projects whose backlog was told to be high, until it is low again.
CREATE TABLE postrider.high_backlogs (
  project_id UUID PRIMARY KEY REFERENCES postrider.projects (id) ON DELETE CASCADE,
  since TIMESTAMPTZ NOT NULL
);

-- As an answer of the API writes a time.
CREATE FUNCTION postrider.utc_text(moment timestamptz)
RETURNS text
LANGUAGE sql
STABLE
PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
RETURN to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');

-- Notes what is to be told of a webhook, if anybody in its project listens. Of an operational one nothing is told: what
-- it causes could cause itself.
CREATE FUNCTION postrider.signal(webhook postrider.webhooks, type text, data jsonb)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
  INSERT INTO postrider.signals (project_id, type, data, application_id, environment_name)
  SELECT
    (signal.webhook).project_id,
    signal.type,
    jsonb_build_object('webhook_id', (signal.webhook).id, 'webhook_name', (signal.webhook).name) || signal.data,
    (signal.webhook).application_id,
    (signal.webhook).environment_name
  WHERE NOT (signal.webhook).operational
    AND EXISTS (
      SELECT
      FROM postrider.webhooks AS listening
      WHERE listening.project_id = (signal.webhook).project_id
        AND listening.operational
        AND listening.is_active
    )
$$;

-- Sick endpoints ---------------------------------------------------------------------------------------------------

-- Webhooks of which every attempt failed lately. Counting attempts keeps it: healthy ones have no row, and one success
-- deletes it.
CREATE TABLE postrider.failing_webhooks (
  webhook_id UUID PRIMARY KEY REFERENCES postrider.webhooks (id) ON DELETE CASCADE,
  project_id UUID NOT NULL,
  -- The first attempt that failed after the last one that did not.
  since TIMESTAMPTZ NOT NULL,
  last_failed_at TIMESTAMPTZ NOT NULL,
  -- How much of the way to being made inactive was announced.
  announced_percent INTEGER NOT NULL DEFAULT 0,

  CONSTRAINT failing_webhooks_last_failed_at_check CHECK (last_failed_at >= since),
  CONSTRAINT failing_webhooks_announced_percent_check CHECK (announced_percent BETWEEN 0 AND 100)
) WITH (fillfactor = 70);

-- Breakers that are not closed. A claim takes no more of such a webhook than a probe when its time has come, over all
-- workers; the workers that send the probes close it, or keep it open. What none of them has confirmed for a while is closed.
CREATE TABLE postrider.webhook_breakers (
  webhook_id UUID PRIMARY KEY REFERENCES postrider.webhooks (id) ON DELETE CASCADE,
  project_id UUID NOT NULL,
  opened_at TIMESTAMPTZ NOT NULL,
  -- When the next deliveries may go out: one, and after each probe that went well twice as many.
  probe_at TIMESTAMPTZ NOT NULL,
  -- Since it was opened, or since the last good one. A probe counts as failed until it has gone well.
  failed_probes INTEGER NOT NULL DEFAULT 0,
  good_probes INTEGER NOT NULL DEFAULT 0,
  -- What the endpoint did last, in words.
  last_error TEXT,
  ends_at TIMESTAMPTZ NOT NULL,

  CONSTRAINT webhook_breakers_failed_probes_check CHECK (failed_probes >= 0),
  CONSTRAINT webhook_breakers_good_probes_check CHECK (good_probes BETWEEN 0 AND 10)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.1);

-- How long after a probe the next one is sent: 10 s, 20, 40, and then each minute.
CREATE FUNCTION postrider.probe_interval(failed_probes integer)
RETURNS interval
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
RETURN LEAST(10 * (1 << LEAST(failed_probes, 3)), 60) * interval '1 second';

-- A webhook that is made active again, or goes elsewhere, starts anew. One that became inactive is told.
CREATE FUNCTION postrider.start_webhook_anew()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  failing_since timestamptz;
BEGIN
  DELETE FROM postrider.failing_webhooks AS failing
  WHERE failing.webhook_id = NEW.id
  RETURNING failing.since INTO failing_since;
  DELETE FROM postrider.webhook_breakers
  WHERE webhook_id = NEW.id;

  IF OLD.is_active AND NOT NEW.is_active THEN
    PERFORM postrider.signal(NEW, 'webhook.disabled', jsonb_build_object(
      'reason', COALESCE(NEW.disabled_reason, 'by_hand'),
      'disabled_at', postrider.utc_text(clock_timestamp()),
      'failing_since', postrider.utc_text(failing_since)
    ));
  END IF;
  RETURN NULL;
END
$$;

CREATE TRIGGER webhooks_start_anew
  AFTER UPDATE ON postrider.webhooks
  FOR EACH ROW
  WHEN (OLD.is_active IS DISTINCT FROM NEW.is_active OR OLD.url IS DISTINCT FROM NEW.url)
  EXECUTE FUNCTION postrider.start_webhook_anew();

-- A delivery that fails is told too, unless somebody cancelled it.
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
    IF TG_OP = 'UPDATE' THEN
      IF OLD.status <> 'failed' AND NEW.last_error IS DISTINCT FROM 'cancelled' THEN
        PERFORM postrider.signal(webhook, 'delivery.failed', jsonb_build_object(
          'delivery_id', NEW.id,
          'event_id', NEW.event_id,
          'event_type', NEW.event_type,
          'attempts', NEW.attempts,
          'error', NEW.last_error,
          'response_status', NEW.last_response_status,
          'created_at', postrider.utc_text(NEW.created_at),
          'failed_at', postrider.utc_text(clock_timestamp())
        ))
        FROM postrider.webhooks AS webhook
        WHERE webhook.id = NEW.webhook_id;
      END IF;
    END IF;
  ELSE
    DELETE FROM postrider.failed_deliveries WHERE delivery_id = NEW.id;
  END IF;
  RETURN NULL;
END
$$;

-- Publishing and claiming ------------------------------------------------------------------------------------------

-- With one more parameter, which only Postrider itself gives: nobody else may call it. The trace comes as a setting, so that
-- the functions that applications call stay as they are; one of another form is none.
DROP FUNCTION postrider.publish_columns(uuid, boolean, uuid[], text[], jsonb[], uuid[], text[], timestamptz[]);

CREATE FUNCTION postrider.publish_columns(
  project_id uuid,
  is_batch boolean,
  ids uuid[],
  types text[],
  data jsonb[],
  application_ids uuid[],
  environment_names text[],
  timestamps timestamptz[],
  is_operational boolean DEFAULT false
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
  trace text := current_setting('postrider.traceparent', true);
BEGIN
  IF trace !~ '^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$' THEN
    trace := NULL;
  END IF;

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
      AND webhook.operational = is_operational
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
      project_id, id, type, "timestamp", application_id, environment_name, deliveries, payload,
      traceparent, operational
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
      ),
      trace,
      is_operational
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
  delivery.shape_id,
  -- Whether it goes out past a breaker, to find out whether the endpoint is back. The claim says so.
  false AS is_probe,
  event.traceparent
FROM postrider.deliveries AS delivery
JOIN postrider.webhooks AS webhook
  ON webhook.id = delivery.webhook_id
LEFT JOIN postrider.events AS event
  ON event.project_id = delivery.project_id
  AND event.id = delivery.event_id;

-- As before, and of a webhook whose breaker is not closed no more than its probes: see `webhook_breakers`. A probe is counted
-- as failed when it is taken, so that a worker that dies with it costs no further one.
CREATE OR REPLACE FUNCTION postrider.claim_deliveries(
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
    SELECT due.place, queues.webhook_id, webhook.rate_per_second, breaker.webhook_id IS NOT NULL AS is_probe
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
    LEFT JOIN LATERAL (
      SELECT breaker.webhook_id
      FROM postrider.webhook_breakers AS breaker
      WHERE breaker.webhook_id = queues.webhook_id
        AND breaker.ends_at > claim_deliveries.now
      OFFSET 0
    ) AS breaker
      ON true
    LEFT JOIN LATERAL (
      SELECT 1 << probe.good_probes AS count
      FROM postrider.webhook_breakers AS probe
      WHERE probe.webhook_id = breaker.webhook_id
        AND probe.probe_at <= claim_deliveries.now
      FOR UPDATE SKIP LOCKED
    ) AS probe
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
        END,
        CASE
          WHEN breaker.webhook_id IS NULL THEN wanted
          -- It is not time for the next probe, or another worker is just taking it.
          WHEN probe.count IS NULL THEN 0
          ELSE probe.count
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
  probed AS (
    UPDATE postrider.webhook_breakers AS breaker
    SET failed_probes = breaker.failed_probes + 1,
        probe_at = claim_deliveries.now + postrider.probe_interval(breaker.failed_probes + 1)
    WHERE breaker.webhook_id = ANY(ARRAY(
      SELECT candidates.webhook_id
      FROM candidates
      WHERE candidates.is_probe
    ))
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
  SELECT
    claimable.id,
    claimable.webhook_id,
    claimable.project_id,
    claimable.event_id,
    claimable.event_type,
    claimable.payload,
    claimable.attempts,
    claimable.max_attempts,
    claimable.rescues,
    claimable.max_rescues,
    claimable.status,
    claimable.url,
    claimable.secret,
    claimable.previous_secret,
    claimable.previous_secret_expires_at,
    claimable.headers,
    claimable.retry_seconds,
    claimable.timeout_ms,
    claimable.max_in_flight,
    claimable.ordered,
    claimable.shape_id,
    claimable.webhook_id = ANY(ARRAY(
      SELECT candidates.webhook_id
      FROM candidates
      WHERE candidates.is_probe
    )),
    claimable.traceparent
  FROM postrider.claimable_deliveries AS claimable
  WHERE claimable.id = ANY(ARRAY(SELECT claimed.id FROM claimed));
END
$$;

-- Rights -----------------------------------------------------------------------------------------------------------

DROP TRIGGER webhooks_audit ON postrider.webhooks;
CREATE TRIGGER webhooks_audit
  AFTER INSERT OR UPDATE OR DELETE ON postrider.webhooks
  FOR EACH ROW
  EXECUTE FUNCTION postrider.audit_change('webhook', 'id', 'id project_id name url event_types application_id environment_name is_active disabled_reason description header_names retry_seconds timeout_ms max_in_flight rate_per_second ordered public_key previous_public_key previous_secret_expires_at created_by_id payload_template filter shape_id operational');

ALTER TABLE postrider.signals ENABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.high_backlogs ENABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.failing_webhooks ENABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.webhook_breakers ENABLE ROW LEVEL SECURITY;

CREATE POLICY own_project ON postrider.signals
  USING (project_id = postrider.current_project());

CREATE POLICY own_project ON postrider.high_backlogs
  USING (project_id = postrider.current_project());

CREATE POLICY own_project ON postrider.failing_webhooks
  USING (project_id = postrider.current_project());

CREATE POLICY own_project ON postrider.webhook_breakers
  USING (project_id = postrider.current_project());

REVOKE ALL ON FUNCTION
  postrider.delete_signals_of_project(),
  postrider.utc_text(timestamptz),
  postrider.signal(postrider.webhooks, text, jsonb),
  postrider.probe_interval(integer),
  postrider.start_webhook_anew(),
  postrider.publish_columns(uuid, boolean, uuid[], text[], jsonb[], uuid[], text[], timestamptz[], boolean)
  FROM PUBLIC;

ALTER FUNCTION postrider.admit_tenant_role() RENAME TO admit_tenant_role_before_signals;

CREATE FUNCTION postrider.admit_tenant_role()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM postrider.admit_tenant_role_before_signals();
  GRANT SELECT ON
    postrider.failing_webhooks,
    postrider.webhook_breakers
    TO postrider_tenant;
END
$$;

REVOKE ALL ON FUNCTION postrider.admit_tenant_role() FROM PUBLIC;

SELECT postrider.admit_tenant_role();
