-- Work on many deliveries at once, which goes on after a restart. The place where a job stands moves in the transaction
-- that does the work, so that each delivery is taken once.

CREATE TABLE postrider.jobs (
  id UUID PRIMARY KEY DEFAULT postrider.uuid_generate_v7(),
  project_id UUID NOT NULL REFERENCES postrider.projects (id) ON DELETE CASCADE,
  kind TEXT NOT NULL,
  -- As it was given, for showing.
  filter JSONB NOT NULL DEFAULT '{}',
  status TEXT NOT NULL DEFAULT 'running',
  count INTEGER NOT NULL,
  count_is_exact BOOLEAN NOT NULL,
  done INTEGER NOT NULL DEFAULT 0,
  -- What was created before this moment is its work.
  until TIMESTAMPTZ NOT NULL,
  last_created_at TIMESTAMPTZ,
  last_id UUID,
  stepped_at TIMESTAMPTZ,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  finished_at TIMESTAMPTZ,

  CONSTRAINT jobs_kind_check CHECK (kind IN ('retry', 'cancel', 'send_waiting_now', 'backfill')),
  CONSTRAINT jobs_status_check CHECK (status IN ('running', 'finished', 'stopped', 'failed')),
  CONSTRAINT jobs_finished_at_check CHECK ((status = 'running') = (finished_at IS NULL)),
  CONSTRAINT jobs_filter_check CHECK (jsonb_typeof(filter) = 'object')
);

CREATE INDEX idx_jobs_project
  ON postrider.jobs (project_id, created_at DESC, id DESC);

CREATE INDEX idx_jobs_running
  ON postrider.jobs (stepped_at NULLS FIRST)
  WHERE status = 'running';

-- Who asked for it, and who stopped it.
CREATE FUNCTION postrider.audit_job()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM postrider.audit_as(
    NULL,
    NEW.project_id,
    CASE TG_OP WHEN 'INSERT' THEN 'job.created' ELSE 'job.stopped' END,
    'job',
    NEW.id::text,
    NULL,
    postrider.told_of(to_jsonb(NEW), CASE TG_OP
      WHEN 'INSERT' THEN ARRAY['kind', 'filter', 'count', 'count_is_exact']
      ELSE ARRAY['kind', 'count', 'done']
    END)
  );
  RETURN NULL;
END
$$;

CREATE TRIGGER jobs_audit_insert
  AFTER INSERT ON postrider.jobs
  FOR EACH ROW
  EXECUTE FUNCTION postrider.audit_job();

CREATE TRIGGER jobs_audit_stop
  AFTER UPDATE ON postrider.jobs
  FOR EACH ROW
  WHEN (NEW.status = 'stopped' AND OLD.status <> 'stopped')
  EXECUTE FUNCTION postrider.audit_job();

-- Rights -----------------------------------------------------------------------------------------------------------

ALTER TABLE postrider.jobs ENABLE ROW LEVEL SECURITY;

CREATE POLICY own_project ON postrider.jobs
  USING (project_id = postrider.current_project());

REVOKE ALL ON FUNCTION postrider.audit_job() FROM PUBLIC;

ALTER FUNCTION postrider.admit_tenant_role() RENAME TO admit_tenant_role_before_jobs;

CREATE FUNCTION postrider.admit_tenant_role()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM postrider.admit_tenant_role_before_jobs();
  GRANT SELECT, INSERT, UPDATE (status, finished_at) ON postrider.jobs TO postrider_tenant;
END
$$;

REVOKE ALL ON FUNCTION postrider.admit_tenant_role() FROM PUBLIC;

SELECT postrider.admit_tenant_role();
