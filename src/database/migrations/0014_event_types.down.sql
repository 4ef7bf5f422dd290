DROP FUNCTION postrider.admit_tenant_role();
ALTER FUNCTION postrider.admit_tenant_role_before_event_types() RENAME TO admit_tenant_role;

DROP TRIGGER webhook_event_types_audit ON postrider.webhook_event_types;

CREATE TRIGGER webhook_event_types_audit
  AFTER INSERT OR UPDATE OR DELETE ON postrider.webhook_event_types
  FOR EACH ROW
  EXECUTE FUNCTION postrider.audit_change('event_type', 'name', 'project_id name description schema example deprecated');

DROP TRIGGER webhook_event_types_keep_version ON postrider.webhook_event_types;
DROP TRIGGER webhook_event_types_number_version ON postrider.webhook_event_types;
DROP FUNCTION postrider.event_types_revision(uuid);
DROP FUNCTION postrider.keep_event_type_version();
DROP FUNCTION postrider.number_event_type_version();
DROP TABLE postrider.event_type_registries;
DROP TABLE postrider.webhook_event_type_versions;
DROP INDEX postrider.idx_webhook_event_types_project;

ALTER TABLE postrider.webhook_event_types
  DROP COLUMN id,
  DROP COLUMN version;
