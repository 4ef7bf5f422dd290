-- A second wall between projects, and who changed what.
--
-- What the API does for a project runs as the role `postrider_tenant`, in a transaction that names the project in the
-- setting `postrider.project_id`. Policies show that role the rows of this project alone; without the setting, none. A
-- query that forgot its condition finds nothing instead of somebody else's rows. The owner of the tables, as whom
-- workers and upkeep run, passes.
--
-- Every change of what somebody configures is written down by triggers, in the transaction that makes it: none is
-- forgotten, and none is told that did not happen.

-- The role ---------------------------------------------------------------------------------------------------------

CREATE FUNCTION postrider.current_project()
RETURNS uuid
LANGUAGE sql
STABLE
PARALLEL SAFE
RETURN NULLIF(current_setting('postrider.project_id', true), '')::uuid;

-- Roles belong to the whole server: this one may be there already, and be made by another database at this moment, whose
-- advisory locks are not ours. It can also be run by hand, after a dump was restored where the role was missing.
CREATE FUNCTION postrider.admit_tenant_role()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  may_become boolean;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'postrider_tenant') THEN
    BEGIN
      CREATE ROLE postrider_tenant NOLOGIN;
    EXCEPTION
      WHEN duplicate_object OR unique_violation THEN
        NULL;
      WHEN insufficient_privilege THEN
        RAISE EXCEPTION 'the role postrider_tenant is missing and % may not create roles: run as one that may, CREATE ROLE postrider_tenant NOLOGIN; GRANT postrider_tenant TO %; and try again',
          quote_ident(current_user), quote_ident(current_user)
          USING ERRCODE = 'insufficient_privilege';
    END;
  END IF;

  -- Since PostgreSQL 16 who creates a role administers it, and still may not become it.
  may_become := CASE
    WHEN current_setting('server_version_num')::integer < 160000 THEN pg_has_role('postrider_tenant', 'MEMBER')
    ELSE pg_has_role('postrider_tenant', 'SET')
  END;
  IF NOT may_become THEN
    BEGIN
      EXECUTE format('GRANT postrider_tenant TO %I', current_user);
    EXCEPTION
      WHEN unique_violation THEN
        NULL;
      WHEN insufficient_privilege THEN
        RAISE EXCEPTION '% may not become the role postrider_tenant, which is there already: run as one that may grant it, GRANT postrider_tenant TO %; and try again',
          quote_ident(current_user), quote_ident(current_user)
          USING ERRCODE = 'insufficient_privilege';
    END;
  END IF;

  GRANT USAGE ON SCHEMA postrider TO postrider_tenant;
  GRANT EXECUTE ON FUNCTION
    postrider.uuid_generate_v7(),
    postrider.valid_event_types(jsonb),
    postrider.event_type_patterns(text),
    postrider.envelope(uuid, uuid, text, text, uuid, text, timestamptz),
    postrider.audit(uuid, text, text, text, jsonb, jsonb)
    TO postrider_tenant;

  GRANT SELECT, UPDATE (name), DELETE ON postrider.projects TO postrider_tenant;
  GRANT SELECT, INSERT, DELETE ON postrider.applications TO postrider_tenant;
  -- The hash of a key is compared by the owner, who looks up whose key it is.
  GRANT SELECT (id, project_id, name, role, created_at, expires_at, last_used_at), INSERT, DELETE
    ON postrider.api_keys TO postrider_tenant;
  GRANT SELECT, INSERT, UPDATE, DELETE ON postrider.webhooks TO postrider_tenant;
  GRANT SELECT, INSERT, UPDATE, DELETE ON postrider.webhook_event_types TO postrider_tenant;

  -- Publishing is done by functions that run as the owner and keep to the project they are given.
  GRANT SELECT ON
    postrider.events,
    postrider.webhook_deliveries,
    postrider.webhook_delivery_attempts,
    postrider.audit_log
    TO postrider_tenant;

  -- Retry, cancel, replay, and what waited too long for a webhook that is made active again.
  GRANT
    SELECT,
    UPDATE (status, scheduled_at, delivered_at, max_attempts, max_rescues, retried_at, last_error)
    ON postrider.deliveries TO postrider_tenant;
  GRANT SELECT, INSERT, DELETE ON postrider.delivery_queue TO postrider_tenant;
  GRANT SELECT, DELETE ON postrider.delivery_schedule, postrider.delivery_line_waiting TO postrider_tenant;
  GRANT SELECT, INSERT, UPDATE (count) ON postrider.replays TO postrider_tenant;
END
$$;

