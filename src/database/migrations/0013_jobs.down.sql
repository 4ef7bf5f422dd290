DROP FUNCTION postrider.admit_tenant_role();
ALTER FUNCTION postrider.admit_tenant_role_before_jobs() RENAME TO admit_tenant_role;
DROP TABLE postrider.jobs;
DROP FUNCTION postrider.audit_job();
