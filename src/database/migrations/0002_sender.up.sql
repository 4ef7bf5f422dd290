-- What a sender that others rely on needs around the first two tables. Nothing of theirs is renamed or retyped;
-- every row is kept that can be, and what had to change is told in a NOTICE.

-- Projects ---------------------------------------------------------------------------------------------------

CREATE FUNCTION postrider.touch_updated_at()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  NEW.updated_at := clock_timestamp();
  RETURN NEW;
END
$$;

CREATE TRIGGER projects_touch_updated_at
  BEFORE UPDATE ON postrider.projects
  FOR EACH ROW
  EXECUTE FUNCTION postrider.touch_updated_at();

CREATE INDEX idx_projects_created_at
  ON postrider.projects (created_at DESC, id DESC);

CREATE TABLE postrider.api_keys (
  id UUID PRIMARY KEY DEFAULT postrider.uuid_generate_v7(),
  project_id UUID NOT NULL REFERENCES postrider.projects (id) ON DELETE CASCADE,
  name VARCHAR(255) NOT NULL,
  role TEXT NOT NULL,
  key_hash BYTEA NOT NULL, -- SHA-256 of the whole key; the key itself is never stored
  created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),

  CONSTRAINT api_keys_role_check CHECK (role IN ('view', 'publish', 'manage')),
  CONSTRAINT api_keys_key_hash_check CHECK (octet_length(key_hash) = 32)
);

CREATE INDEX idx_api_keys_project
  ON postrider.api_keys (project_id, created_at DESC, id DESC);

-- Applications: a caller's own id is unique within its project only ---------------------------------------------

ALTER TABLE postrider.webhooks
  DROP CONSTRAINT webhooks_application_id_fkey,
  ADD COLUMN disabled_reason TEXT,
  ADD COLUMN previous_secret VARCHAR(255),
  ADD COLUMN previous_secret_expires_at TIMESTAMPTZ;

ALTER TABLE postrider.applications
  DROP CONSTRAINT applications_pkey,
  ADD CONSTRAINT applications_pkey PRIMARY KEY (project_id, id);

CREATE INDEX idx_applications_project
  ON postrider.applications (project_id, created_at DESC, id DESC);

-- Webhooks that the rules below would refuse are kept, but made inactive ----------------------------------------

CREATE FUNCTION postrider.valid_event_types(event_types jsonb)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN jsonb_typeof(event_types) = 'array'
  AND NOT jsonb_path_exists(
    event_types,
    'strict $[*] ? (@.type() != "string" || !(@ like_regex "^([*]|[A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)*([.][*])?)$"))'
  );

DO $migration$
DECLARE
  changed integer;
BEGIN
  UPDATE postrider.webhooks AS webhook
  SET application_id = NULL,
      is_active = false,
      disabled_reason = 'application_deleted'
  WHERE webhook.application_id IS NOT NULL
    AND NOT EXISTS (
      SELECT
      FROM postrider.applications AS application
      WHERE application.project_id = webhook.project_id
        AND application.id = webhook.application_id
    );
  GET DIAGNOSTICS changed = ROW_COUNT;
  IF changed > 0 THEN
    RAISE NOTICE '% webhooks named an application of another project: made inactive, set their application anew', changed;
  END IF;

  UPDATE postrider.webhooks
  SET event_types = (
        SELECT COALESCE(jsonb_agg(entry), '[]')
        FROM jsonb_array_elements(event_types) AS entry
        WHERE postrider.valid_event_types(jsonb_build_array(entry))
      ),
      is_active = is_active AND EXISTS (
        SELECT
        FROM jsonb_array_elements(event_types) AS entry
        WHERE postrider.valid_event_types(jsonb_build_array(entry))
      )
  WHERE NOT postrider.valid_event_types(event_types)
     OR (is_active AND event_types = '[]');
  GET DIAGNOSTICS changed = ROW_COUNT;
  IF changed > 0 THEN
    RAISE NOTICE '% webhooks had event_types that match nothing: those entries removed, webhooks left with none made inactive', changed;
  END IF;

  UPDATE postrider.webhooks
  SET is_active = false,
      disabled_reason = COALESCE(disabled_reason, 'invalid_url')
  WHERE is_active
    AND url !~ '^https?://[^/?#[:space:]]+';
  GET DIAGNOSTICS changed = ROW_COUNT;
  IF changed > 0 THEN
    RAISE NOTICE '% webhooks had a url without a host: made inactive', changed;
  END IF;

  UPDATE postrider.webhooks
  SET headers = '{}'
  WHERE headers IS NOT NULL
    AND jsonb_typeof(headers) <> 'object';
  GET DIAGNOSTICS changed = ROW_COUNT;
  IF changed > 0 THEN
    RAISE NOTICE '% webhooks had headers that are no object: emptied', changed;
  END IF;