-- What triggers do beyond the row that was written is the table owner's work, whoever wrote it: the rows of a webhook
-- that was just deleted are no project's any more, and the rate and the line of a webhook are not for callers to write.
ALTER FUNCTION postrider.delete_events_of_project() SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION postrider.delete_attempts_of_deliveries() SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION postrider.unqueue_webhook() SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION postrider.keep_policy() SECURITY DEFINER SET search_path = pg_catalog, pg_temp;

-- Policies ---------------------------------------------------------------------------------------------------------
--
-- For whoever is not the owner and has no BYPASSRLS, and so also for a role of your own that was granted SELECT.

ALTER TABLE postrider.projects ENABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.applications ENABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.webhooks ENABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.webhook_event_types ENABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.events ENABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.deliveries ENABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.webhook_delivery_attempts ENABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.delivery_queue ENABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.delivery_schedule ENABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.delivery_lines ENABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.delivery_line_waiting ENABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.webhook_rates ENABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.replays ENABLE ROW LEVEL SECURITY;

CREATE POLICY own_project ON postrider.projects
  USING (id = postrider.current_project());

CREATE POLICY own_project ON postrider.applications
  USING (project_id = postrider.current_project());

CREATE POLICY own_project ON postrider.api_keys
  USING (project_id = postrider.current_project());

CREATE POLICY own_project ON postrider.webhooks
  USING (project_id = postrider.current_project());

CREATE POLICY own_project ON postrider.webhook_event_types
  USING (project_id = postrider.current_project());

CREATE POLICY own_project ON postrider.events
  USING (project_id = postrider.current_project());

CREATE POLICY own_project ON postrider.deliveries
  USING (project_id = postrider.current_project());

CREATE POLICY own_project ON postrider.replays
  USING (project_id = postrider.current_project());

CREATE POLICY own_project ON postrider.webhook_delivery_attempts
  USING (EXISTS (
    SELECT
    FROM postrider.deliveries AS delivery
    WHERE delivery.id = webhook_delivery_attempts.delivery_id
      AND delivery.project_id = postrider.current_project()
  ));

CREATE POLICY own_project ON postrider.delivery_queue
  USING (EXISTS (
    SELECT
    FROM postrider.webhooks AS webhook
    WHERE webhook.id = delivery_queue.webhook_id
      AND webhook.project_id = postrider.current_project()
  ));

CREATE POLICY own_project ON postrider.delivery_schedule
  USING (EXISTS (
    SELECT
    FROM postrider.webhooks AS webhook
    WHERE webhook.id = delivery_schedule.webhook_id
      AND webhook.project_id = postrider.current_project()
  ));

CREATE POLICY own_project ON postrider.delivery_lines
  USING (EXISTS (
    SELECT
    FROM postrider.webhooks AS webhook
    WHERE webhook.id = delivery_lines.webhook_id
      AND webhook.project_id = postrider.current_project()
  ));

CREATE POLICY own_project ON postrider.delivery_line_waiting
  USING (EXISTS (
    SELECT
    FROM postrider.webhooks AS webhook
    WHERE webhook.id = delivery_line_waiting.webhook_id
      AND webhook.project_id = postrider.current_project()
  ));

CREATE POLICY own_project ON postrider.webhook_rates
  USING (EXISTS (
    SELECT
    FROM postrider.webhooks AS webhook
    WHERE webhook.id = webhook_rates.webhook_id
      AND webhook.project_id = postrider.current_project()
  ));

-- Else it would read with the eyes of its owner.
ALTER VIEW postrider.webhook_deliveries SET (security_invoker = true);
ALTER VIEW postrider.claimable_deliveries SET (security_invoker = true);

-- The audit log ----------------------------------------------------------------------------------------------------

-- No foreign key to projects: that a project was deleted is told here after it is gone.
CREATE TABLE postrider.audit_log (
  id UUID PRIMARY KEY DEFAULT postrider.uuid_generate_v7(),
  created_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
  project_id UUID, -- NULL: of all projects
  action TEXT NOT NULL,
  resource_type TEXT,
  resource_id TEXT,
  actor_kind TEXT NOT NULL,
  actor_id TEXT, -- of a key or user
  actor_name TEXT,
  before JSONB,
  after JSONB,
  address TEXT,
  request_id TEXT,

  CONSTRAINT audit_log_actor_kind_check CHECK (actor_kind IN ('api_key', 'user', 'admin', 'system', 'sql'))
);

CREATE INDEX idx_audit_log_project
  ON postrider.audit_log (project_id, created_at DESC, id DESC);

