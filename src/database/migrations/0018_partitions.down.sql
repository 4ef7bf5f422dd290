-- Back to plain tables, with every row.

DROP FUNCTION postrider.admit_tenant_role();
ALTER FUNCTION postrider.admit_tenant_role_before_partitions() RENAME TO admit_tenant_role;

DROP VIEW postrider.history_partitions;

-- What was dropped and not yet removed.
DO $$
DECLARE
  name text;
BEGIN
  FOR name IN
    SELECT relname
    FROM pg_class
    WHERE relnamespace = 'postrider'::regnamespace
      AND relkind = 'r'
      AND NOT relispartition
      AND relname ~ '^(deliveries|webhook_delivery_attempts|events)_.*_expired$'
  LOOP
    EXECUTE format('DROP TABLE postrider.%I', name);
  END LOOP;
END
$$;

CREATE FUNCTION postrider.plain_table(parent text, settings text)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
  partitioned CONSTANT oid := format('postrider.%I', parent)::regclass;
  statement text;
  again text[];
BEGIN
  SELECT array_agg(standing.definition)
  INTO again
  FROM (
    SELECT format('ALTER TABLE postrider.%I ADD CONSTRAINT %I %s', parent, conname, pg_get_constraintdef(oid)) AS definition
    FROM pg_constraint
    WHERE conrelid = partitioned
      AND contype = 'p'
    UNION ALL
    SELECT replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ')
    FROM pg_index
    WHERE indrelid = partitioned
      AND NOT indisunique
    UNION ALL
    SELECT pg_get_triggerdef(oid)
    FROM pg_trigger
    WHERE tgrelid = partitioned
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
    WHERE pg_class.oid = partitioned
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
    WHERE attrelid = partitioned
      AND attnum > 0
      AND NOT attisdropped
  ) AS standing;

  EXECUTE format('ALTER TABLE postrider.%I RENAME TO %I', parent, parent || '_partitioned');
  EXECUTE format(
    'CREATE TABLE postrider.%I (LIKE postrider.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE INCLUDING COMPRESSION) %s',
    parent, parent || '_partitioned', settings
  );
  EXECUTE format('ALTER TABLE postrider.%I OWNER TO %I', parent, (
    SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = partitioned
  ));
  EXECUTE format('INSERT INTO postrider.%I SELECT * FROM postrider.%I', parent, parent || '_partitioned');
  EXECUTE format('ALTER TABLE postrider.%I ENABLE ROW LEVEL SECURITY', parent);
  -- The names of indexes are taken until then.
  FOR statement IN
    SELECT format('ALTER INDEX postrider.%I RENAME TO %I', relname, left(relname, 50) || '_partitioned')
    FROM pg_index
    JOIN pg_class
      ON pg_class.oid = indexrelid
    WHERE indrelid = partitioned
  LOOP
    EXECUTE statement;
  END LOOP;
  FOREACH statement IN ARRAY again LOOP
    EXECUTE statement;
  END LOOP;
END
$$;

DO $$
DECLARE
  is_partitioned CONSTANT boolean := (
    SELECT relkind = 'p'
    FROM pg_class
    WHERE oid = 'postrider.deliveries'::regclass
  );
  policies text[];
  statement text;
BEGIN
  IF NOT is_partitioned THEN
    -- Where to partition them was cut off.
    ALTER TABLE postrider.deliveries DROP CONSTRAINT IF EXISTS within_bounds;
    ALTER TABLE postrider.webhook_delivery_attempts DROP CONSTRAINT IF EXISTS within_bounds;
    ALTER TABLE postrider.events DROP CONSTRAINT IF EXISTS within_bounds;
    RETURN;
  END IF;
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
  PERFORM postrider.plain_table(
    'deliveries',
    'WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05)'
  );
  PERFORM postrider.plain_table('webhook_delivery_attempts', '');
  PERFORM postrider.plain_table('events', '');
  CREATE UNIQUE INDEX idx_deliveries_event_webhook
    ON postrider.deliveries (event_id, webhook_id);
  ALTER TABLE postrider.events ADD PRIMARY KEY (project_id, id);
  -- As they were before, to the letter.
  DROP TRIGGER deliveries_note_failed_update ON postrider.deliveries;
  CREATE TRIGGER deliveries_note_failed_update
    AFTER UPDATE ON postrider.deliveries
    FOR EACH ROW
    WHEN (
      (OLD.status = 'failed' OR NEW.status = 'failed')
      AND (OLD.status, OLD.webhook_id, OLD.created_at) IS DISTINCT FROM (NEW.status, NEW.webhook_id, NEW.created_at)
    )
    EXECUTE FUNCTION postrider.note_failed_delivery();
  ALTER TABLE postrider.deliveries
    DROP CONSTRAINT deliveries_payload_expired_at_check,
    ADD CONSTRAINT deliveries_payload_expired_at_check CHECK (
      payload_expired_at IS NULL OR status IN ('delivered', 'failed')
    ) NOT VALID;
  ALTER TABLE postrider.events
    DROP CONSTRAINT events_traceparent_check,
    ADD CONSTRAINT events_traceparent_check CHECK (
      traceparent ~ '^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$'
    ) NOT VALID;
  FOREACH statement IN ARRAY policies LOOP
    EXECUTE statement;
  END LOOP;
END
$$;

DROP FUNCTION postrider.plain_table(text, text);

CREATE OR REPLACE VIEW postrider.webhook_deliveries
WITH (security_invoker = true)
AS
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

