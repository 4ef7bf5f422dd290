DROP TRIGGER replays_audit ON postrider.replays;
DROP TRIGGER webhook_event_types_audit ON postrider.webhook_event_types;
DROP TRIGGER webhooks_audit ON postrider.webhooks;
DROP TRIGGER api_keys_audit ON postrider.api_keys;
DROP TRIGGER applications_audit ON postrider.applications;
DROP TRIGGER projects_audit ON postrider.projects;

-- The role's rights in this database; without any left on the server the role goes too.
DO $migration$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'postrider_tenant') THEN
    RETURN;
  END IF;
  REVOKE ALL ON ALL TABLES IN SCHEMA postrider FROM postrider_tenant;
  REVOKE ALL ON ALL FUNCTIONS IN SCHEMA postrider FROM postrider_tenant;
  REVOKE ALL ON SCHEMA postrider FROM postrider_tenant;
  BEGIN
    DROP ROLE postrider_tenant;
  EXCEPTION
    WHEN dependent_objects_still_exist OR object_in_use OR insufficient_privilege OR undefined_object THEN
      RAISE NOTICE 'role postrider_tenant is kept: %', SQLERRM;
  END;
END
$migration$;

DROP TABLE postrider.audit_log;
DROP FUNCTION postrider.audit_replay();
DROP FUNCTION postrider.audit_change();
DROP FUNCTION postrider.told_of(jsonb, text[]);
DROP FUNCTION postrider.auditable(jsonb);
DROP FUNCTION postrider.audit(uuid, text, text, text, jsonb, jsonb);
DROP FUNCTION postrider.audit_as(jsonb, uuid, text, text, text, jsonb, jsonb);
DROP FUNCTION postrider.keep_audit_log();

ALTER VIEW postrider.webhook_deliveries RESET (security_invoker);
ALTER VIEW postrider.claimable_deliveries RESET (security_invoker);

DROP POLICY own_project ON postrider.projects;
DROP POLICY own_project ON postrider.applications;
DROP POLICY own_project ON postrider.api_keys;
DROP POLICY own_project ON postrider.webhooks;
DROP POLICY own_project ON postrider.webhook_event_types;
DROP POLICY own_project ON postrider.events;
DROP POLICY own_project ON postrider.deliveries;
DROP POLICY own_project ON postrider.replays;
DROP POLICY own_project ON postrider.webhook_delivery_attempts;
DROP POLICY own_project ON postrider.delivery_queue;
DROP POLICY own_project ON postrider.delivery_schedule;
DROP POLICY own_project ON postrider.delivery_lines;
DROP POLICY own_project ON postrider.delivery_line_waiting;
DROP POLICY own_project ON postrider.webhook_rates;

ALTER TABLE postrider.projects DISABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.applications DISABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.api_keys DISABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.webhooks DISABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.webhook_event_types DISABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.events DISABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.deliveries DISABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.replays DISABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.webhook_delivery_attempts DISABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.delivery_queue DISABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.delivery_schedule DISABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.delivery_lines DISABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.delivery_line_waiting DISABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.webhook_rates DISABLE ROW LEVEL SECURITY;

ALTER FUNCTION postrider.delete_events_of_project() SECURITY INVOKER RESET search_path;
ALTER FUNCTION postrider.delete_attempts_of_deliveries() SECURITY INVOKER RESET search_path;
ALTER FUNCTION postrider.unqueue_webhook() SECURITY INVOKER RESET search_path;
ALTER FUNCTION postrider.keep_policy() SECURITY INVOKER RESET search_path;

DROP FUNCTION postrider.admit_tenant_role();
DROP FUNCTION postrider.current_project();