CREATE INDEX idx_audit_log_created_at
  ON postrider.audit_log (created_at DESC, id DESC);

ALTER TABLE postrider.audit_log ENABLE ROW LEVEL SECURITY;

CREATE POLICY own_project ON postrider.audit_log
  USING (project_id = postrider.current_project());

-- Entries of a project that is gone may be erased, when nobody may know any more what was in it.
CREATE FUNCTION postrider.keep_audit_log()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER -- for whom a project is not to be seen, it is not gone
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_OP = 'DELETE'
    AND OLD.project_id IS NOT NULL
    AND NOT EXISTS (SELECT FROM postrider.projects AS project WHERE project.id = OLD.project_id) THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'audit_log keeps what was written: % is refused', TG_OP
    USING ERRCODE = 'insufficient_privilege',
      HINT = 'Entries of a project may be deleted after the project itself.';
END
$$;

CREATE TRIGGER audit_log_keep
  BEFORE UPDATE OR DELETE ON postrider.audit_log
  FOR EACH ROW
  EXECUTE FUNCTION postrider.keep_audit_log();

CREATE TRIGGER audit_log_keep_all
  BEFORE TRUNCATE ON postrider.audit_log
  FOR EACH STATEMENT
  EXECUTE FUNCTION postrider.keep_audit_log();

-- Writes one entry. Who did it is said by the transaction in `postrider.actor`; without that it is `otherwise`, else the
-- SQL role.
CREATE FUNCTION postrider.audit_as(
  otherwise jsonb,
  project_id uuid,
  action text,
  resource_type text,
  resource_id text,
  before jsonb,
  after jsonb
)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
  actor CONSTANT jsonb := COALESCE(
    NULLIF(current_setting('postrider.actor', true), '')::jsonb,
    otherwise,
    jsonb_build_object('kind', 'sql', 'name', COALESCE(NULLIF(current_setting('role'), 'none'), session_user))
  );
BEGIN
  INSERT INTO postrider.audit_log (
    project_id, action, resource_type, resource_id, actor_kind, actor_id, actor_name, before, after, address, request_id
  )
  VALUES (
    project_id, action, resource_type, resource_id, actor ->> 'kind', actor ->> 'id', actor ->> 'name',
    NULLIF(before, '{}'), NULLIF(after, '{}'), actor ->> 'address', actor ->> 'request_id'
  );
END
$$;

-- For what is done without a row of the tables below being written, such as a retry by hand. A project's transaction
-- writes into its own log only.
CREATE FUNCTION postrider.audit(
  project_id uuid,
  action text,
  resource_type text,
  resource_id text,
  before jsonb,
  after jsonb
)
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
  IF project_id IS DISTINCT FROM COALESCE(postrider.current_project(), project_id) THEN
    RAISE EXCEPTION 'the audit log of project % is not to be written by another one', project_id
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  PERFORM postrider.audit_as(NULL, project_id, action, resource_type, resource_id, before, after);
END
$$;

-- A row as the log compares it: of the headers of a webhook also the names, which may be told.
CREATE FUNCTION postrider.auditable(given jsonb)
RETURNS jsonb
LANGUAGE sql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
RETURN given || CASE
  WHEN jsonb_typeof(given -> 'headers') = 'object' THEN jsonb_build_object('header_names', (
    SELECT jsonb_agg(name ORDER BY name COLLATE "C")
    FROM jsonb_object_keys(given -> 'headers') AS name
  ))
  ELSE '{}'
END;

-- Arguments: the type of the thing, the column that names it, and the columns whose values may be told. Of any other
-- column, a secret or one that is newer than this, an entry says no more than `changed`.
CREATE FUNCTION postrider.audit_change()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  resource_type CONSTANT text := TG_ARGV[0];
  told CONSTANT text[] := string_to_array(TG_ARGV[2], ' ');
  -- They say when, not what.
  untold CONSTANT text[] := ARRAY['created_at', 'updated_at', 'last_used_at'];
  -- The same secret under another encryption key is the same secret.
  is_reencrypting CONSTANT boolean := COALESCE(current_setting('postrider.reencrypting', true), '') = 'on';
  old_row jsonb;
  new_row jsonb;
  given jsonb;
  before jsonb;
  after jsonb;
  verb text;
  otherwise jsonb;
