-- History in partitions by time, so that what is old is dropped with its files instead of deleted row by row.
--
-- `deliveries` are partitioned by their id, which is a UUIDv7 and so a time: the primary key stays the id. Attempts are
-- partitioned by their delivery's id at the same bounds, so that they lie beside it and go with it. `events` are partitioned by
-- `created_at`, since callers choose their ids; `event_ids` remembers which there are and where they lie. No unique index
-- reaches over partitions: what makes a delivery of an event that is not new says so there first (`hold_event_ids`).
--
-- An installation that has no history yet is partitioned here, at once. One that has stays as it was: plain tables, the same
-- statements, until `postrider partition` changes it while it works. What is different stands in three places: the view
-- `event_places` and the functions `admit_event_ids` and `hold_event_ids`.

-- The ids of events ------------------------------------------------------------------------------------------------

-- Of partitioned events. Where they are plain, their own key is enough.
CREATE TABLE postrider.event_ids (
  project_id UUID NOT NULL,
  id UUID NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(), -- the event's
  -- It may have deliveries that were not made with it.
  late BOOLEAN NOT NULL DEFAULT false,

  PRIMARY KEY (project_id, id)
) WITH (autovacuum_vacuum_scale_factor = 0.05);

CREATE INDEX idx_event_ids_created_at
  ON postrider.event_ids
  USING brin (created_at)
  WITH (pages_per_range = 32, autosummarize = on);

CREATE INDEX idx_event_ids_late
  ON postrider.event_ids (created_at)
  WHERE late;

ALTER TABLE postrider.event_ids ENABLE ROW LEVEL SECURITY;

CREATE POLICY own_project ON postrider.event_ids
  USING (project_id = postrider.current_project());

-- Where an event lies: whoever looks one up says so, and one partition is read.
CREATE VIEW postrider.event_places
WITH (security_invoker = true)
AS
SELECT event.project_id, event.id, event.created_at
FROM postrider.events AS event;

-- Of these ids, those that no event of the project has yet, or that its key will tell. Whoever gets an id publishes it.
CREATE FUNCTION postrider.admit_event_ids(project_id uuid, ids uuid[], created_at timestamptz DEFAULT now())
RETURNS uuid[]
LANGUAGE plpgsql
AS $$
BEGIN
  RETURN ids;
END
$$;

-- Before deliveries are made of events that are there already: of these, those for which nobody else does it before this
-- transaction ends. Then one looks, in a statement of its own, which deliveries there are.
CREATE FUNCTION postrider.hold_event_ids(project_id uuid, ids uuid[])
RETURNS uuid[]
LANGUAGE plpgsql
AS $$
BEGIN
  RETURN ids;
END
$$;

CREATE FUNCTION postrider.forget_event_ids()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
BEGIN
  DELETE FROM postrider.event_ids AS known
  USING deleted
  WHERE known.project_id = deleted.project_id
    AND known.id = deleted.id
    AND known.created_at = deleted.created_at;
  RETURN NULL;
END
$$;

CREATE TRIGGER events_forget_ids
  AFTER DELETE ON postrider.events
  REFERENCING OLD TABLE AS deleted
  FOR EACH STATEMENT
  EXECUTE FUNCTION postrider.forget_event_ids();

-- Nobody but a hand in SQL changes them.
CREATE FUNCTION postrider.move_event_id()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE postrider.event_ids AS known
  SET project_id = NEW.project_id,
      id = NEW.id,
      created_at = NEW.created_at
  WHERE known.project_id = OLD.project_id
    AND known.id = OLD.id;
  RETURN NEW;
END
$$;

CREATE TRIGGER events_move_id
  BEFORE UPDATE OF project_id, id, created_at ON postrider.events
  FOR EACH ROW
  EXECUTE FUNCTION postrider.move_event_id();

-- Statements that read one partition -------------------------------------------------------------------------------

-- An array of ids that is not known to the planner is looked up in each partition; id by id, in the one that has it.
-- `OFFSET 0` keeps the planner from a join that reads a whole table, in a plan that was made while that was small.

CREATE OR REPLACE VIEW postrider.webhook_deliveries
WITH (security_invoker = true)
AS
SELECT
  delivery.id,
  delivery.webhook_id,
  delivery.event_id,
  delivery.event_type,
  COALESCE(
    delivery.payload,
    (
      SELECT event.payload
      FROM postrider.events AS event
      WHERE event.project_id = delivery.project_id
        AND event.id = delivery.event_id
        AND event.created_at = (
          SELECT place.created_at
          FROM postrider.event_places AS place
          WHERE place.project_id = delivery.project_id
            AND place.id = delivery.event_id
        )
    )::jsonb
  ) AS payload,
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
FROM postrider.deliveries AS delivery;

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
LEFT JOIN LATERAL (
  SELECT event.payload, event.traceparent
  FROM postrider.events AS event
  WHERE event.project_id = delivery.project_id
    AND event.id = delivery.event_id
    AND event.created_at = (
      SELECT place.created_at
      FROM postrider.event_places AS place
      WHERE place.project_id = delivery.project_id
        AND place.id = delivery.event_id
    )
  OFFSET 0
) AS event
  ON true;