END
$migration$;

ALTER TABLE postrider.webhooks
  ADD CONSTRAINT webhooks_application_id_fkey
    FOREIGN KEY (project_id, application_id)
    REFERENCES postrider.applications (project_id, id)
    ON DELETE SET NULL (application_id) NOT VALID,
  ADD CONSTRAINT webhooks_active_url_check
    CHECK (NOT is_active OR url ~ '^https?://[^/?#[:space:]]+') NOT VALID,
  ADD CONSTRAINT webhooks_event_type_patterns_check
    CHECK (postrider.valid_event_types(event_types)) NOT VALID,
  ADD CONSTRAINT webhooks_active_event_types_check
    CHECK (NOT is_active OR jsonb_array_length(event_types) > 0) NOT VALID,
  ADD CONSTRAINT webhooks_headers_check
    CHECK (jsonb_typeof(headers) = 'object') NOT VALID,
  ADD CONSTRAINT webhooks_disabled_reason_check
    CHECK (NOT is_active OR disabled_reason IS NULL) NOT VALID,
  ADD CONSTRAINT webhooks_previous_secret_check
    CHECK ((previous_secret IS NULL) = (previous_secret_expires_at IS NULL)) NOT VALID;

ALTER TABLE postrider.webhooks VALIDATE CONSTRAINT webhooks_application_id_fkey;
ALTER TABLE postrider.webhooks VALIDATE CONSTRAINT webhooks_active_url_check;
ALTER TABLE postrider.webhooks VALIDATE CONSTRAINT webhooks_event_type_patterns_check;
ALTER TABLE postrider.webhooks VALIDATE CONSTRAINT webhooks_active_event_types_check;
ALTER TABLE postrider.webhooks VALIDATE CONSTRAINT webhooks_headers_check;
ALTER TABLE postrider.webhooks VALIDATE CONSTRAINT webhooks_disabled_reason_check;
ALTER TABLE postrider.webhooks VALIDATE CONSTRAINT webhooks_previous_secret_check;

CREATE INDEX idx_webhooks_project_created_at
  ON postrider.webhooks (project_id, created_at DESC, id DESC);

CREATE TRIGGER webhooks_touch_updated_at
  BEFORE UPDATE ON postrider.webhooks
  FOR EACH ROW
  EXECUTE FUNCTION postrider.touch_updated_at();

-- The foreign key sets the filter to NULL, which would widen it to every application: stop the webhook instead.
CREATE FUNCTION postrider.disable_webhooks_of_application()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  UPDATE postrider.webhooks
  SET is_active = false,
      disabled_reason = 'application_deleted'
  WHERE project_id = OLD.project_id
    AND application_id = OLD.id;
  RETURN OLD;
END
$$;

CREATE TRIGGER applications_disable_webhooks
  BEFORE DELETE ON postrider.applications
  FOR EACH ROW
  EXECUTE FUNCTION postrider.disable_webhooks_of_application();

-- Event types --------------------------------------------------------------------------------------------------