BEGIN
  IF TG_OP <> 'INSERT' THEN
    old_row := postrider.auditable(to_jsonb(OLD));
  END IF;
  IF TG_OP <> 'DELETE' THEN
    new_row := postrider.auditable(to_jsonb(NEW));
  END IF;
  given := COALESCE(new_row, old_row);

  CASE TG_OP
    WHEN 'INSERT' THEN
      verb := 'created';
      after := postrider.told_of(new_row, told);
    WHEN 'DELETE' THEN
      verb := 'deleted';
      before := postrider.told_of(old_row, told);
    WHEN 'UPDATE' THEN
      SELECT
        jsonb_object_agg(field.key, old_row -> field.key) FILTER (WHERE field.key = ANY(told)),
        jsonb_object_agg(field.key, CASE WHEN field.key = ANY(told) THEN field.value ELSE '"changed"' END)
      INTO before, after
      FROM jsonb_each(new_row) AS field
      WHERE field.value IS DISTINCT FROM old_row -> field.key
        AND field.key <> ALL(untold)
        AND (field.key = ANY(told) OR NOT is_reencrypting);
      IF after IS NULL THEN
        RETURN NULL;
      END IF;
      verb := CASE WHEN after ? 'secret' THEN 'secret_changed' ELSE 'updated' END;
      -- Callers give no reason; workers do, such as for an answer of 410, and name nobody, since it would cost them.
      IF after ->> 'disabled_reason' <> 'application_deleted' THEN
        otherwise := '{"kind": "system", "name": "worker"}';
      END IF;
  END CASE;

  PERFORM postrider.audit_as(
    otherwise,
    (given ->> CASE resource_type WHEN 'project' THEN 'id' ELSE 'project_id' END)::uuid,
    resource_type || '.' || verb,
    resource_type,
    given ->> TG_ARGV[1],
    before,
    after
  );
  RETURN NULL;
END
$$;

-- What an entry tells of a whole row. The ids stand beside it.
CREATE FUNCTION postrider.told_of(given jsonb, told text[])
RETURNS jsonb
LANGUAGE sql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
RETURN (
  SELECT jsonb_object_agg(key, value)
  FROM jsonb_each(given)
  WHERE key = ANY(told)
    AND key <> ALL(ARRAY['id', 'project_id'])
    AND value <> 'null'
);

CREATE FUNCTION postrider.audit_replay()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM postrider.audit_as(
    NULL,
    NEW.project_id,
    'webhook.replayed',
    'webhook',
    NEW.webhook_id::text,
    NULL,
    postrider.told_of(to_jsonb(NEW), ARRAY['status', 'since', 'until', 'event_types', 'count'])
  );
  RETURN NULL;
END
$$;

CREATE TRIGGER projects_audit
  AFTER INSERT OR UPDATE OR DELETE ON postrider.projects
  FOR EACH ROW
  EXECUTE FUNCTION postrider.audit_change('project', 'id', 'id name');

CREATE TRIGGER applications_audit
  AFTER INSERT OR UPDATE OR DELETE ON postrider.applications
  FOR EACH ROW
  EXECUTE FUNCTION postrider.audit_change('application', 'id', 'id project_id name');

CREATE TRIGGER api_keys_audit
  AFTER INSERT OR UPDATE OR DELETE ON postrider.api_keys
  FOR EACH ROW
  EXECUTE FUNCTION postrider.audit_change('api_key', 'id', 'id project_id name role expires_at');

CREATE TRIGGER webhooks_audit
  AFTER INSERT OR UPDATE OR DELETE ON postrider.webhooks
  FOR EACH ROW
  EXECUTE FUNCTION postrider.audit_change('webhook', 'id', 'id project_id name url event_types application_id environment_name is_active disabled_reason description header_names retry_seconds timeout_ms max_in_flight rate_per_second ordered public_key previous_public_key previous_secret_expires_at created_by_id');

CREATE TRIGGER webhook_event_types_audit
  AFTER INSERT OR UPDATE OR DELETE ON postrider.webhook_event_types
  FOR EACH ROW
  EXECUTE FUNCTION postrider.audit_change('event_type', 'name', 'project_id name description schema example deprecated');

CREATE TRIGGER replays_audit
  AFTER INSERT ON postrider.replays
  FOR EACH ROW
  EXECUTE FUNCTION postrider.audit_replay();

-- Rights -----------------------------------------------------------------------------------------------------------

REVOKE ALL ON FUNCTION
  postrider.admit_tenant_role(),
  postrider.keep_audit_log(),
  postrider.audit_as(jsonb, uuid, text, text, text, jsonb, jsonb),
  postrider.audit(uuid, text, text, text, jsonb, jsonb),
  postrider.auditable(jsonb),
  postrider.audit_change(),
  postrider.told_of(jsonb, text[]),
  postrider.audit_replay()
  FROM PUBLIC;

SELECT postrider.admit_tenant_role();
