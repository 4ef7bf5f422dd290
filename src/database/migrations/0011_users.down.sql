DROP TRIGGER invitations_audit ON postrider.invitations;
DROP TRIGGER members_audit ON postrider.members;
DROP TRIGGER users_audit ON postrider.users;

DROP FUNCTION postrider.admit_tenant_role();
ALTER FUNCTION postrider.admit_tenant_role_without_users() RENAME TO admit_tenant_role;

DO $migration$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'postrider_tenant') THEN
    REVOKE SELECT (id, email, name) ON postrider.users FROM postrider_tenant;
  END IF;
END
$migration$;

DROP POLICY own_project ON postrider.users;
ALTER TABLE postrider.users DISABLE ROW LEVEL SECURITY;

DROP TABLE postrider.sessions;
DROP TABLE postrider.invitations;
DROP TABLE postrider.members;

-- Users stay, as whom webhooks name that were made by them.
DROP INDEX postrider.idx_users_owners;
DROP INDEX postrider.idx_users_created_at;
DROP INDEX postrider.users_email_any_case_key;

ALTER TABLE postrider.users
  DROP CONSTRAINT users_oidc_key,
  DROP CONSTRAINT users_oidc_check,
  DROP COLUMN failed_logins,
  DROP COLUMN disabled_at,
  DROP COLUMN is_owner,
  DROP COLUMN oidc_subject,
  DROP COLUMN oidc_issuer,
  DROP COLUMN password_hash;