DO $$
BEGIN
  IF to_regclass('postrider.deliveries_partitioned') IS NOT NULL THEN
    DROP TABLE postrider.deliveries_partitioned, postrider.webhook_delivery_attempts_partitioned, postrider.events_partitioned;
  END IF;
END
$$;

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

SELECT postrider.reword('erase_event', $old$
    AND event.id = erase_event.id
    AND event.created_at = (
      SELECT place.created_at
      FROM postrider.event_places AS place
      WHERE place.project_id = erase_event.project_id
        AND place.id = erase_event.id
    );

  PERFORM postrider.audit_as(
$old$, $new$
    AND event.id = erase_event.id;

  PERFORM postrider.audit_as(
$new$);

SELECT postrider.reword('erase_event', $old$
    AND event.id = erase_event.id
    AND event.created_at = (
      SELECT place.created_at
      FROM postrider.event_places AS place
      WHERE place.project_id = erase_event.project_id
        AND place.id = erase_event.id
    )
  FOR UPDATE;
$old$, $new$
    AND event.id = erase_event.id
  FOR UPDATE;
$new$);

SELECT postrider.reword('write_webhook_delivery', $old$
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
$old$, $new$
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
$new$);

SELECT postrider.reword('deliveries_of_same_event', $old$
    AND event.id = deliveries_of_same_event.id
    AND event.created_at = (
      SELECT place.created_at
      FROM postrider.event_places AS place
      WHERE place.project_id = deliveries_of_same_event.project_id
        AND place.id = deliveries_of_same_event.id
    );
$old$, $new$
    AND event.id = deliveries_of_same_event.id;
$new$);

SELECT postrider.reword('publish_columns', $old$
      ON counted.event_id = given.id
    WHERE given.id IN (
      SELECT allowed.id
      FROM unnest(admitted) AS allowed (id)
    )
    ORDER BY given.id
    ON CONFLICT DO NOTHING
$old$, $new$
      ON counted.event_id = given.id
    ORDER BY given.id
    ON CONFLICT (project_id, id) DO NOTHING
$new$);

SELECT postrider.reword('publish_columns', $old$
  admitted := postrider.admit_event_ids(publish_columns.project_id, ids);

  WITH given AS MATERIALIZED (
    -- Of several with one id the first is published; the others are compared with it below. The order by id
$old$, $new$
  WITH given AS MATERIALIZED (
    -- Of several with one id the first is published; the others are compared with it below. The order by id
$new$);

SELECT postrider.reword('publish_columns', $old$
  admitted uuid[];
  fresh uuid[];
$old$, $new$
  fresh uuid[];
$new$);

SELECT postrider.reword('claim_deliveries', $old$
  FROM claimed
  CROSS JOIN LATERAL (
    SELECT *
    FROM postrider.claimable_deliveries AS claimable
    WHERE claimable.id = claimed.id
    OFFSET 0
  ) AS claimable;
$old$, $new$
  FROM postrider.claimable_deliveries AS claimable
  WHERE claimable.id = ANY(ARRAY(SELECT claimed.id FROM claimed));
$new$);

SELECT postrider.reword('claim_deliveries', $old$
    FROM taken
    CROSS JOIN LATERAL (
      SELECT history.id, history.attempts, history.rescues
      FROM postrider.deliveries AS history
      WHERE history.id = taken.delivery_id
        AND history.status IN ('pending', 'delivering')
      OFFSET 0
    ) AS delivery
$old$, $new$
    FROM postrider.deliveries AS delivery
    WHERE delivery.id = ANY(ARRAY(SELECT taken.delivery_id FROM taken))
      AND delivery.status IN ('pending', 'delivering')
$new$);

DROP FUNCTION postrider.reword(text, text, text);

CREATE OR REPLACE FUNCTION postrider.delete_attempts_of_deliveries()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  DELETE FROM postrider.webhook_delivery_attempts
  WHERE delivery_id = ANY(ARRAY(SELECT deleted.id FROM deleted));
  RETURN NULL;
END
$$;

DROP TRIGGER events_move_id ON postrider.events;
DROP FUNCTION postrider.move_event_id();
DROP TRIGGER events_forget_ids ON postrider.events;
DROP FUNCTION postrider.forget_event_ids();

DROP FUNCTION postrider.partition_history(timestamptz);
DROP FUNCTION postrider.views_of_history();
DROP FUNCTION postrider.note_event_ids(uuid, uuid, integer);
DROP FUNCTION postrider.begin_event_ids();
DROP FUNCTION postrider.partition_table(text, text, timestamptz);
DROP FUNCTION postrider.replace_events(timestamptz, timestamptz, uuid[], uuid[]);
DROP FUNCTION postrider.replace_deliveries(timestamptz, timestamptz, uuid[]);
DROP FUNCTION postrider.replace_partitions(text, timestamptz, timestamptz);
DROP FUNCTION postrider.reopen_deliveries(text);
DROP FUNCTION postrider.close_deliveries(text);
DROP FUNCTION postrider.keep_finished();
DROP FUNCTION postrider.end_open_partitions(timestamptz);
DROP FUNCTION postrider.open_until(text);
DROP FUNCTION postrider.partition_name(text, timestamptz);
DROP FUNCTION postrider.add_partition(text, text, timestamptz, timestamptz);
DROP FUNCTION postrider.moment_of_bound(text);
DROP FUNCTION postrider.partition_bound(text, timestamptz);
DROP FUNCTION postrider.hold_event_ids(uuid, uuid[]);
DROP FUNCTION postrider.admit_event_ids(uuid, uuid[], timestamptz);
DROP VIEW postrider.event_places;
DROP TABLE postrider.event_ids;
