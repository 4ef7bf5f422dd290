-- The schema that Postrider grew from: webhooks, and one table that is both their queue and their history.
-- Schema `postrider` is there: whoever runs migrations keeps its own table in it.

-- PostgreSQL 18 has uuidv7(). Below it the same meaning in SQL (RFC 9562, section 5.7): 48 bits of unix
-- milliseconds, version 7, 12 bits of sub-millisecond time, variant 10, 62 random bits.
DO $migration$
BEGIN
  IF to_regprocedure('pg_catalog.uuidv7()') IS NOT NULL THEN
    CREATE FUNCTION postrider.uuid_generate_v7()
    RETURNS uuid
    LANGUAGE sql
    VOLATILE
    PARALLEL SAFE
    RETURN pg_catalog.uuidv7();
  ELSE
    CREATE FUNCTION postrider.uuid_generate_v7()
    RETURNS uuid
    LANGUAGE sql
    VOLATILE
    PARALLEL SAFE
    BEGIN ATOMIC
      WITH clock AS (
        SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::bigint AS microseconds
      )
      SELECT encode(
        substring(int8send(microseconds / 1000) FROM 3)
          || substring(int4send((x'7000'::integer | (microseconds % 1000 * 4096 / 1000)::integer)) FROM 3)
          || set_byte(bytes, 0, (get_byte(bytes, 0) & 63) | 128),
        'hex'
      )::uuid
      FROM clock
      -- The last eight bytes of a version 4 UUID: the variant and 62 random bits.
      CROSS JOIN LATERAL (SELECT substring(uuid_send(gen_random_uuid()) FROM 9) AS bytes) AS random;
    END;
  END IF;
END
$migration$;

CREATE TABLE postrider.projects (
  id UUID PRIMARY KEY DEFAULT postrider.uuid_generate_v7(),
  name VARCHAR(255) NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW()
);

CREATE TABLE postrider.applications (
  id UUID PRIMARY KEY DEFAULT postrider.uuid_generate_v7(),
  project_id UUID NOT NULL REFERENCES postrider.projects (id) ON DELETE CASCADE,
  name VARCHAR(255) NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT NOW()
);

CREATE TABLE postrider.users (
  id UUID PRIMARY KEY DEFAULT postrider.uuid_generate_v7(),
  email VARCHAR(255) NOT NULL UNIQUE,
  name VARCHAR(255),
  created_at TIMESTAMPTZ NOT NULL DEFAULT NOW()
);

CREATE TABLE postrider.webhooks (
  id UUID PRIMARY KEY DEFAULT postrider.uuid_generate_v7(),

  -- Ownership
  project_id UUID NOT NULL REFERENCES postrider.projects (id) ON DELETE CASCADE,

  -- Configuration
  name VARCHAR(255) NOT NULL,
  url VARCHAR(2048) NOT NULL,
  secret VARCHAR(255) NOT NULL,

  -- Filtering: which events to receive
  event_types JSONB NOT NULL DEFAULT '["*"]',
  application_id UUID REFERENCES postrider.applications (id) ON DELETE SET NULL,
  environment_name VARCHAR(255),

  -- Status
  is_active BOOLEAN NOT NULL DEFAULT true,

  -- Metadata
  description TEXT,
  headers JSONB DEFAULT '{}',

  -- Audit
  created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  created_by_id UUID REFERENCES postrider.users (id) ON DELETE SET NULL,

  CONSTRAINT webhooks_url_check CHECK (url ~ '^https?://'),
  CONSTRAINT webhooks_event_types_check CHECK (jsonb_typeof(event_types) = 'array')
);

CREATE INDEX idx_webhooks_project_id
  ON postrider.webhooks (project_id);

CREATE INDEX idx_webhooks_project_active
  ON postrider.webhooks (project_id, is_active)
  WHERE is_active = true;

CREATE INDEX idx_webhooks_application_id
  ON postrider.webhooks (application_id)
  WHERE application_id IS NOT NULL;

CREATE TYPE postrider.webhook_delivery_status AS ENUM (
  'pending',    -- waiting to be delivered
  'delivering', -- being delivered now
  'delivered',  -- answered with 2xx
  'failed'      -- given up
);

CREATE TABLE postrider.webhook_deliveries (
  id UUID PRIMARY KEY DEFAULT postrider.uuid_generate_v7(),

  -- Reference
  webhook_id UUID NOT NULL REFERENCES postrider.webhooks (id) ON DELETE CASCADE,

  -- Event data
  event_id UUID NOT NULL,
  event_type VARCHAR(255) NOT NULL,
  payload JSONB NOT NULL,

  -- Delivery state
  status postrider.webhook_delivery_status NOT NULL DEFAULT 'pending',
  attempts INTEGER NOT NULL DEFAULT 0,
  max_attempts INTEGER NOT NULL DEFAULT 6,

  -- Scheduling
  scheduled_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),

  -- Results
  last_attempt_at TIMESTAMPTZ,
  last_response_status INTEGER,
  last_response_body TEXT,
  last_error TEXT,

  -- Success tracking
  delivered_at TIMESTAMPTZ,

  -- Audit
  created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),

  CONSTRAINT webhook_deliveries_attempts_check CHECK (attempts >= 0)
);

CREATE INDEX idx_webhook_deliveries_pending
  ON postrider.webhook_deliveries (scheduled_at)
  WHERE status = 'pending';

CREATE INDEX idx_webhook_deliveries_webhook_id
  ON postrider.webhook_deliveries (webhook_id);

CREATE INDEX idx_webhook_deliveries_event_id
  ON postrider.webhook_deliveries (event_id);

CREATE INDEX idx_webhook_deliveries_created_at
  ON postrider.webhook_deliveries (created_at);
