-- What the dashboard asks for, so that it answers soon however long the history is: counts by the minute, the hour and the
-- day, and which deliveries failed. Counts are kept by the upkeep, behind what happens: neither publishing nor recording
-- a result does anything for them.

-- Attempts that were recorded lately, of whatever webhook. Their ids are made when they are written and grow with time,
-- and so does the table: a few bytes for each 32 pages tell where to look. A tree would take an entry from each attempt.
CREATE INDEX idx_webhook_delivery_attempts_id
  ON postrider.webhook_delivery_attempts
  USING brin (id)
  WITH (pages_per_range = 32, autosummarize = on);

-- The smallest UUIDv7 of a moment.
CREATE FUNCTION postrider.uuid_at(moment timestamptz)
RETURNS uuid
LANGUAGE sql
IMMUTABLE
STRICT
PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
RETURN (
  lpad(to_hex(GREATEST(floor(EXTRACT(EPOCH FROM moment) * 1000), 0)::bigint), 12, '0') || '70008000000000000000'
)::uuid;

-- Counts of attempts and what was waiting. There may be several rows for the same time: they are added up, and the
-- largest backlog counts. So nothing that was counted is ever changed, and what is recorded late is one more row.
CREATE TABLE postrider.attempt_statistics (
  project_id UUID NOT NULL REFERENCES postrider.projects (id) ON DELETE CASCADE,
  webhook_id UUID, -- NULL: all webhooks of the project together
  seconds INTEGER NOT NULL,
  at TIMESTAMPTZ NOT NULL,
  delivered INTEGER NOT NULL DEFAULT 0,
  retry INTEGER NOT NULL DEFAULT 0,
  failed INTEGER NOT NULL DEFAULT 0,
  interrupted INTEGER NOT NULL DEFAULT 0,
  -- How long attempts took: the slots of a fixed logarithmic scale that are not empty, and how many are in each.
  latency_slots SMALLINT[] NOT NULL DEFAULT '{}',
  latency_counts INTEGER[] NOT NULL DEFAULT '{}',
  last_error TEXT,
  last_error_at TIMESTAMPTZ,
  backlog INTEGER NOT NULL DEFAULT 0,
  oldest_due_seconds INTEGER NOT NULL DEFAULT 0,

  CONSTRAINT attempt_statistics_seconds_check CHECK (seconds IN (60, 3600, 86400)),
  CONSTRAINT attempt_statistics_latency_check CHECK (cardinality(latency_slots) = cardinality(latency_counts))
);

CREATE INDEX idx_attempt_statistics_history
  ON postrider.attempt_statistics (project_id, webhook_id, seconds, at);

-- What fails, without reading all that does not.
CREATE INDEX idx_attempt_statistics_failing
  ON postrider.attempt_statistics (project_id, seconds, at)
  WHERE webhook_id IS NOT NULL AND retry + failed > 0;

-- For summing up and for what has expired.
CREATE INDEX idx_attempt_statistics_age
  ON postrider.attempt_statistics (seconds, at);

-- Counts of events, by type.
CREATE TABLE postrider.event_statistics (
  project_id UUID NOT NULL REFERENCES postrider.projects (id) ON DELETE CASCADE,
  type VARCHAR(255), -- NULL: all types together
  seconds INTEGER NOT NULL,
  at TIMESTAMPTZ NOT NULL,
  events INTEGER NOT NULL,
  deliveries INTEGER NOT NULL,

  CONSTRAINT event_statistics_seconds_check CHECK (seconds IN (60, 3600, 86400))
);

CREATE INDEX idx_event_statistics_history
  ON postrider.event_statistics (project_id, seconds, at);

CREATE INDEX idx_event_statistics_age
  ON postrider.event_statistics (seconds, at);

-- How far counting has come; one row. It moves in the transaction that counts, so that nothing is counted twice.
CREATE TABLE postrider.statistics_progress (
  is_only BOOLEAN PRIMARY KEY DEFAULT true CHECK (is_only),
  -- Attempts with an id before this moment are counted.
  attempts_until TIMESTAMPTZ NOT NULL,
  -- Events created before this moment are counted.
  events_until TIMESTAMPTZ NOT NULL,
  -- Those before this moment for good: a transaction that began earlier and committed later was waited for.
  events_settled_until TIMESTAMPTZ NOT NULL,
  -- What lies before these moments is summed up.
  hours_until TIMESTAMPTZ NOT NULL,
  days_until TIMESTAMPTZ NOT NULL
);

INSERT INTO postrider.statistics_progress (
  attempts_until, events_until, events_settled_until, hours_until, days_until
)
SELECT
  first.minute,
  first.minute,
  first.minute,
  date_trunc('hour', first.minute, 'UTC'),
  date_trunc('day', first.minute, 'UTC')
