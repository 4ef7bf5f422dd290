-- The catalogue of event types: each change of a schema is a version, and each project has a number that says whether what
-- a process remembers of its schemas is still so. Publishing compares it in the statement that publishes.

ALTER TABLE postrider.webhook_event_types
  ADD COLUMN id UUID NOT NULL DEFAULT postrider.uuid_generate_v7(),
  ADD COLUMN version INTEGER NOT NULL DEFAULT 1,
  ADD CONSTRAINT webhook_event_types_id_key UNIQUE (id),
  ADD CONSTRAINT webhook_event_types_version_check CHECK (version >= 1);

CREATE INDEX idx_webhook_event_types_project
  ON postrider.webhook_event_types (project_id, created_at DESC, id DESC);

CREATE TABLE postrider.webhook_event_type_versions (
  event_type_id UUID NOT NULL REFERENCES postrider.webhook_event_types (id) ON DELETE CASCADE,
  version INTEGER NOT NULL,
  project_id UUID NOT NULL,
  schema JSONB,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),

  PRIMARY KEY (event_type_id, version)
);

-- One row for each project that ever had a type. The limits keep what a process has to remember and compile of one project
-- within bounds.
CREATE TABLE postrider.event_type_registries (
  project_id UUID PRIMARY KEY REFERENCES postrider.projects (id) ON DELETE CASCADE,
  -- Changes with every schema that comes, goes, or is changed. 0: there never was one.
  revision BIGINT NOT NULL,
  types INTEGER NOT NULL,
  schema_bytes BIGINT NOT NULL,

  CONSTRAINT event_type_registries_types_check CHECK (types <= 2000),
  CONSTRAINT event_type_registries_schema_bytes_check CHECK (schema_bytes <= 4194304)
);

INSERT INTO postrider.webhook_event_type_versions (event_type_id, version, project_id, schema, created_at)
SELECT id, version, project_id, schema, created_at
FROM postrider.webhook_event_types;

INSERT INTO postrider.event_type_registries (project_id, revision, types, schema_bytes)
SELECT
  project_id,
  LEAST(count(schema), 1),
  count(*),
  COALESCE(sum(octet_length(schema::text)), 0)
FROM postrider.webhook_event_types
GROUP BY project_id;

CREATE FUNCTION postrider.number_event_type_version()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  NEW.version := CASE
    WHEN TG_OP = 'INSERT' THEN 1
    WHEN NEW.schema IS DISTINCT FROM OLD.schema THEN OLD.version + 1
    ELSE OLD.version
  END;
  RETURN NEW;
END
$$;

CREATE TRIGGER webhook_event_types_number_version
  BEFORE INSERT OR UPDATE ON postrider.webhook_event_types
  FOR EACH ROW
  EXECUTE FUNCTION postrider.number_event_type_version();

CREATE FUNCTION postrider.keep_event_type_version()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  more_types CONSTANT integer := (TG_OP = 'INSERT')::integer - (TG_OP = 'DELETE')::integer;
  more_bytes CONSTANT integer := COALESCE(octet_length(NEW.schema::text), 0) - COALESCE(octet_length(OLD.schema::text), 0);
  -- What publishing checks is another than before: a schema, or which name has it.
  is_other CONSTANT boolean := NEW.schema IS DISTINCT FROM OLD.schema
    OR (NEW.name IS DISTINCT FROM OLD.name AND COALESCE(NEW.schema, OLD.schema) IS NOT NULL);
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO postrider.event_type_registries AS registry (project_id, revision, types, schema_bytes)
    VALUES (NEW.project_id, is_other::integer, more_types, more_bytes)
    ON CONFLICT (project_id) DO UPDATE
    SET revision = registry.revision + excluded.revision,
        types = registry.types + excluded.types,
        schema_bytes = registry.schema_bytes + excluded.schema_bytes;
  ELSIF more_types <> 0 OR more_bytes <> 0 OR is_other THEN
    -- Of a project that is being deleted it may be gone already.
    UPDATE postrider.event_type_registries AS registry
    SET revision = registry.revision + is_other::integer,
        types = registry.types + more_types,
        schema_bytes = registry.schema_bytes + more_bytes
    WHERE registry.project_id = OLD.project_id;
  END IF;

  IF TG_OP = 'INSERT' OR (TG_OP = 'UPDATE' AND NEW.version <> OLD.version) THEN
    INSERT INTO postrider.webhook_event_type_versions (event_type_id, version, project_id, schema)
    VALUES (NEW.id, NEW.version, NEW.project_id, NEW.schema);
    DELETE FROM postrider.webhook_event_type_versions AS kept
    WHERE kept.event_type_id = NEW.id
      AND kept.version <= NEW.version - 100;
  END IF;
  RETURN NULL;
END
$$;

CREATE TRIGGER webhook_event_types_keep_version
  AFTER INSERT OR UPDATE OR DELETE ON postrider.webhook_event_types
  FOR EACH ROW
  EXECUTE FUNCTION postrider.keep_event_type_version();

-- The number that publishing compares. Whoever may publish may ask for it: it tells nothing but that something changed.
CREATE FUNCTION postrider.event_types_revision(project_id uuid)
RETURNS bigint
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN COALESCE((
    SELECT registry.revision
    FROM postrider.event_type_registries AS registry
    WHERE registry.project_id = event_types_revision.project_id
  ), 0);
END
$$;

DROP TRIGGER webhook_event_types_audit ON postrider.webhook_event_types;

CREATE TRIGGER webhook_event_types_audit
  AFTER INSERT OR UPDATE OR DELETE ON postrider.webhook_event_types
  FOR EACH ROW
  EXECUTE FUNCTION postrider.audit_change('event_type', 'name', 'project_id name description schema example deprecated version');

-- Rights -----------------------------------------------------------------------------------------------------------

ALTER TABLE postrider.webhook_event_type_versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE postrider.event_type_registries ENABLE ROW LEVEL SECURITY;

CREATE POLICY own_project ON postrider.webhook_event_type_versions
  USING (project_id = postrider.current_project());

CREATE POLICY own_project ON postrider.event_type_registries
  USING (project_id = postrider.current_project());

REVOKE ALL ON FUNCTION
  postrider.number_event_type_version(),
  postrider.keep_event_type_version()
  FROM PUBLIC;

ALTER FUNCTION postrider.admit_tenant_role() RENAME TO admit_tenant_role_before_event_types;

CREATE FUNCTION postrider.admit_tenant_role()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM postrider.admit_tenant_role_before_event_types();
  GRANT SELECT ON
    postrider.webhook_event_type_versions,
    postrider.event_type_registries
    TO postrider_tenant;
END
$$;

REVOKE ALL ON FUNCTION postrider.admit_tenant_role() FROM PUBLIC;

SELECT postrider.admit_tenant_role();