-- The functions stay as they are but for a few lines: those are told here.
CREATE FUNCTION postrider.reword(function_name text, old_text text, new_text text)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
  definition text;
BEGIN
  SELECT pg_get_functiondef(function.oid) INTO STRICT definition
  FROM pg_proc AS function
  WHERE function.pronamespace = 'postrider'::regnamespace
    AND function.proname = function_name;
  IF cardinality(string_to_array(definition, old_text)) <> 2 THEN
    RAISE EXCEPTION 'postrider.% is not as it was: it should have once: %', function_name, old_text;
  END IF;
  EXECUTE replace(definition, old_text, new_text);
END
$$;

SELECT postrider.reword('claim_deliveries', $old$
    FROM postrider.deliveries AS delivery
    WHERE delivery.id = ANY(ARRAY(SELECT taken.delivery_id FROM taken))
      AND delivery.status IN ('pending', 'delivering')
$old$, $new$
    FROM taken
    CROSS JOIN LATERAL (
      SELECT history.id, history.attempts, history.rescues
      FROM postrider.deliveries AS history
      WHERE history.id = taken.delivery_id
        AND history.status IN ('pending', 'delivering')
      OFFSET 0
    ) AS delivery
$new$);

SELECT postrider.reword('claim_deliveries', $old$
  FROM postrider.claimable_deliveries AS claimable
  WHERE claimable.id = ANY(ARRAY(SELECT claimed.id FROM claimed));
$old$, $new$
  FROM claimed
  CROSS JOIN LATERAL (
    SELECT *
    FROM postrider.claimable_deliveries AS claimable
    WHERE claimable.id = claimed.id
    OFFSET 0
  ) AS claimable;
$new$);

SELECT postrider.reword('publish_columns', $old$
  fresh uuid[];
$old$, $new$
  admitted uuid[];
  fresh uuid[];
$new$);

