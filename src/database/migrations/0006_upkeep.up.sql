-- Work that outlives the request that asked for it, and work that runs once for all processes.

-- A replay sends finished deliveries of one webhook again, in steps: (last_created_at, last_id) is the last one done,
-- moved in the same transaction as the deliveries, so that a crash repeats none.
CREATE TABLE postrider.replays (
  id UUID PRIMARY KEY DEFAULT postrider.uuid_generate_v7(),
  project_id UUID NOT NULL REFERENCES postrider.projects (id) ON DELETE CASCADE,
  webhook_id UUID NOT NULL REFERENCES postrider.webhooks (id) ON DELETE CASCADE,
  status postrider.webhook_delivery_status NOT NULL,
  since TIMESTAMPTZ NOT NULL,
  until TIMESTAMPTZ, -- as asked for; created_at where it was not
  event_types JSONB NOT NULL,
  count INTEGER NOT NULL, -- of matching deliveries when it was asked for
  replayed INTEGER NOT NULL DEFAULT 0,
  last_created_at TIMESTAMPTZ,
  last_id UUID,
  created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  finished_at TIMESTAMPTZ,

  CONSTRAINT replays_status_check CHECK (status IN ('delivered', 'failed')),
  CONSTRAINT replays_event_types_check CHECK (postrider.valid_event_types(event_types))
);

-- The same replay asked for again while it runs is that replay.
CREATE UNIQUE INDEX idx_replays_running
  ON postrider.replays (webhook_id, status, since, until, event_types) NULLS NOT DISTINCT
  WHERE finished_at IS NULL;

CREATE INDEX idx_replays_created_at
  ON postrider.replays (created_at);

-- When each of the periodic works was last begun: whoever moves the time on does it.
CREATE TABLE postrider.upkeep (
  name TEXT PRIMARY KEY,
  started_at TIMESTAMPTZ NOT NULL
);