CREATE TABLE postrider.webhook_event_types (
  project_id UUID NOT NULL REFERENCES postrider.projects (id) ON DELETE CASCADE,
  name VARCHAR(255) NOT NULL,
  description TEXT,
  schema JSONB,
  example JSONB,
  deprecated BOOLEAN NOT NULL DEFAULT false,
  created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),

  PRIMARY KEY (project_id, name),
  CONSTRAINT webhook_event_types_name_check CHECK (name ~ '^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$')
);

CREATE TRIGGER webhook_event_types_touch_updated_at
  BEFORE UPDATE ON postrider.webhook_event_types
  FOR EACH ROW
  EXECUTE FUNCTION postrider.touch_updated_at();

-- Deliveries ---------------------------------------------------------------------------------------------------
--
-- A lease is held exactly while a row is `delivering`. `attempts` counts tries with a recorded result and never
-- passes `max_attempts`; `rescues` counts tries that a crash cut off, which the retry budget does not pay for.
-- The number of the next try is attempts + rescues + 1.

ALTER TABLE postrider.webhook_deliveries
  ADD COLUMN project_id UUID,
  ADD COLUMN lease_token UUID,
  ADD COLUMN lease_until TIMESTAMPTZ,
  ADD COLUMN claimed_at TIMESTAMPTZ,
  ADD COLUMN rescues INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN max_rescues INTEGER NOT NULL DEFAULT 5,
  ADD COLUMN retried_at TIMESTAMPTZ;

DO $migration$
DECLARE
  removed uuid[];
BEGIN
  -- Of several deliveries of one event to one webhook the finished one stays, else the oldest.
  WITH ranked AS (
    SELECT
      id,
      ROW_NUMBER() OVER (
        PARTITION BY webhook_id, event_id
        ORDER BY array_position(ARRAY['delivered', 'failed', 'delivering', 'pending'], status::text), created_at, id
      ) AS position
    FROM postrider.webhook_deliveries
  ),
  duplicates AS (
    DELETE FROM postrider.webhook_deliveries AS delivery
    USING ranked
    WHERE ranked.id = delivery.id
      AND ranked.position > 1
    RETURNING delivery.id
  )
  SELECT array_agg(id) INTO removed
  FROM duplicates;
  IF removed IS NOT NULL THEN
    RAISE NOTICE '% deliveries were second ones of the same event and webhook: removed: %',
      cardinality(removed), array_to_string(removed, ' ');
  END IF;

  UPDATE postrider.webhook_deliveries AS delivery
  SET project_id = webhook.project_id,
      -- A sender that died left these: send them again.
      status = CASE WHEN delivery.status = 'delivering' THEN 'pending' ELSE delivery.status END,
      max_attempts = GREATEST(
        delivery.max_attempts,
        1,
        delivery.attempts + CASE WHEN delivery.status IN ('pending', 'delivering') THEN 1 ELSE 0 END
      ),
      delivered_at = CASE
        WHEN delivery.status = 'delivered'
          THEN COALESCE(delivery.delivered_at, delivery.last_attempt_at, delivery.created_at)
      END
  FROM postrider.webhooks AS webhook
  WHERE webhook.id = delivery.webhook_id;
END
$migration$;

-- Rows written by the first columns alone stay welcome.
CREATE FUNCTION postrider.fill_delivery_project()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  SELECT webhook.project_id INTO NEW.project_id
  FROM postrider.webhooks AS webhook
  WHERE webhook.id = NEW.webhook_id;
  RETURN NEW;
END
$$;

CREATE TRIGGER webhook_deliveries_fill_project
  BEFORE INSERT ON postrider.webhook_deliveries
  FOR EACH ROW
  WHEN (NEW.project_id IS NULL)
  EXECUTE FUNCTION postrider.fill_delivery_project();

