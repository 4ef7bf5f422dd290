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

DO $migration$
DECLARE
  claim text := pg_get_functiondef('postrider.claim_deliveries'::regproc);
  record text := pg_get_functiondef('postrider.record_results'::regproc);
BEGIN
  claim := postrider.reworded(claim, $old$finished uuid[], known_queues uuid[] DEFAULT NULL::uuid[], known_since timestamp with time zone[] DEFAULT NULL::timestamp with time zone[])$old$, $new$finished uuid[])$new$);
  claim := postrider.reworded(claim, $old$      false AS is_queue
    FROM life
    WHERE claim_deliveries.known_queues IS NULL
$old$, $new$      false AS is_queue
    FROM life
$new$);
  claim := postrider.reworded(claim, $old$    FROM (
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
$old$, $new$    FROM queues
    CROSS JOIN LATERAL (
      SELECT webhook.rate_per_second, webhook.max_in_flight
$new$);
  claim := postrider.reworded(claim, $old$        AND queued.scheduled_at >= queues.since
        AND queued.scheduled_at <= claim_deliveries.now + interval '10 milliseconds'
$old$, $new$        AND queued.scheduled_at <= claim_deliveries.now + interval '10 milliseconds'
$new$);
  claim := postrider.reworded(claim, $old$    ) AS due
    LIMIT wanted
$old$, $new$    ) AS due
    WHERE queues.is_queue
    LIMIT wanted
$new$);
  record := postrider.reworded(record, $old$    FROM postrider.results_of(results) AS result
$old$, $new$    FROM jsonb_to_recordset(results) AS result (
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
$new$);
  DROP FUNCTION postrider.claim_deliveries(
    uuid, timestamptz, integer, integer, uuid, uuid[], integer[], uuid[], integer[], uuid[], uuid[], timestamptz[]
  );
  EXECUTE claim;
  EXECUTE record;
END
$migration$;

REVOKE ALL ON FUNCTION postrider.claim_deliveries(
  uuid, timestamptz, integer, integer, uuid, uuid[], integer[], uuid[], integer[], uuid[]
) FROM PUBLIC;

DROP FUNCTION postrider.results_of(jsonb);
DROP FUNCTION postrider.reworded(text, text, text);

ALTER TABLE postrider.delivery_schedule RESET (
  autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_vacuum_cost_delay
);
ALTER TABLE postrider.delivery_line_waiting RESET (
  autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_vacuum_cost_delay
);
ALTER TABLE postrider.delivery_lines RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
ALTER TABLE postrider.webhook_rates RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
