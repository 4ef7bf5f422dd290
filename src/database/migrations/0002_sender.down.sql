DROP TABLE postrider.webhook_delivery_attempts;

DROP INDEX postrider.idx_webhook_deliveries_webhook_event;
DROP INDEX postrider.idx_webhook_deliveries_due;
DROP INDEX postrider.idx_webhook_deliveries_delivering;
DROP INDEX postrider.idx_webhook_deliveries_webhook_history;
DROP INDEX postrider.idx_webhook_deliveries_project_history;
DROP TRIGGER webhook_deliveries_fill_project ON postrider.webhook_deliveries;
DROP FUNCTION postrider.fill_delivery_project();
ALTER TABLE postrider.webhook_deliveries
  DROP CONSTRAINT webhook_deliveries_max_attempts_check,
  DROP CONSTRAINT webhook_deliveries_unfinished_check,
  DROP CONSTRAINT webhook_deliveries_rescues_check,
  DROP CONSTRAINT webhook_deliveries_delivered_at_check,
  DROP CONSTRAINT webhook_deliveries_lease_check,
  DROP COLUMN project_id,
  DROP COLUMN lease_token,
  DROP COLUMN lease_until,
  DROP COLUMN claimed_at,
  DROP COLUMN rescues,
  DROP COLUMN max_rescues,
  DROP COLUMN retried_at;

DROP TABLE postrider.webhook_event_types;

DROP TRIGGER applications_disable_webhooks ON postrider.applications;
DROP FUNCTION postrider.disable_webhooks_of_application();
DROP TRIGGER webhooks_touch_updated_at ON postrider.webhooks;
DROP INDEX postrider.idx_webhooks_project_created_at;
ALTER TABLE postrider.webhooks
  DROP CONSTRAINT webhooks_application_id_fkey,
  DROP CONSTRAINT webhooks_active_url_check,
  DROP CONSTRAINT webhooks_event_type_patterns_check,
  DROP CONSTRAINT webhooks_active_event_types_check,
  DROP CONSTRAINT webhooks_headers_check,
  DROP CONSTRAINT webhooks_disabled_reason_check,
  DROP CONSTRAINT webhooks_previous_secret_check,
  DROP COLUMN disabled_reason,
  DROP COLUMN previous_secret,
  DROP COLUMN previous_secret_expires_at;
DROP FUNCTION postrider.valid_event_types(jsonb);

-- Ids become unique over all projects again: the oldest keeps a shared one, the others get a new one.
DO $migration$
DECLARE
  shared record;
BEGIN
  FOR shared IN
    SELECT project_id, id, postrider.uuid_generate_v7() AS new_id
    FROM (
      SELECT project_id, id, ROW_NUMBER() OVER (PARTITION BY id ORDER BY created_at, project_id) AS position
      FROM postrider.applications
    ) AS ranked
    WHERE position > 1
  LOOP
    RAISE NOTICE 'application % of project % is now %', shared.id, shared.project_id, shared.new_id;
    UPDATE postrider.webhooks
    SET application_id = shared.new_id
    WHERE project_id = shared.project_id
      AND application_id = shared.id;
    UPDATE postrider.applications
    SET id = shared.new_id
    WHERE project_id = shared.project_id
      AND id = shared.id;
  END LOOP;
END
$migration$;

DROP INDEX postrider.idx_applications_project;
ALTER TABLE postrider.applications
  DROP CONSTRAINT applications_pkey,
  ADD CONSTRAINT applications_pkey PRIMARY KEY (id);
ALTER TABLE postrider.webhooks
  ADD CONSTRAINT webhooks_application_id_fkey
    FOREIGN KEY (application_id)
    REFERENCES postrider.applications (id)
    ON DELETE SET NULL;

DROP TABLE postrider.api_keys;
DROP INDEX postrider.idx_projects_created_at;
DROP TRIGGER projects_touch_updated_at ON postrider.projects;
DROP FUNCTION postrider.touch_updated_at();
