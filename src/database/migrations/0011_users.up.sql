-- People who log in: passwords and single sign-on, who belongs to which project, invitations, and sessions.

-- Users ------------------------------------------------------------------------------------------------------------

ALTER TABLE postrider.users
  ADD COLUMN password_hash TEXT, -- with its parameters; NULL: no password opens it
  ADD COLUMN oidc_issuer TEXT,
  ADD COLUMN oidc_subject TEXT, -- who this is at the provider, once linked; emails may change
  ADD COLUMN is_owner BOOLEAN NOT NULL DEFAULT false,
  ADD COLUMN disabled_at TIMESTAMPTZ, -- NULL: may log in
  ADD COLUMN failed_logins INTEGER NOT NULL DEFAULT 0, -- wrong passwords since the last right one

  ADD CONSTRAINT users_oidc_check CHECK ((oidc_issuer IS NULL) = (oidc_subject IS NULL)),
  ADD CONSTRAINT users_oidc_key UNIQUE (oidc_issuer, oidc_subject);

-- Who differed in upper and lower case only is one person from here on: the one that came first.
UPDATE postrider.webhooks AS webhook
SET created_by_id = first.id
FROM postrider.users AS later
JOIN LATERAL (
  SELECT other.id
  FROM postrider.users AS other
  WHERE lower(other.email COLLATE "C") = lower(later.email COLLATE "C")
  ORDER BY other.created_at, other.id
  LIMIT 1
) AS first ON true
WHERE webhook.created_by_id = later.id
  AND first.id <> later.id;

DELETE FROM postrider.users AS later
WHERE EXISTS (
  SELECT
  FROM postrider.users AS other
  WHERE lower(other.email COLLATE "C") = lower(later.email COLLATE "C")
    AND (other.created_at, other.id) < (later.created_at, later.id)
);

CREATE UNIQUE INDEX users_email_any_case_key
  ON postrider.users (lower(email COLLATE "C"));

CREATE INDEX idx_users_created_at
  ON postrider.users (created_at DESC, id DESC);

CREATE INDEX idx_users_owners
  ON postrider.users (id)
  WHERE is_owner AND disabled_at IS NULL;

-- Members ----------------------------------------------------------------------------------------------------------

CREATE TABLE postrider.members (
  project_id UUID NOT NULL REFERENCES postrider.projects (id) ON DELETE CASCADE,
  user_id UUID NOT NULL REFERENCES postrider.users (id) ON DELETE CASCADE,
  role VARCHAR(20) NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),

  PRIMARY KEY (project_id, user_id),
  CONSTRAINT members_role_check CHECK (role IN ('view', 'publish', 'manage'))
);

CREATE INDEX idx_members_user
  ON postrider.members (user_id);

-- Invitations ------------------------------------------------------------------------------------------------------

-- Links that let somebody in, each once: the owner, a member, or whoever forgot a password.
CREATE TABLE postrider.invitations (
  id UUID PRIMARY KEY DEFAULT postrider.uuid_generate_v7(),
  kind VARCHAR(20) NOT NULL,
  project_id UUID REFERENCES postrider.projects (id) ON DELETE CASCADE,
  user_id UUID UNIQUE REFERENCES postrider.users (id) ON DELETE CASCADE,
  email VARCHAR(255),
  role VARCHAR(20),
  token_hash BYTEA NOT NULL UNIQUE,
  created_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL,

  CONSTRAINT invitations_kind_check CHECK (
    CASE kind
      WHEN 'owner' THEN num_nonnulls(project_id, user_id, email, role) = 0
      WHEN 'member' THEN num_nulls(project_id, email, role) = 0 AND user_id IS NULL
      WHEN 'password' THEN user_id IS NOT NULL AND num_nonnulls(project_id, email, role) = 0
      ELSE false
    END
  ),
  CONSTRAINT invitations_role_check CHECK (role IN ('view', 'publish', 'manage'))
);

CREATE UNIQUE INDEX invitations_email_key
  ON postrider.invitations (project_id, lower(email COLLATE "C"));

CREATE INDEX idx_invitations_email
  ON postrider.invitations (lower(email COLLATE "C"));

-- Sessions ---------------------------------------------------------------------------------------------------------

-- Each of a user, of a project key, or of the admin key, which stands in no table: what proves that it still is the
-- same one is keyed by the token, so that nobody can guess it from here.
CREATE TABLE postrider.sessions (
  id UUID PRIMARY KEY DEFAULT postrider.uuid_generate_v7(),
  token_hash BYTEA NOT NULL UNIQUE,
  user_id UUID REFERENCES postrider.users (id) ON DELETE CASCADE,
  api_key_id UUID REFERENCES postrider.api_keys (id) ON DELETE CASCADE,
  admin_proof BYTEA,
  address TEXT,
  user_agent TEXT,
  created_at TIMESTAMPTZ NOT NULL,
  last_used_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL,

  CONSTRAINT sessions_owner_check CHECK (num_nonnulls(user_id, api_key_id, admin_proof) = 1)
);

CREATE INDEX idx_sessions_user
  ON postrider.sessions (user_id, created_at DESC, id DESC);

CREATE INDEX idx_sessions_api_key
  ON postrider.sessions (api_key_id);

CREATE INDEX idx_sessions_expires_at
  ON postrider.sessions (expires_at);

-- Policies ---------------------------------------------------------------------------------------------------------
--
-- A project sees who is in it: of those people what they are called, never how they log in.

ALTER TABLE postrider.members ENABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.invitations ENABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.users ENABLE ROW LEVEL SECURITY;

CREATE POLICY own_project ON postrider.members
  USING (project_id = postrider.current_project());

CREATE POLICY own_project ON postrider.invitations
  USING (project_id = postrider.current_project());

CREATE POLICY own_project ON postrider.users
  USING (EXISTS (
    SELECT
    FROM postrider.members AS member
    WHERE member.user_id = users.id
      AND member.project_id = postrider.current_project()
  ));

ALTER FUNCTION postrider.admit_tenant_role() RENAME TO admit_tenant_role_without_users;

CREATE FUNCTION postrider.admit_tenant_role()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM postrider.admit_tenant_role_without_users();
  GRANT SELECT (id, email, name) ON postrider.users TO postrider_tenant;
  GRANT SELECT, UPDATE (role), DELETE ON postrider.members TO postrider_tenant;
  GRANT
    SELECT (id, kind, project_id, email, role, created_at, expires_at),
    INSERT,
    UPDATE (role, token_hash, created_at, expires_at),
    DELETE
    ON postrider.invitations TO postrider_tenant;
END
$$;

REVOKE ALL ON FUNCTION postrider.admit_tenant_role() FROM PUBLIC;

SELECT postrider.admit_tenant_role();

-- The audit log ----------------------------------------------------------------------------------------------------

-- Not the count of failed logins: a login tells it.
CREATE TRIGGER users_audit
  AFTER INSERT OR UPDATE OF email, name, password_hash, oidc_subject, is_owner, disabled_at OR DELETE
  ON postrider.users
  FOR EACH ROW
  EXECUTE FUNCTION postrider.audit_change('user', 'id', 'id email name is_owner disabled_at');

CREATE TRIGGER members_audit
  AFTER INSERT OR UPDATE OR DELETE ON postrider.members
  FOR EACH ROW
  EXECUTE FUNCTION postrider.audit_change('member', 'user_id', 'project_id role');

CREATE TRIGGER invitations_audit
  AFTER INSERT OR UPDATE OR DELETE ON postrider.invitations
  FOR EACH ROW
  EXECUTE FUNCTION postrider.audit_change('invitation', 'id', 'id project_id kind user_id email role expires_at');
