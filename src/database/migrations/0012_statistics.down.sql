DROP FUNCTION postrider.admit_tenant_role();
ALTER FUNCTION postrider.admit_tenant_role_before_statistics() RENAME TO admit_tenant_role;

DROP TRIGGER deliveries_forget_failed ON postrider.deliveries;
DROP TRIGGER deliveries_note_failed_update ON postrider.deliveries;
DROP TRIGGER deliveries_note_failed_insert ON postrider.deliveries;
DROP FUNCTION postrider.forget_failed_deliveries();
DROP FUNCTION postrider.note_failed_delivery();
DROP TABLE postrider.failed_deliveries;

DROP TRIGGER webhooks_delete_statistics ON postrider.webhooks;
DROP FUNCTION postrider.delete_statistics_of_webhook();
DROP FUNCTION postrider.statistics_reach();
DROP TABLE postrider.statistics_progress;
DROP TABLE postrider.event_statistics;
DROP TABLE postrider.attempt_statistics;
DROP FUNCTION postrider.uuid_at(timestamptz);
DROP INDEX postrider.idx_webhook_delivery_attempts_id;