ALTER TABLE postrider.webhook_deliveries
  ADD CONSTRAINT webhook_deliveries_project_id_check
    CHECK (project_id IS NOT NULL) NOT VALID,
  ADD CONSTRAINT webhook_deliveries_max_attempts_check
    CHECK (max_attempts >= 1 AND attempts <= max_attempts) NOT VALID,
  ADD CONSTRAINT webhook_deliveries_unfinished_check
    CHECK (status IN ('delivered', 'failed') OR attempts < max_attempts) NOT VALID,
  ADD CONSTRAINT webhook_deliveries_rescues_check
    CHECK (rescues >= 0 AND rescues <= max_rescues) NOT VALID,
  ADD CONSTRAINT webhook_deliveries_delivered_at_check
    CHECK ((status = 'delivered') = (delivered_at IS NOT NULL)) NOT VALID,
  ADD CONSTRAINT webhook_deliveries_lease_check
    CHECK (
      (status = 'delivering') = (lease_token IS NOT NULL)
      AND (lease_token IS NULL) = (lease_until IS NULL)
      AND (lease_token IS NULL) = (claimed_at IS NULL)
    ) NOT VALID;

ALTER TABLE postrider.webhook_deliveries VALIDATE CONSTRAINT webhook_deliveries_project_id_check;
ALTER TABLE postrider.webhook_deliveries VALIDATE CONSTRAINT webhook_deliveries_max_attempts_check;
ALTER TABLE postrider.webhook_deliveries VALIDATE CONSTRAINT webhook_deliveries_unfinished_check;
ALTER TABLE postrider.webhook_deliveries VALIDATE CONSTRAINT webhook_deliveries_rescues_check;
ALTER TABLE postrider.webhook_deliveries VALIDATE CONSTRAINT webhook_deliveries_delivered_at_check;
ALTER TABLE postrider.webhook_deliveries VALIDATE CONSTRAINT webhook_deliveries_lease_check;

ALTER TABLE postrider.webhook_deliveries ALTER COLUMN project_id SET NOT NULL;
ALTER TABLE postrider.webhook_deliveries DROP CONSTRAINT webhook_deliveries_project_id_check;

CREATE UNIQUE INDEX idx_webhook_deliveries_webhook_event
  ON postrider.webhook_deliveries (webhook_id, event_id);

-- The queue of one webhook: a claim steps from webhook to webhook, so that a long queue of one hides no other.
CREATE INDEX idx_webhook_deliveries_due
  ON postrider.webhook_deliveries (webhook_id, scheduled_at)
  WHERE status = 'pending';

-- Few rows, whatever the size of the history: what is in flight, for the rescue of expired leases.
CREATE INDEX idx_webhook_deliveries_delivering
  ON postrider.webhook_deliveries (webhook_id)
  WHERE status = 'delivering';

CREATE INDEX idx_webhook_deliveries_webhook_history
  ON postrider.webhook_deliveries (webhook_id, created_at DESC, id DESC);

CREATE INDEX idx_webhook_deliveries_project_history
  ON postrider.webhook_deliveries (project_id, created_at DESC, id DESC);

-- Attempts -----------------------------------------------------------------------------------------------------

CREATE TABLE postrider.webhook_delivery_attempts (
  id UUID PRIMARY KEY DEFAULT postrider.uuid_generate_v7(),
  delivery_id UUID NOT NULL REFERENCES postrider.webhook_deliveries (id) ON DELETE CASCADE,
  attempt INTEGER NOT NULL,
  started_at TIMESTAMPTZ NOT NULL,
  duration_ms INTEGER, -- unknown for an interrupted one
  request_headers JSONB NOT NULL DEFAULT '{}', -- values of the webhook's own headers redacted
  response_status INTEGER,
  response_headers JSONB,
  response_body TEXT,
  error TEXT,
  outcome TEXT NOT NULL,

  CONSTRAINT webhook_delivery_attempts_attempt_check CHECK (attempt >= 1),
  CONSTRAINT webhook_delivery_attempts_outcome_check
    CHECK (outcome IN ('delivered', 'retry', 'failed', 'interrupted'))
);

CREATE UNIQUE INDEX idx_webhook_delivery_attempts_delivery
  ON postrider.webhook_delivery_attempts (delivery_id, attempt);
