-- What keeps claims, results and the hot tables as they are, however long an installation lives.

-- The functions stay as they are but for a few lines: those are told here.
CREATE FUNCTION postrider.reworded(definition text, old_text text, new_text text)
RETURNS text
LANGUAGE plpgsql
AS $$
BEGIN
  IF cardinality(string_to_array(definition, old_text)) <> 2 THEN
    RAISE EXCEPTION 'a function is not as it was: it should have once: %', old_text;
  END IF;
  RETURN replace(definition, old_text, new_text);
END
$$;

-- Claims that know where to look ------------------------------------------------------------------------------------

-- While somebody holds a snapshot open, what was deleted from the queue stays in its index, and stepping from webhook to
-- webhook walks all of it. A claim may be told which queues to look into, each from a moment on: it comes to that by the
-- index. Without that it looks into all, as before.
DO $migration$
DECLARE
  claim text := pg_get_functiondef('postrider.claim_deliveries'::regproc);
BEGIN
  claim := postrider.reworded(claim, $old$finished uuid[])$old$, $new$finished uuid[], known_queues uuid[] DEFAULT NULL, known_since timestamptz[] DEFAULT NULL)$new$);
  claim := postrider.reworded(claim, $old$      false AS is_queue
    FROM life
$old$, $new$      false AS is_queue
    FROM life
    WHERE claim_deliveries.known_queues IS NULL
$new$);
  claim := postrider.reworded(claim, $old$    FROM queues
    CROSS JOIN LATERAL (
      SELECT webhook.rate_per_second, webhook.max_in_flight
$old$, $new$    FROM (
      SELECT queues.webhook_id, '-infinity'::timestamptz AS since
      FROM queues
      WHERE queues.is_queue
      UNION ALL
      SELECT known.webhook_id, known.since
      FROM life
      CROSS JOIN unnest(known_queues, known_since) AS known (webhook_id, since)
    ) AS queues
    CROSS JOIN LATERAL (
      SELECT webhook.rate_per_second, webhook.max_in_flight
$new$);
  claim := postrider.reworded(claim, $old$        AND queued.scheduled_at <= claim_deliveries.now + interval '10 milliseconds'
$old$, $new$        AND queued.scheduled_at >= queues.since
        AND queued.scheduled_at <= claim_deliveries.now + interval '10 milliseconds'
$new$);
  claim := postrider.reworded(claim, $old$    ) AS due
    WHERE queues.is_queue
    LIMIT wanted
$old$, $new$    ) AS due
    LIMIT wanted
$new$);
  DROP FUNCTION postrider.claim_deliveries(
    uuid, timestamptz, integer, integer, uuid, uuid[], integer[], uuid[], integer[], uuid[]
  );
  EXECUTE claim;
END
$migration$;

REVOKE ALL ON FUNCTION postrider.claim_deliveries(
  uuid, timestamptz, integer, integer, uuid, uuid[], integer[], uuid[], integer[], uuid[], uuid[], timestamptz[]
) FROM PUBLIC;

-- Results that are found by their ids -----------------------------------------------------------------------------------

-- Where a plan is made while the history is almost empty, as on a new installation, reading all of it for each batch looks
-- cheaper than a look by id for each of a hundred results, and stays so until the table is analyzed. Of one result it never
-- does.
CREATE FUNCTION postrider.results_of(results jsonb)
RETURNS TABLE (
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
LANGUAGE sql
STABLE
ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT result.*
  FROM jsonb_to_recordset(results_of.results) AS result (
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
$$;

REVOKE ALL ON FUNCTION postrider.results_of(jsonb) FROM PUBLIC;

DO $migration$
DECLARE
  record text := pg_get_functiondef('postrider.record_results'::regproc);
BEGIN
  record := postrider.reworded(record, $old$    FROM jsonb_to_recordset(results) AS result (
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
$old$, $new$    FROM postrider.results_of(results) AS result
$new$);
  EXECUTE record;
END
$migration$;

DROP FUNCTION postrider.reworded(text, text, text);

-- Vacuum --------------------------------------------------------------------------------------------------------------

-- Rows come and go here, or change with every delivery, as in the queue: by the share of a table that is almost empty they
-- would be vacuumed late or at every turn.
ALTER TABLE postrider.delivery_schedule SET (
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_cost_delay = 0
);
ALTER TABLE postrider.delivery_line_waiting SET (
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_cost_delay = 0
);
ALTER TABLE postrider.delivery_lines SET (
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 1000
);
ALTER TABLE postrider.webhook_rates SET (
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 1000
);