FROM (
  SELECT date_trunc('minute', GREATEST(
    LEAST(
      (SELECT MIN(attempt.started_at) FROM postrider.webhook_delivery_attempts AS attempt),
      (SELECT MIN(event.created_at) FROM postrider.events AS event),
      now()
    ),
    now() - interval '35 days'
  )) AS minute
) AS first;

-- For the calls of a project, which see nothing of the other columns.
CREATE FUNCTION postrider.statistics_reach()
RETURNS TABLE (attempts_until timestamptz, events_until timestamptz, hours_until timestamptz, days_until timestamptz)
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT progress.attempts_until, progress.events_until, progress.hours_until, progress.days_until
  FROM postrider.statistics_progress AS progress
$$;

-- A webhook that is deleted takes its counts along; those of the project stay.
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

CREATE TRIGGER webhooks_delete_statistics
  AFTER DELETE ON postrider.webhooks
  FOR EACH ROW
  EXECUTE FUNCTION postrider.delete_statistics_of_webhook();

-- Deliveries that failed, newest first. Not a partial index: with `status` in the condition of any index no update of a
-- delivery would stay on its page (HOT), those that succeed neither. So only failing costs anything.
CREATE TABLE postrider.failed_deliveries (
  delivery_id UUID PRIMARY KEY,
  project_id UUID NOT NULL,
  webhook_id UUID NOT NULL,
  created_at TIMESTAMPTZ NOT NULL
);

INSERT INTO postrider.failed_deliveries (delivery_id, project_id, webhook_id, created_at)
SELECT delivery.id, delivery.project_id, delivery.webhook_id, delivery.created_at
FROM postrider.deliveries AS delivery
WHERE delivery.status = 'failed';

CREATE INDEX idx_failed_deliveries_project
  ON postrider.failed_deliveries (project_id, created_at DESC, delivery_id DESC);

CREATE INDEX idx_failed_deliveries_webhook
  ON postrider.failed_deliveries (webhook_id, created_at DESC, delivery_id DESC);

CREATE FUNCTION postrider.note_failed_delivery()
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

CREATE TRIGGER deliveries_note_failed_insert
  AFTER INSERT ON postrider.deliveries
  FOR EACH ROW
  WHEN (NEW.status = 'failed')
  EXECUTE FUNCTION postrider.note_failed_delivery();

CREATE TRIGGER deliveries_note_failed_update
  AFTER UPDATE ON postrider.deliveries
  FOR EACH ROW
  WHEN (
    (OLD.status = 'failed' OR NEW.status = 'failed')
    AND (OLD.status, OLD.webhook_id, OLD.created_at) IS DISTINCT FROM (NEW.status, NEW.webhook_id, NEW.created_at)
  )
  EXECUTE FUNCTION postrider.note_failed_delivery();

CREATE FUNCTION postrider.forget_failed_deliveries()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  DELETE FROM postrider.failed_deliveries
  WHERE delivery_id = ANY(ARRAY(SELECT deleted.id FROM deleted WHERE deleted.status = 'failed'));
  RETURN NULL;
END
$$;

CREATE TRIGGER deliveries_forget_failed
  AFTER DELETE ON postrider.deliveries
  REFERENCING OLD TABLE AS deleted
  FOR EACH STATEMENT
  EXECUTE FUNCTION postrider.forget_failed_deliveries();

-- Rights -----------------------------------------------------------------------------------------------------------

ALTER TABLE postrider.attempt_statistics ENABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.event_statistics ENABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.failed_deliveries ENABLE ROW LEVEL SECURITY;

CREATE POLICY own_project ON postrider.attempt_statistics
  USING (project_id = postrider.current_project());

CREATE POLICY own_project ON postrider.event_statistics
  USING (project_id = postrider.current_project());

CREATE POLICY own_project ON postrider.failed_deliveries
  USING (project_id = postrider.current_project());

REVOKE ALL ON FUNCTION
  postrider.uuid_at(timestamptz),
  postrider.statistics_reach(),
  postrider.delete_statistics_of_webhook(),
  postrider.note_failed_delivery(),
  postrider.forget_failed_deliveries()
  FROM PUBLIC;

-- The rights of the projects' role, for this and what was before.
ALTER FUNCTION postrider.admit_tenant_role() RENAME TO admit_tenant_role_before_statistics;

CREATE FUNCTION postrider.admit_tenant_role()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM postrider.admit_tenant_role_before_statistics();
  GRANT SELECT ON
    postrider.attempt_statistics,
    postrider.event_statistics,
    postrider.failed_deliveries
    TO postrider_tenant;
  GRANT EXECUTE ON FUNCTION
    postrider.uuid_at(timestamptz),
    postrider.statistics_reach()
    TO postrider_tenant;
END
$$;

REVOKE ALL ON FUNCTION postrider.admit_tenant_role() FROM PUBLIC;

SELECT postrider.admit_tenant_role();