SELECT postrider.reword('publish_columns', $old$
  WITH given AS MATERIALIZED (
    -- Of several with one id the first is published; the others are compared with it below. The order by id
$old$, $new$
  admitted := postrider.admit_event_ids(publish_columns.project_id, ids);

  WITH given AS MATERIALIZED (
    -- Of several with one id the first is published; the others are compared with it below. The order by id
$new$);

SELECT postrider.reword('publish_columns', $old$
      ON counted.event_id = given.id
    ORDER BY given.id
    ON CONFLICT (project_id, id) DO NOTHING
$old$, $new$
      ON counted.event_id = given.id
    WHERE given.id IN (
      SELECT allowed.id
      FROM unnest(admitted) AS allowed (id)
    )
    ORDER BY given.id
    ON CONFLICT DO NOTHING
$new$);

SELECT postrider.reword('deliveries_of_same_event', $old$
    AND event.id = deliveries_of_same_event.id;
$old$, $new$
    AND event.id = deliveries_of_same_event.id
    AND event.created_at = (
      SELECT place.created_at
      FROM postrider.event_places AS place
      WHERE place.project_id = deliveries_of_same_event.project_id
        AND place.id = deliveries_of_same_event.id
    );
$new$);

-- The unique index of a partition does not see the others: whoever writes by this view waits for whoever does so for the same
-- event, and looks.
SELECT postrider.reword('write_webhook_delivery', $old$
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
$old$, $new$
    INSERT INTO postrider.events (project_id, id, type, "timestamp", created_at, deliveries, payload)
    SELECT
      NEW.project_id, NEW.event_id, NEW.event_type, NEW.created_at, NEW.created_at, 1, NEW.payload::text
    WHERE NEW.event_id = ANY(postrider.admit_event_ids(NEW.project_id, ARRAY[NEW.event_id], NEW.created_at))
    ON CONFLICT DO NOTHING;
  END IF;
  IF TG_OP = 'INSERT' OR (OLD.event_id, OLD.webhook_id) IS DISTINCT FROM (NEW.event_id, NEW.webhook_id) THEN
    PERFORM postrider.hold_event_ids(NEW.project_id, ARRAY[NEW.event_id]);
    IF EXISTS (
      SELECT
      FROM postrider.deliveries AS delivery
      WHERE delivery.event_id = NEW.event_id
        AND delivery.webhook_id = NEW.webhook_id
    ) THEN
      RAISE EXCEPTION 'the webhook % has a delivery of the event % already', NEW.webhook_id, NEW.event_id
        USING ERRCODE = 'unique_violation', TABLE = 'deliveries', CONSTRAINT = 'idx_deliveries_event_webhook';
    END IF;
  END IF;
  SELECT event.payload::jsonb INTO stored_payload
  FROM postrider.events AS event
  WHERE event.project_id = NEW.project_id
    AND event.id = NEW.event_id
    AND event.created_at = (
      SELECT place.created_at
      FROM postrider.event_places AS place
      WHERE place.project_id = NEW.project_id
        AND place.id = NEW.event_id
    );
$new$);

SELECT postrider.reword('erase_event', $old$
    AND event.id = erase_event.id
  FOR UPDATE;
$old$, $new$
    AND event.id = erase_event.id
    AND event.created_at = (
      SELECT place.created_at
      FROM postrider.event_places AS place
      WHERE place.project_id = erase_event.project_id
        AND place.id = erase_event.id
    )
  FOR UPDATE;
$new$);

SELECT postrider.reword('erase_event', $old$
    AND event.id = erase_event.id;

  PERFORM postrider.audit_as(
$old$, $new$
    AND event.id = erase_event.id
    AND event.created_at = (
      SELECT place.created_at
      FROM postrider.event_places AS place
      WHERE place.project_id = erase_event.project_id
        AND place.id = erase_event.id
    );

  PERFORM postrider.audit_as(
$new$);

DROP FUNCTION postrider.reword(text, text, text);

CREATE OR REPLACE FUNCTION postrider.delete_attempts_of_deliveries()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
BEGIN
  DELETE FROM postrider.webhook_delivery_attempts AS attempt
  USING deleted
  WHERE attempt.delivery_id = deleted.id;
  RETURN NULL;
END
$$;

-- Partitions -------------------------------------------------------------------------------------------------------

-- The first is `…_past`, without a beginning: it keeps what is not finished of the days that were dropped. Then come days, and
-- `…_open`, which takes whatever has no partition of its own yet, so that nothing fails where nobody makes them.
-- `…_other` has the ids that are no times: no UUIDv7 lies beyond the year 2200.

CREATE FUNCTION postrider.partition_bound(history text, moment timestamptz)
RETURNS text
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
RETURN CASE
  WHEN moment = '-infinity' THEN 'MINVALUE'
  WHEN moment = 'infinity' THEN 'MAXVALUE'
  WHEN history = 'events' THEN quote_literal(to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US"+00"'))
  ELSE quote_literal(postrider.uuid_at(moment))
END;

CREATE FUNCTION postrider.moment_of_bound(bound text)
RETURNS timestamptz
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
RETURN CASE
  WHEN bound = 'MINVALUE' THEN '-infinity'::timestamptz
  WHEN bound = 'MAXVALUE' THEN 'infinity'::timestamptz
  WHEN bound ~ '^''[0-9a-f]{8}-[0-9a-f]{4}-7000-8000-000000000000''$'
    THEN to_timestamp(('x' || lpad(translate(left(bound, 14), '''-', ''), 16, '0'))::bit(64)::bigint / 1000.0)
  ELSE btrim(bound, '''')::timestamptz
END;

-- For whoever wants to see them. None where the tables are plain.
CREATE VIEW postrider.history_partitions AS
SELECT
  history.relname::text AS history,
  partition.relname::text AS partition,
  postrider.moment_of_bound(bounds.found[1]) AS since,
  postrider.moment_of_bound(bounds.found[2]) AS until
FROM pg_inherits AS inherits
JOIN pg_class AS history
  ON history.oid = inherits.inhparent
  AND history.relnamespace = 'postrider'::regnamespace
  AND history.relkind = 'p'
  AND history.relname IN ('deliveries', 'webhook_delivery_attempts', 'events')
JOIN pg_class AS partition
  ON partition.oid = inherits.inhrelid
CROSS JOIN LATERAL (
  SELECT regexp_match(pg_get_expr(partition.relpartbound, partition.oid), 'FROM \((.*)\) TO \((.*)\)') AS found
) AS bounds;

-- Makes one partition. The lock on the table is the caller's.
CREATE FUNCTION postrider.add_partition(history text, name text, since timestamptz, until timestamptz)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  EXECUTE format(
    'CREATE TABLE postrider.%I PARTITION OF postrider.%I FOR VALUES FROM (%s) TO (%s)',
    name,
    history,
    postrider.partition_bound(history, since),
    postrider.partition_bound(history, until)
  );
  -- Nobody is granted anything on it; were they, they would see nothing.
  EXECUTE format('ALTER TABLE postrider.%I ENABLE ROW LEVEL SECURITY', name);
  IF history = 'deliveries' THEN
    EXECUTE format('CREATE UNIQUE INDEX ON postrider.%I (event_id, webhook_id)', name);
    -- Results update rows in their page; what is not finished is vacuumed soon.
    EXECUTE format(
      'ALTER TABLE postrider.%I SET (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05)',
      name
    );
  END IF;
END
$$;

CREATE FUNCTION postrider.partition_name(history text, since timestamptz)
RETURNS text
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
RETURN history || CASE
  WHEN since = '-infinity' THEN '_past'
  ELSE to_char(since AT TIME ZONE 'UTC', '"_"YYYYMMDD')
END;

CREATE FUNCTION postrider.open_until(history text)
RETURNS timestamptz
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
RETURN CASE history WHEN 'events' THEN 'infinity' ELSE '2200-01-01T00:00:00Z' END::timestamptz;

-- Ends the open partitions at a moment, each as one of its own, and opens the next. What lies beyond the moment goes there.
-- Quick where the open ones are nearly empty, or have a valid constraint `within_bounds` that says as much as their bounds.
CREATE FUNCTION postrider.end_open_partitions(ends_at timestamptz)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  parent text;
  key text;
  begins_at timestamptz;
  part text;
BEGIN
  -- In the order in which publishing and recording take them.
  LOCK TABLE ONLY postrider.events, ONLY postrider.deliveries, ONLY postrider.webhook_delivery_attempts
    IN ACCESS EXCLUSIVE MODE;
  FOR parent, key IN
    VALUES ('deliveries', 'id'), ('webhook_delivery_attempts', 'delivery_id'), ('events', 'created_at')
  LOOP
    SELECT standing.since INTO begins_at
    FROM postrider.history_partitions AS standing
    WHERE standing.history = parent
      AND standing.partition = parent || '_open';
    -- Where there is none, another tool makes them. Or somebody else was here while we waited for the lock.
    CONTINUE WHEN NOT FOUND OR ends_at <= begins_at;
    part := postrider.partition_name(parent, begins_at);
    EXECUTE format('ALTER TABLE postrider.%I DETACH PARTITION postrider.%I', parent, parent || '_open');
    EXECUTE format('ALTER TABLE postrider.%I RENAME TO %I', parent || '_open', part);
    PERFORM postrider.add_partition(parent, parent || '_open', ends_at, postrider.open_until(parent));
    EXECUTE format(
      'WITH moved AS (DELETE FROM postrider.%I WHERE %I >= %s RETURNING *) INSERT INTO postrider.%I SELECT * FROM moved',
      part, key, postrider.partition_bound(parent, ends_at), parent
    );
    EXECUTE format(
      'ALTER TABLE postrider.%I ATTACH PARTITION postrider.%I FOR VALUES FROM (%s) TO (%s)',
      parent, part, postrider.partition_bound(parent, begins_at), postrider.partition_bound(parent, ends_at)
    );
    EXECUTE format('ALTER TABLE postrider.%I DROP CONSTRAINT IF EXISTS within_bounds', part);
  END LOOP;
END
$$;

-- On a part of the history that is about to be dropped: what is finished stays so, and nothing comes in. `postrider.replace_…`
-- is told what to keep, and that was looked up before.
CREATE FUNCTION postrider.keep_finished()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    RAISE EXCEPTION 'this part of the history is being dropped: try again'
      USING ERRCODE = 'serialization_failure';
  END IF;
  RETURN NULL;
END
$$;

CREATE FUNCTION postrider.close_deliveries(part text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- Whoever closed it before did not come to its end.
  PERFORM postrider.reopen_deliveries(part);
  EXECUTE format(
    'CREATE TRIGGER closed_update BEFORE UPDATE ON postrider.%I FOR EACH ROW WHEN (OLD.status IN (''delivered'', ''failed'') AND NEW.status NOT IN (''delivered'', ''failed'')) EXECUTE FUNCTION postrider.keep_finished()',
    part
  );
  EXECUTE format(
    'CREATE TRIGGER closed_insert BEFORE INSERT ON postrider.%I FOR EACH ROW EXECUTE FUNCTION postrider.keep_finished()',
    part
  );
END
$$;

CREATE FUNCTION postrider.reopen_deliveries(part text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  EXECUTE format('DROP TRIGGER IF EXISTS closed_update ON postrider.%I', part);
  EXECUTE format('DROP TRIGGER IF EXISTS closed_insert ON postrider.%I', part);
END
$$;

-- Puts one partition in the place of those from one bound to another, by the name of the first, and answers those: `…_expired`,
-- plain tables now.
CREATE FUNCTION postrider.replace_partitions(parent text, begins_at timestamptz, ends_at timestamptz)
RETURNS text[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  part text;
  name text;
  replaced text[] := '{}';
BEGIN
  FOR part IN
    SELECT standing.partition
    FROM postrider.history_partitions AS standing
    WHERE standing.history = parent
      AND standing.since >= begins_at
      AND standing.until <= ends_at
    ORDER BY standing.since
  LOOP
    name := COALESCE(name, part);
    EXECUTE format('ALTER TABLE postrider.%I DETACH PARTITION postrider.%I', parent, part);
    EXECUTE format('ALTER TABLE postrider.%I RENAME TO %I', part, part || '_expired');
    replaced := replaced || (part || '_expired');
  END LOOP;
  PERFORM postrider.add_partition(parent, name, begins_at, ends_at);
  RETURN replaced;
END
$$;

-- Takes a part of the history out but for some deliveries and their attempts; answers the tables that are to be dropped.
CREATE FUNCTION postrider.replace_deliveries(begins_at timestamptz, ends_at timestamptz, kept uuid[])
RETURNS text[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  part text;
  deliveries text[];
  attempts text[];
BEGIN
  LOCK TABLE ONLY postrider.deliveries, ONLY postrider.webhook_delivery_attempts IN ACCESS EXCLUSIVE MODE;
  SELECT standing.partition INTO part
  FROM postrider.history_partitions AS standing
  WHERE standing.history = 'deliveries'
    AND standing.since >= begins_at
    AND standing.until <= ends_at
    AND NOT EXISTS (
      SELECT
      FROM pg_trigger
      WHERE tgrelid = format('postrider.%I', standing.partition)::regclass
        AND tgname = 'closed_update'
    );
  IF FOUND THEN
    RAISE EXCEPTION 'partition % is not closed: somebody else was here', part
      USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  deliveries := postrider.replace_partitions('deliveries', begins_at, ends_at);
  attempts := postrider.replace_partitions('webhook_delivery_attempts', begins_at, ends_at);
  FOREACH part IN ARRAY deliveries LOOP
    EXECUTE format('INSERT INTO postrider.deliveries SELECT * FROM postrider.%I WHERE id = ANY($1)', part) USING kept;
  END LOOP;
  FOREACH part IN ARRAY attempts LOOP
    EXECUTE format(
      'INSERT INTO postrider.webhook_delivery_attempts SELECT * FROM postrider.%I WHERE delivery_id = ANY($1)', part
    ) USING kept;
  END LOOP;
  RETURN deliveries || attempts;
END
$$;

-- The same for events. Those that got a delivery of their own meanwhile are kept besides.
CREATE FUNCTION postrider.replace_events(
  begins_at timestamptz,
  ends_at timestamptz,
  kept_project_ids uuid[],
  kept_ids uuid[]
)
RETURNS text[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  part text;
  replaced text[];
BEGIN
  LOCK TABLE ONLY postrider.events IN ACCESS EXCLUSIVE MODE;
  SELECT kept_project_ids || array_agg(known.project_id), kept_ids || array_agg(known.id)
  INTO kept_project_ids, kept_ids
  FROM postrider.event_ids AS known
  WHERE known.late
    AND known.created_at < ends_at
    AND known.created_at >= begins_at
    AND EXISTS (
      SELECT
      FROM postrider.deliveries AS delivery
      WHERE delivery.event_id = known.id
        AND delivery.project_id = known.project_id
      OFFSET 0
    );
  replaced := postrider.replace_partitions('events', begins_at, ends_at);
  FOREACH part IN ARRAY replaced LOOP
    EXECUTE format(
      'INSERT INTO postrider.events SELECT event.* FROM (SELECT DISTINCT * FROM unnest($1, $2) AS kept (project_id, id)) AS kept JOIN postrider.%I AS event ON event.project_id = kept.project_id AND event.id = kept.id AND event.created_at = (SELECT place.created_at FROM postrider.event_places AS place WHERE place.project_id = kept.project_id AND place.id = kept.id)',
      part
    ) USING kept_project_ids, kept_ids;
  END LOOP;
  RETURN replaced;
END
$$;

-- From plain to partitioned ----------------------------------------------------------------------------------------

-- Makes a table the first partition of a new one of its name, up to a moment. What the table has beside its rows, the new one
-- has: checks, indexes, triggers, rights. Policies are the caller's, since they may name another of the tables.
CREATE FUNCTION postrider.partition_table(parent text, key text, ends_at timestamptz)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  plain CONSTANT oid := format('postrider.%I', parent)::regclass;
  statement text;
  name text;
  again text[];
BEGIN
  -- Unique indexes stay with the partition, but for the primary key where that is what the table is partitioned by.
  SELECT array_agg(standing.definition)
  INTO again
  FROM (
    SELECT format('ALTER TABLE postrider.%I ADD CONSTRAINT %I %s', parent, conname, pg_get_constraintdef(oid)) AS definition
    FROM pg_constraint
    WHERE conrelid = plain
      AND contype = 'p'
      AND parent <> 'events'
    UNION ALL
    SELECT pg_get_indexdef(indexrelid)
    FROM pg_index
    WHERE indrelid = plain
      AND NOT indisunique
    UNION ALL
    SELECT pg_get_triggerdef(oid)
    FROM pg_trigger
    WHERE tgrelid = plain
      AND NOT tgisinternal
    UNION ALL
    SELECT format(
      'GRANT %s ON postrider.%I TO %s',
      privilege_type,
      parent,
      CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END
    )
    FROM pg_class
    CROSS JOIN LATERAL aclexplode(relacl)
    WHERE pg_class.oid = plain
      AND grantee <> relowner
    UNION ALL
    SELECT format(
      'GRANT %s (%I) ON postrider.%I TO %s',
      privilege_type,
      attname,
      parent,
      CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END
    )
    FROM pg_attribute
    CROSS JOIN LATERAL aclexplode(attacl)
    WHERE attrelid = plain
      AND attnum > 0
      AND NOT attisdropped
  ) AS standing;

  FOR statement IN
    SELECT format('ALTER TABLE postrider.%I DROP CONSTRAINT %I', parent, conname)
    FROM pg_constraint
    WHERE conrelid = plain
      AND contype = 'f'
    UNION ALL
    SELECT format('ALTER TABLE postrider.%I VALIDATE CONSTRAINT %I', parent, conname)
    FROM pg_constraint
    WHERE conrelid = plain
      AND contype = 'c'
      AND NOT convalidated
    UNION ALL
    SELECT format('DROP TRIGGER %I ON postrider.%I', tgname, parent)
    FROM pg_trigger
    WHERE tgrelid = plain
      AND NOT tgisinternal
    UNION ALL
    SELECT format('DROP POLICY %I ON postrider.%I', polname, parent)
    FROM pg_policy
    WHERE polrelid = plain
    UNION ALL
    SELECT format(
      'REVOKE ALL ON postrider.%I FROM %s',
      parent,
      CASE granted.grantee WHEN 0 THEN 'PUBLIC' ELSE granted.grantee::regrole::text END
    )
    FROM (
      SELECT grantee
      FROM pg_class
      CROSS JOIN LATERAL aclexplode(relacl)
      WHERE pg_class.oid = plain
        AND grantee <> relowner
      UNION
      SELECT grantee
      FROM pg_attribute
      CROSS JOIN LATERAL aclexplode(attacl)
      WHERE attrelid = plain
    ) AS granted
    UNION ALL
    -- Names are free for the new one's; renaming the index of a constraint renames that, too.
    SELECT format('ALTER INDEX postrider.%I RENAME TO %I', relname, left(relname, 58) || '_past')
    FROM pg_index
    JOIN pg_class
      ON pg_class.oid = indexrelid
    WHERE indrelid = plain
  LOOP
    EXECUTE statement;
  END LOOP;

  EXECUTE format('ALTER TABLE postrider.%I RENAME TO %I', parent, parent || '_past');
  EXECUTE format(
    'CREATE TABLE postrider.%I (LIKE postrider.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE INCLUDING COMPRESSION) PARTITION BY RANGE (%I)',
    parent, parent || '_past', key
  );
  EXECUTE format('ALTER TABLE postrider.%I DROP CONSTRAINT IF EXISTS within_bounds', parent);
  SELECT pg_get_userbyid(relowner) INTO name
  FROM pg_class
  WHERE oid = plain;
  EXECUTE format('ALTER TABLE postrider.%I OWNER TO %I', parent, name);
  EXECUTE format('ALTER TABLE postrider.%I ENABLE ROW LEVEL SECURITY', parent);
  FOREACH statement IN ARRAY again LOOP
    EXECUTE statement;
  END LOOP;
  PERFORM postrider.add_partition(parent, parent || '_open', ends_at, postrider.open_until(parent));
  IF postrider.open_until(parent) < 'infinity' THEN
    PERFORM postrider.add_partition(parent, parent || '_other', postrider.open_until(parent), 'infinity');
  END IF;
  -- Ids of other kinds, where it was not looked before that there are none.
  EXECUTE format(
    'WITH moved AS (DELETE FROM postrider.%I WHERE %I >= %s RETURNING *) INSERT INTO postrider.%I SELECT * FROM moved',
    parent || '_past', key, postrider.partition_bound(parent, ends_at), parent
  );
  EXECUTE format(
    'ALTER TABLE postrider.%I ATTACH PARTITION postrider.%I FOR VALUES FROM (MINVALUE) TO (%s)',
    parent, parent || '_past', postrider.partition_bound(parent, ends_at)
  );
  EXECUTE format('ALTER TABLE postrider.%I DROP CONSTRAINT IF EXISTS within_bounds', parent || '_past');
END
$$;

-- While the ids of events that are there are written down, those of new ones are, too, and which of them got deliveries later.
CREATE FUNCTION postrider.begin_event_ids()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $begin$
BEGIN
  CREATE OR REPLACE FUNCTION postrider.admit_event_ids(
    project_id uuid,
    ids uuid[],
    created_at timestamptz DEFAULT now()
  )
  RETURNS uuid[]
  LANGUAGE plpgsql
  AS $$
  BEGIN
    INSERT INTO postrider.event_ids (project_id, id, created_at)
    SELECT admit_event_ids.project_id, given.id, admit_event_ids.created_at
    FROM (SELECT DISTINCT given.id FROM unnest(ids) AS given (id)) AS given
    ORDER BY given.id
    ON CONFLICT DO NOTHING;
    RETURN ids;
  END
  $$;

  CREATE OR REPLACE FUNCTION postrider.hold_event_ids(project_id uuid, ids uuid[])
  RETURNS uuid[]
  LANGUAGE plpgsql
  AS $$
  BEGIN
    INSERT INTO postrider.event_ids AS known (project_id, id, created_at, late)
    SELECT event.project_id, event.id, event.created_at, true
    FROM postrider.events AS event
    WHERE event.project_id = hold_event_ids.project_id
      AND event.id = ANY(ids)
    ORDER BY event.id
    ON CONFLICT ON CONSTRAINT event_ids_pkey DO UPDATE
    SET created_at = EXCLUDED.created_at,
        late = true;
    RETURN ids;
  END
  $$;
END
$begin$;

-- Writes down the ids of the next events behind one; answers the last, or NULL where there are no more.
CREATE FUNCTION postrider.note_event_ids(after_project_id uuid, after_id uuid, most integer)
RETURNS TABLE (project_id uuid, id uuid, count integer)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
-- By the primary key, whatever is known of the table.
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off
AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH next AS MATERIALIZED (
    SELECT event.project_id, event.id, event.created_at
    FROM postrider.events AS event
    WHERE (event.project_id, event.id) > (after_project_id, after_id)
    ORDER BY event.project_id, event.id
    LIMIT most
  ),
  noted AS (
    INSERT INTO postrider.event_ids AS known (project_id, id, created_at, late)
    SELECT
      next.project_id,
      next.id,
      next.created_at,
      EXISTS (
        SELECT
        FROM postrider.deliveries AS delivery
        WHERE delivery.event_id = next.id
          AND delivery.project_id = next.project_id
          AND delivery.created_at <> next.created_at
        OFFSET 0
      )
    FROM next
    ON CONFLICT (project_id, id) DO UPDATE
    SET created_at = EXCLUDED.created_at,
        late = known.late OR EXCLUDED.late
    -- Written down anew each time otherwise, when this is begun again.
    WHERE known.created_at <> EXCLUDED.created_at
      OR (EXCLUDED.late AND NOT known.late)
  )
  SELECT next.project_id, next.id, (SELECT COUNT(*)::integer FROM next)
  FROM next
  ORDER BY next.project_id DESC, next.id DESC
  LIMIT 1;
END
$$;

CREATE FUNCTION postrider.views_of_history()
RETURNS oid[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN ARRAY(
    SELECT view.oid
    FROM pg_class AS view
    WHERE view.relkind = 'v'
      AND EXISTS (
        SELECT
        FROM pg_rewrite AS rule
        JOIN pg_depend AS depends
          ON depends.classid = 'pg_rewrite'::regclass
          AND depends.objid = rule.oid
          AND depends.refclassid = 'pg_class'::regclass
          AND depends.refobjid IN (
            'postrider.deliveries'::regclass,
            'postrider.webhook_delivery_attempts'::regclass,
            'postrider.events'::regclass
          )
        WHERE rule.ev_class = view.oid
      )
  );
END
$$;

-- Makes the history partitioned up to a moment, with all that it has. Quick where the tables are empty, or each has a valid
-- constraint `within_bounds` and `event_ids` has all events.
CREATE FUNCTION postrider.partition_history(ends_at timestamptz)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $partition$
DECLARE
  views text[];
  policies text[];
  statement text;
BEGIN
  -- Whoever reads a view holds it before its tables: were it the other way round here, each would wait for the other. That it
  -- is given to its owner changes nothing, and locks it.
  FOR statement IN
    SELECT format('ALTER VIEW %s OWNER TO %I', view.oid::regclass, pg_get_userbyid(view.relowner))
    FROM pg_class AS view
    WHERE view.oid = ANY(postrider.views_of_history())
  LOOP
    EXECUTE statement;
  END LOOP;
  LOCK TABLE postrider.events, postrider.deliveries, postrider.webhook_delivery_attempts IN ACCESS EXCLUSIVE MODE;

  -- Policies and views are of a table, not of a name.
  SELECT array_agg(format(
    'CREATE POLICY %I ON %s USING (%s)', polname, polrelid::regclass, pg_get_expr(polqual, polrelid)
  ))
  INTO policies
  FROM pg_policy
  WHERE polrelid IN (
    'postrider.deliveries'::regclass,
    'postrider.webhook_delivery_attempts'::regclass,
    'postrider.events'::regclass
  );
  SELECT array_agg(format(
    'CREATE OR REPLACE VIEW %s %s AS %s',
    view.oid::regclass,
    'WITH (' || array_to_string(view.reloptions, ', ') || ')',
    pg_get_viewdef(view.oid)
  ))
  INTO views
  FROM pg_class AS view
  WHERE view.oid = ANY(postrider.views_of_history())
    AND view.oid <> 'postrider.event_places'::regclass;

  PERFORM postrider.partition_table('deliveries', 'id', ends_at);
  PERFORM postrider.partition_table('webhook_delivery_attempts', 'delivery_id', ends_at);
  PERFORM postrider.partition_table('events', 'created_at', ends_at);

  CREATE OR REPLACE VIEW postrider.event_places
  WITH (security_invoker = true)
  AS
  SELECT known.project_id, known.id, known.created_at
  FROM postrider.event_ids AS known;
  FOREACH statement IN ARRAY policies || views LOOP
    EXECUTE statement;
  END LOOP;

  CREATE OR REPLACE FUNCTION postrider.admit_event_ids(
    project_id uuid,
    ids uuid[],
    created_at timestamptz DEFAULT now()
  )
  RETURNS uuid[]
  LANGUAGE plpgsql
  AS $$
  DECLARE
    admitted uuid[];
  BEGIN
    WITH new AS (
      INSERT INTO postrider.event_ids (project_id, id, created_at)
      SELECT admit_event_ids.project_id, given.id, admit_event_ids.created_at
      FROM (SELECT DISTINCT given.id FROM unnest(ids) AS given (id)) AS given
      ORDER BY given.id
      ON CONFLICT DO NOTHING
      RETURNING event_ids.id
    )
    SELECT COALESCE(array_agg(new.id), '{}') INTO admitted
    FROM new;
    RETURN admitted;
  END
  $$;

  -- To be changed, not only locked: who reads by an older snapshot is refused instead of not seeing what was done.
  CREATE OR REPLACE FUNCTION postrider.hold_event_ids(project_id uuid, ids uuid[])
  RETURNS uuid[]
  LANGUAGE plpgsql
  AS $$
  DECLARE
    held uuid[];
  BEGIN
    PERFORM
    FROM postrider.event_ids AS known
    WHERE known.project_id = hold_event_ids.project_id
      AND known.id = ANY(ids)
    ORDER BY known.id
    FOR NO KEY UPDATE;
    WITH marked AS (
      UPDATE postrider.event_ids AS known
      SET late = true
      WHERE known.project_id = hold_event_ids.project_id
        AND known.id = ANY(ids)
      RETURNING known.id
    )
    SELECT COALESCE(array_agg(marked.id), '{}') INTO held
    FROM marked;
    RETURN held;
  END
  $$;
END
$partition$;

-- Rights -----------------------------------------------------------------------------------------------------------

REVOKE ALL ON FUNCTION
  postrider.admit_event_ids(uuid, uuid[], timestamptz),
  postrider.hold_event_ids(uuid, uuid[]),
  postrider.forget_event_ids(),
  postrider.move_event_id(),
  postrider.partition_bound(text, timestamptz),
  postrider.moment_of_bound(text),
  postrider.add_partition(text, text, timestamptz, timestamptz),
  postrider.partition_name(text, timestamptz),
  postrider.open_until(text),
  postrider.end_open_partitions(timestamptz),
  postrider.keep_finished(),
  postrider.close_deliveries(text),
  postrider.reopen_deliveries(text),
  postrider.replace_partitions(text, timestamptz, timestamptz),
  postrider.replace_deliveries(timestamptz, timestamptz, uuid[]),
  postrider.replace_events(timestamptz, timestamptz, uuid[], uuid[]),
  postrider.partition_table(text, text, timestamptz),
  postrider.begin_event_ids(),
  postrider.note_event_ids(uuid, uuid, integer),
  postrider.views_of_history(),
  postrider.partition_history(timestamptz)
  FROM PUBLIC;

ALTER FUNCTION postrider.admit_tenant_role() RENAME TO admit_tenant_role_before_partitions;

CREATE FUNCTION postrider.admit_tenant_role()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM postrider.admit_tenant_role_before_partitions();
  GRANT SELECT ON
    postrider.event_ids,
    postrider.event_places
    TO postrider_tenant;
END
$$;

REVOKE ALL ON FUNCTION postrider.admit_tenant_role() FROM PUBLIC;

SELECT postrider.admit_tenant_role();

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM postrider.events) AND NOT EXISTS (SELECT FROM postrider.deliveries) THEN
    PERFORM postrider.partition_history(date_trunc('day', now(), 'UTC'));
  END IF;
END
$$;
