-- What the migrations make, for reading. Made by `node scripts/schema.ts`; not to be edited.

CREATE SCHEMA postrider;
GRANT USAGE ON SCHEMA postrider TO postrider_tenant;

CREATE TYPE postrider.webhook_delivery_status AS ENUM (
  'pending',
  'delivering',
  'delivered',
  'failed'
);

CREATE TYPE postrider.publication AS (
  id uuid,
  deliveries integer,
  duplicate boolean
);

CREATE TABLE postrider.api_keys (
  id uuid NOT NULL DEFAULT postrider.uuid_generate_v7(),
  project_id uuid NOT NULL,
  name character varying(255) NOT NULL,
  role text NOT NULL,
  key_hash bytea NOT NULL,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  expires_at timestamp with time zone,
  last_used_at timestamp with time zone,
  CONSTRAINT api_keys_pkey PRIMARY KEY (id),
  CONSTRAINT api_keys_project_id_fkey FOREIGN KEY (project_id) REFERENCES postrider.projects(id) ON DELETE CASCADE,
  CONSTRAINT api_keys_key_hash_check CHECK ((octet_length(key_hash) = 32)),
  CONSTRAINT api_keys_role_check CHECK ((role = ANY (ARRAY['view'::text, 'publish'::text, 'manage'::text])))
);
CREATE INDEX idx_api_keys_project ON postrider.api_keys USING btree (project_id, created_at DESC, id DESC);
CREATE TRIGGER api_keys_audit AFTER INSERT OR DELETE OR UPDATE ON postrider.api_keys FOR EACH ROW EXECUTE FUNCTION postrider.audit_change('api_key', 'id', 'id project_id name role expires_at');
ALTER TABLE postrider.api_keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_project ON postrider.api_keys
  USING ((project_id = postrider.current_project()));
GRANT DELETE ON postrider.api_keys TO postrider_tenant;
GRANT INSERT ON postrider.api_keys TO postrider_tenant;
GRANT SELECT (id, project_id, name, role, created_at, expires_at, last_used_at) ON postrider.api_keys TO postrider_tenant;

CREATE TABLE postrider.applications (
  id uuid NOT NULL DEFAULT postrider.uuid_generate_v7(),
  project_id uuid NOT NULL,
  name character varying(255) NOT NULL,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT applications_pkey PRIMARY KEY (project_id, id),
  CONSTRAINT applications_project_id_fkey FOREIGN KEY (project_id) REFERENCES postrider.projects(id) ON DELETE CASCADE
);
CREATE INDEX idx_applications_project ON postrider.applications USING btree (project_id, created_at DESC, id DESC);
CREATE TRIGGER applications_audit AFTER INSERT OR DELETE OR UPDATE ON postrider.applications FOR EACH ROW EXECUTE FUNCTION postrider.audit_change('application', 'id', 'id project_id name');
CREATE TRIGGER applications_disable_webhooks BEFORE DELETE ON postrider.applications FOR EACH ROW EXECUTE FUNCTION postrider.disable_webhooks_of_application();
ALTER TABLE postrider.applications ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_project ON postrider.applications
  USING ((project_id = postrider.current_project()));
GRANT DELETE ON postrider.applications TO postrider_tenant;
GRANT INSERT ON postrider.applications TO postrider_tenant;
GRANT SELECT ON postrider.applications TO postrider_tenant;

CREATE TABLE postrider.attempt_statistics (
  project_id uuid NOT NULL,
  webhook_id uuid,
  seconds integer NOT NULL,
  at timestamp with time zone NOT NULL,
  delivered integer NOT NULL DEFAULT 0,
  retry integer NOT NULL DEFAULT 0,
  failed integer NOT NULL DEFAULT 0,
  interrupted integer NOT NULL DEFAULT 0,
  latency_slots smallint[] NOT NULL DEFAULT '{}'::smallint[],
  latency_counts integer[] NOT NULL DEFAULT '{}'::integer[],
  last_error text,
  last_error_at timestamp with time zone,
  backlog integer NOT NULL DEFAULT 0,
  oldest_due_seconds integer NOT NULL DEFAULT 0,
  CONSTRAINT attempt_statistics_latency_check CHECK ((cardinality(latency_slots) = cardinality(latency_counts))),
  CONSTRAINT attempt_statistics_seconds_check CHECK ((seconds = ANY (ARRAY[60, 3600, 86400])))
);
CREATE INDEX idx_attempt_statistics_age ON postrider.attempt_statistics USING btree (seconds, at);
CREATE INDEX idx_attempt_statistics_failing ON postrider.attempt_statistics USING btree (project_id, seconds, at) WHERE ((webhook_id IS NOT NULL) AND ((retry + failed) > 0));
CREATE INDEX idx_attempt_statistics_history ON postrider.attempt_statistics USING btree (project_id, webhook_id, seconds, at);
ALTER TABLE postrider.attempt_statistics ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_project ON postrider.attempt_statistics
  USING ((project_id = postrider.current_project()));
GRANT SELECT ON postrider.attempt_statistics TO postrider_tenant;

CREATE TABLE postrider.audit_log (
  id uuid NOT NULL DEFAULT postrider.uuid_generate_v7(),
  created_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
  project_id uuid,
  action text NOT NULL,
  resource_type text,
  resource_id text,
  actor_kind text NOT NULL,
  actor_id text,
  actor_name text,
  before jsonb,
  after jsonb,
  address text,
  request_id text,
  CONSTRAINT audit_log_pkey PRIMARY KEY (id),
  CONSTRAINT audit_log_actor_kind_check CHECK ((actor_kind = ANY (ARRAY['api_key'::text, 'user'::text, 'admin'::text, 'system'::text, 'sql'::text])))
);
CREATE INDEX idx_audit_log_created_at ON postrider.audit_log USING btree (created_at DESC, id DESC);
CREATE INDEX idx_audit_log_project ON postrider.audit_log USING btree (project_id, created_at DESC, id DESC);
CREATE TRIGGER audit_log_keep BEFORE DELETE OR UPDATE ON postrider.audit_log FOR EACH ROW EXECUTE FUNCTION postrider.keep_audit_log();
CREATE TRIGGER audit_log_keep_all BEFORE TRUNCATE ON postrider.audit_log FOR EACH STATEMENT EXECUTE FUNCTION postrider.keep_audit_log();
ALTER TABLE postrider.audit_log ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_project ON postrider.audit_log
  USING ((project_id = postrider.current_project()));
GRANT SELECT ON postrider.audit_log TO postrider_tenant;

CREATE VIEW postrider.claimable_deliveries WITH (security_invoker=true) AS
 SELECT delivery.id,
    delivery.webhook_id,
    delivery.project_id,
    delivery.event_id,
    delivery.event_type,
    COALESCE((delivery.payload)::text, event.payload) AS payload,
    delivery.attempts,
    delivery.max_attempts,
    delivery.rescues,
    delivery.max_rescues,
    delivery.status,
    webhook.url,
    webhook.secret,
    webhook.previous_secret,
    webhook.previous_secret_expires_at,
    webhook.headers,
    webhook.retry_seconds,
    webhook.timeout_ms,
    webhook.max_in_flight,
    webhook.ordered,
    delivery.shape_id,
    false AS is_probe,
    event.traceparent
   FROM ((postrider.deliveries delivery
     JOIN postrider.webhooks webhook ON ((webhook.id = delivery.webhook_id)))
     LEFT JOIN LATERAL ( SELECT event_1.payload,
            event_1.traceparent
           FROM postrider.events event_1
          WHERE ((event_1.project_id = delivery.project_id) AND (event_1.id = delivery.event_id) AND (event_1.created_at = ( SELECT place.created_at
                   FROM postrider.event_places place
                  WHERE ((place.project_id = delivery.project_id) AND (place.id = delivery.event_id)))))
         OFFSET 0) event ON (true));

CREATE TABLE postrider.deletions (
  id uuid NOT NULL DEFAULT postrider.uuid_generate_v7(),
  project_id uuid NOT NULL,
  webhook_id uuid,
  phase text NOT NULL DEFAULT 'deliveries'::text,
  last_created_at timestamp with time zone NOT NULL DEFAULT 'infinity'::timestamp with time zone,
  last_id uuid NOT NULL DEFAULT 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid,
  deliveries bigint NOT NULL DEFAULT 0,
  events bigint NOT NULL DEFAULT 0,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  stepped_at timestamp with time zone,
  CONSTRAINT deletions_pkey PRIMARY KEY (id),
  CONSTRAINT deletions_phase_check CHECK ((phase = ANY (ARRAY['deliveries'::text, 'events'::text, 'waiting'::text, 'filtered'::text, 'statistics'::text, 'ended'::text])))
);
CREATE INDEX idx_deletions_project ON postrider.deletions USING btree (project_id);
ALTER TABLE postrider.deletions ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_project ON postrider.deletions
  USING ((project_id = postrider.current_project()));

CREATE TABLE postrider.deliveries (
  id uuid NOT NULL DEFAULT postrider.uuid_generate_v7(),
  webhook_id uuid NOT NULL,
  event_id uuid NOT NULL,
  event_type character varying(255) NOT NULL,
  payload jsonb,
  status postrider.webhook_delivery_status NOT NULL DEFAULT 'pending'::postrider.webhook_delivery_status,
  attempts integer NOT NULL DEFAULT 0,
  max_attempts integer NOT NULL DEFAULT 6,
  scheduled_at timestamp with time zone NOT NULL DEFAULT now(),
  last_attempt_at timestamp with time zone,
  last_response_status integer,
  last_response_body text,
  last_error text,
  delivered_at timestamp with time zone,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  project_id uuid NOT NULL,
  rescues integer NOT NULL DEFAULT 0,
  max_rescues integer NOT NULL DEFAULT 5,
  retried_at timestamp with time zone,
  shape_id uuid,
  payload_expired_at timestamp with time zone,
  CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (id),
  CONSTRAINT deliveries_payload_expired_at_check CHECK (((payload_expired_at IS NULL) OR (status = ANY (ARRAY['delivered'::postrider.webhook_delivery_status, 'failed'::postrider.webhook_delivery_status])))),
  CONSTRAINT webhook_deliveries_attempts_check CHECK ((attempts >= 0)),
  CONSTRAINT webhook_deliveries_delivered_at_check CHECK (((status = 'delivered'::postrider.webhook_delivery_status) = (delivered_at IS NOT NULL))),
  CONSTRAINT webhook_deliveries_max_attempts_check CHECK (((max_attempts >= 1) AND (attempts <= max_attempts))),
  CONSTRAINT webhook_deliveries_rescues_check CHECK (((rescues >= 0) AND (rescues <= max_rescues))),
  CONSTRAINT webhook_deliveries_unfinished_check CHECK (((status = ANY (ARRAY['delivered'::postrider.webhook_delivery_status, 'failed'::postrider.webhook_delivery_status])) OR (attempts < max_attempts)))
) PARTITION BY RANGE (id);
CREATE INDEX idx_webhook_deliveries_created_at ON postrider.deliveries USING brin (created_at) WITH (pages_per_range='32', autosummarize='on');
CREATE INDEX idx_webhook_deliveries_project_history ON postrider.deliveries USING btree (project_id, created_at DESC, id DESC);
CREATE INDEX idx_webhook_deliveries_webhook_history ON postrider.deliveries USING btree (webhook_id, created_at DESC, id DESC);
CREATE TRIGGER deliveries_delete_attempts AFTER DELETE ON postrider.deliveries REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION postrider.delete_attempts_of_deliveries();
CREATE TRIGGER deliveries_forget_failed AFTER DELETE ON postrider.deliveries REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION postrider.forget_failed_deliveries();
CREATE TRIGGER deliveries_note_failed_insert AFTER INSERT ON postrider.deliveries FOR EACH ROW WHEN ((new.status = 'failed'::postrider.webhook_delivery_status)) EXECUTE FUNCTION postrider.note_failed_delivery();
CREATE TRIGGER deliveries_note_failed_update AFTER UPDATE ON postrider.deliveries FOR EACH ROW WHEN ((((old.status = 'failed'::postrider.webhook_delivery_status) OR (new.status = 'failed'::postrider.webhook_delivery_status)) AND ((old.status IS DISTINCT FROM new.status) OR (old.webhook_id IS DISTINCT FROM new.webhook_id) OR (old.created_at IS DISTINCT FROM new.created_at)))) EXECUTE FUNCTION postrider.note_failed_delivery();
ALTER TABLE postrider.deliveries ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_project ON postrider.deliveries
  USING ((project_id = postrider.current_project()));
GRANT SELECT ON postrider.deliveries TO postrider_tenant;
GRANT UPDATE (status, max_attempts, scheduled_at, last_error, delivered_at, max_rescues, retried_at) ON postrider.deliveries TO postrider_tenant;

CREATE TABLE postrider.delivery_line_waiting (
  webhook_id uuid NOT NULL,
  "position" bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  delivery_id uuid NOT NULL,
  CONSTRAINT delivery_line_waiting_pkey PRIMARY KEY (webhook_id, "position")
) WITH (autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=5000, autovacuum_vacuum_cost_delay=0);
ALTER TABLE postrider.delivery_line_waiting ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_project ON postrider.delivery_line_waiting
  USING ((EXISTS ( SELECT
   FROM postrider.webhooks webhook
  WHERE ((webhook.id = delivery_line_waiting.webhook_id) AND (webhook.project_id = postrider.current_project())))));
GRANT DELETE ON postrider.delivery_line_waiting TO postrider_tenant;
GRANT SELECT ON postrider.delivery_line_waiting TO postrider_tenant;

CREATE TABLE postrider.delivery_lines (
  webhook_id uuid NOT NULL,
  active_delivery_id uuid,
  CONSTRAINT delivery_lines_pkey PRIMARY KEY (webhook_id),
  CONSTRAINT delivery_lines_webhook_id_fkey FOREIGN KEY (webhook_id) REFERENCES postrider.webhooks(id) ON DELETE CASCADE
) WITH (fillfactor=50, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=1000);
ALTER TABLE postrider.delivery_lines ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_project ON postrider.delivery_lines
  USING ((EXISTS ( SELECT
   FROM postrider.webhooks webhook
  WHERE ((webhook.id = delivery_lines.webhook_id) AND (webhook.project_id = postrider.current_project())))));

CREATE TABLE postrider.delivery_queue (
  webhook_id uuid NOT NULL,
  scheduled_at timestamp with time zone NOT NULL,
  delivery_id uuid NOT NULL,
  CONSTRAINT delivery_queue_pkey PRIMARY KEY (webhook_id, scheduled_at, delivery_id)
) WITH (autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=5000, autovacuum_vacuum_cost_delay=0);
ALTER TABLE postrider.delivery_queue ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_project ON postrider.delivery_queue
  USING ((EXISTS ( SELECT
   FROM postrider.webhooks webhook
  WHERE ((webhook.id = delivery_queue.webhook_id) AND (webhook.project_id = postrider.current_project())))));
GRANT DELETE ON postrider.delivery_queue TO postrider_tenant;
GRANT INSERT ON postrider.delivery_queue TO postrider_tenant;
GRANT SELECT ON postrider.delivery_queue TO postrider_tenant;

CREATE TABLE postrider.delivery_schedule (
  scheduled_at timestamp with time zone NOT NULL,
  delivery_id uuid NOT NULL,
  webhook_id uuid NOT NULL,
  place timestamp with time zone,
  CONSTRAINT delivery_schedule_pkey PRIMARY KEY (scheduled_at, delivery_id)
) WITH (autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=5000, autovacuum_vacuum_cost_delay=0);
CREATE INDEX idx_delivery_schedule_webhook ON postrider.delivery_schedule USING btree (webhook_id);
ALTER TABLE postrider.delivery_schedule ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_project ON postrider.delivery_schedule
  USING ((EXISTS ( SELECT
   FROM postrider.webhooks webhook
  WHERE ((webhook.id = delivery_schedule.webhook_id) AND (webhook.project_id = postrider.current_project())))));
GRANT DELETE ON postrider.delivery_schedule TO postrider_tenant;
GRANT SELECT ON postrider.delivery_schedule TO postrider_tenant;

CREATE TABLE postrider.event_ids (
  project_id uuid NOT NULL,
  id uuid NOT NULL,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  late boolean NOT NULL DEFAULT false,
  CONSTRAINT event_ids_pkey PRIMARY KEY (project_id, id)
) WITH (autovacuum_vacuum_scale_factor=0.05);
CREATE INDEX idx_event_ids_created_at ON postrider.event_ids USING brin (created_at) WITH (pages_per_range='32', autosummarize='on');
CREATE INDEX idx_event_ids_late ON postrider.event_ids USING btree (created_at) WHERE late;
ALTER TABLE postrider.event_ids ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_project ON postrider.event_ids
  USING ((project_id = postrider.current_project()));
GRANT SELECT ON postrider.event_ids TO postrider_tenant;

CREATE VIEW postrider.event_places WITH (security_invoker=true) AS
 SELECT project_id,
    id,
    created_at
   FROM postrider.event_ids known;
GRANT SELECT ON postrider.event_places TO postrider_tenant;

CREATE TABLE postrider.event_statistics (
  project_id uuid NOT NULL,
  type character varying(255),
  seconds integer NOT NULL,
  at timestamp with time zone NOT NULL,
  events integer NOT NULL,
  deliveries integer NOT NULL,
  CONSTRAINT event_statistics_seconds_check CHECK ((seconds = ANY (ARRAY[60, 3600, 86400])))
);
CREATE INDEX idx_event_statistics_age ON postrider.event_statistics USING btree (seconds, at);
CREATE INDEX idx_event_statistics_history ON postrider.event_statistics USING btree (project_id, seconds, at);
ALTER TABLE postrider.event_statistics ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_project ON postrider.event_statistics
  USING ((project_id = postrider.current_project()));
GRANT SELECT ON postrider.event_statistics TO postrider_tenant;

CREATE TABLE postrider.event_type_registries (
  project_id uuid NOT NULL,
  revision bigint NOT NULL,
  types integer NOT NULL,
  schema_bytes bigint NOT NULL,
  CONSTRAINT event_type_registries_pkey PRIMARY KEY (project_id),
  CONSTRAINT event_type_registries_project_id_fkey FOREIGN KEY (project_id) REFERENCES postrider.projects(id) ON DELETE CASCADE,
  CONSTRAINT event_type_registries_schema_bytes_check CHECK ((schema_bytes <= 4194304)),
  CONSTRAINT event_type_registries_types_check CHECK ((types <= 2000))
);
ALTER TABLE postrider.event_type_registries ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_project ON postrider.event_type_registries
  USING ((project_id = postrider.current_project()));
GRANT SELECT ON postrider.event_type_registries TO postrider_tenant;

CREATE TABLE postrider.events (
  project_id uuid NOT NULL,
  id uuid NOT NULL,
  type character varying(255) NOT NULL,
  "timestamp" timestamp with time zone NOT NULL,
  application_id uuid,
  environment_name character varying(255),
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  deliveries integer NOT NULL,
  payload text,
  traceparent text,
  operational boolean NOT NULL DEFAULT false,
  payload_expired_at timestamp with time zone,
  CONSTRAINT events_traceparent_check CHECK ((traceparent ~ '^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$'::text))
) PARTITION BY RANGE (created_at);
CREATE INDEX idx_events_created_at ON postrider.events USING brin (created_at) WITH (pages_per_range='32', autosummarize='on');
CREATE INDEX idx_events_project_created_at ON postrider.events USING btree (project_id, created_at DESC, id DESC);
CREATE TRIGGER events_forget_ids AFTER DELETE ON postrider.events REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION postrider.forget_event_ids();
CREATE TRIGGER events_move_id BEFORE UPDATE OF project_id, id, created_at ON postrider.events FOR EACH ROW EXECUTE FUNCTION postrider.move_event_id();
ALTER TABLE postrider.events ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_project ON postrider.events
  USING ((project_id = postrider.current_project()));
GRANT SELECT ON postrider.events TO postrider_tenant;

CREATE TABLE postrider.failed_deliveries (
  delivery_id uuid NOT NULL,
  project_id uuid NOT NULL,
  webhook_id uuid NOT NULL,
  created_at timestamp with time zone NOT NULL,
  CONSTRAINT failed_deliveries_pkey PRIMARY KEY (delivery_id)
);
CREATE INDEX idx_failed_deliveries_project ON postrider.failed_deliveries USING btree (project_id, created_at DESC, delivery_id DESC);
CREATE INDEX idx_failed_deliveries_webhook ON postrider.failed_deliveries USING btree (webhook_id, created_at DESC, delivery_id DESC);
ALTER TABLE postrider.failed_deliveries ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_project ON postrider.failed_deliveries
  USING ((project_id = postrider.current_project()));
GRANT SELECT ON postrider.failed_deliveries TO postrider_tenant;

CREATE TABLE postrider.failing_webhooks (
  webhook_id uuid NOT NULL,
  project_id uuid NOT NULL,
  since timestamp with time zone NOT NULL,
  last_failed_at timestamp with time zone NOT NULL,
  announced_percent integer NOT NULL DEFAULT 0,
  CONSTRAINT failing_webhooks_pkey PRIMARY KEY (webhook_id),
  CONSTRAINT failing_webhooks_webhook_id_fkey FOREIGN KEY (webhook_id) REFERENCES postrider.webhooks(id) ON DELETE CASCADE,
  CONSTRAINT failing_webhooks_announced_percent_check CHECK (((announced_percent >= 0) AND (announced_percent <= 100))),
  CONSTRAINT failing_webhooks_last_failed_at_check CHECK ((last_failed_at >= since))
) WITH (fillfactor=70);
ALTER TABLE postrider.failing_webhooks ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_project ON postrider.failing_webhooks
  USING ((project_id = postrider.current_project()));
GRANT SELECT ON postrider.failing_webhooks TO postrider_tenant;

CREATE TABLE postrider.filtered_deliveries (
  id uuid NOT NULL,
  project_id uuid NOT NULL,
  webhook_id uuid NOT NULL,
  event_id uuid NOT NULL,
  event_type character varying(255) NOT NULL,
  shape_id uuid NOT NULL,
  reason text NOT NULL,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT filtered_deliveries_pkey PRIMARY KEY (event_id, webhook_id)
);
CREATE INDEX idx_filtered_deliveries_created_at ON postrider.filtered_deliveries USING brin (created_at) WITH (pages_per_range='32', autosummarize='on');
CREATE INDEX idx_filtered_deliveries_webhook ON postrider.filtered_deliveries USING btree (webhook_id, created_at DESC, id DESC);
ALTER TABLE postrider.filtered_deliveries ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_project ON postrider.filtered_deliveries
  USING ((project_id = postrider.current_project()));
GRANT SELECT ON postrider.filtered_deliveries TO postrider_tenant;

CREATE TABLE postrider.high_backlogs (
  project_id uuid NOT NULL,
  since timestamp with time zone NOT NULL,
  CONSTRAINT high_backlogs_pkey PRIMARY KEY (project_id),
  CONSTRAINT high_backlogs_project_id_fkey FOREIGN KEY (project_id) REFERENCES postrider.projects(id) ON DELETE CASCADE
);
ALTER TABLE postrider.high_backlogs ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_project ON postrider.high_backlogs
  USING ((project_id = postrider.current_project()));

CREATE VIEW postrider.history_partitions AS
 SELECT (history.relname)::text AS history,
    (partition.relname)::text AS partition,
    postrider.moment_of_bound(bounds.found[1]) AS since,
    postrider.moment_of_bound(bounds.found[2]) AS until
   FROM (((pg_inherits inherits
     JOIN pg_class history ON (((history.oid = inherits.inhparent) AND (history.relnamespace = ('postrider'::regnamespace)::oid) AND (history.relkind = 'p'::"char") AND (history.relname = ANY (ARRAY['deliveries'::name, 'webhook_delivery_attempts'::name, 'events'::name])))))
     JOIN pg_class partition ON ((partition.oid = inherits.inhrelid)))
     CROSS JOIN LATERAL ( SELECT regexp_match(pg_get_expr(partition.relpartbound, partition.oid), 'FROM \((.*)\) TO \((.*)\)'::text) AS found) bounds);

CREATE TABLE postrider.invitations (
  id uuid NOT NULL DEFAULT postrider.uuid_generate_v7(),
  kind character varying(20) NOT NULL,
  project_id uuid,
  user_id uuid,
  email character varying(255),
  role character varying(20),
  token_hash bytea NOT NULL,
  created_at timestamp with time zone NOT NULL,
  expires_at timestamp with time zone NOT NULL,
  CONSTRAINT invitations_pkey PRIMARY KEY (id),
  CONSTRAINT invitations_token_hash_key UNIQUE (token_hash),
  CONSTRAINT invitations_user_id_key UNIQUE (user_id),
  CONSTRAINT invitations_project_id_fkey FOREIGN KEY (project_id) REFERENCES postrider.projects(id) ON DELETE CASCADE,
  CONSTRAINT invitations_user_id_fkey FOREIGN KEY (user_id) REFERENCES postrider.users(id) ON DELETE CASCADE,
  CONSTRAINT invitations_kind_check CHECK (
CASE kind
    WHEN 'owner'::text THEN (num_nonnulls(project_id, user_id, email, role) = 0)
    WHEN 'member'::text THEN ((num_nulls(project_id, email, role) = 0) AND (user_id IS NULL))
    WHEN 'password'::text THEN ((user_id IS NOT NULL) AND (num_nonnulls(project_id, email, role) = 0))
    ELSE false
END),
  CONSTRAINT invitations_role_check CHECK (((role)::text = ANY ((ARRAY['view'::character varying, 'publish'::character varying, 'manage'::character varying])::text[])))
);
CREATE INDEX idx_invitations_email ON postrider.invitations USING btree (lower(((email)::text COLLATE "C")));
CREATE UNIQUE INDEX invitations_email_key ON postrider.invitations USING btree (project_id, lower(((email)::text COLLATE "C")));
CREATE TRIGGER invitations_audit AFTER INSERT OR DELETE OR UPDATE ON postrider.invitations FOR EACH ROW EXECUTE FUNCTION postrider.audit_change('invitation', 'id', 'id project_id kind user_id email role expires_at');
ALTER TABLE postrider.invitations ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_project ON postrider.invitations
  USING ((project_id = postrider.current_project()));
GRANT DELETE ON postrider.invitations TO postrider_tenant;
GRANT INSERT ON postrider.invitations TO postrider_tenant;
GRANT SELECT (id, kind, project_id, email, role, created_at, expires_at) ON postrider.invitations TO postrider_tenant;
GRANT UPDATE (role, token_hash, created_at, expires_at) ON postrider.invitations TO postrider_tenant;

CREATE TABLE postrider.jobs (
  id uuid NOT NULL DEFAULT postrider.uuid_generate_v7(),
  project_id uuid NOT NULL,
  kind text NOT NULL,
  filter jsonb NOT NULL DEFAULT '{}'::jsonb,
  status text NOT NULL DEFAULT 'running'::text,
  count integer NOT NULL,
  count_is_exact boolean NOT NULL,
  done integer NOT NULL DEFAULT 0,
  until timestamp with time zone NOT NULL,
  last_created_at timestamp with time zone,
  last_id uuid,
  stepped_at timestamp with time zone,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  finished_at timestamp with time zone,
  CONSTRAINT jobs_pkey PRIMARY KEY (id),
  CONSTRAINT jobs_project_id_fkey FOREIGN KEY (project_id) REFERENCES postrider.projects(id) ON DELETE CASCADE,
  CONSTRAINT jobs_filter_check CHECK ((jsonb_typeof(filter) = 'object'::text)),
  CONSTRAINT jobs_finished_at_check CHECK (((status = 'running'::text) = (finished_at IS NULL))),
  CONSTRAINT jobs_kind_check CHECK ((kind = ANY (ARRAY['retry'::text, 'cancel'::text, 'send_waiting_now'::text, 'backfill'::text]))),
  CONSTRAINT jobs_status_check CHECK ((status = ANY (ARRAY['running'::text, 'finished'::text, 'stopped'::text, 'failed'::text])))
);
CREATE INDEX idx_jobs_project ON postrider.jobs USING btree (project_id, created_at DESC, id DESC);
CREATE INDEX idx_jobs_running ON postrider.jobs USING btree (stepped_at NULLS FIRST) WHERE (status = 'running'::text);
CREATE TRIGGER jobs_audit_insert AFTER INSERT ON postrider.jobs FOR EACH ROW EXECUTE FUNCTION postrider.audit_job();
CREATE TRIGGER jobs_audit_stop AFTER UPDATE ON postrider.jobs FOR EACH ROW WHEN (((new.status = 'stopped'::text) AND (old.status <> 'stopped'::text))) EXECUTE FUNCTION postrider.audit_job();
ALTER TABLE postrider.jobs ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_project ON postrider.jobs
  USING ((project_id = postrider.current_project()));
GRANT INSERT ON postrider.jobs TO postrider_tenant;
GRANT SELECT ON postrider.jobs TO postrider_tenant;
GRANT UPDATE (status, finished_at) ON postrider.jobs TO postrider_tenant;

CREATE TABLE postrider.members (
  project_id uuid NOT NULL,
  user_id uuid NOT NULL,
  role character varying(20) NOT NULL,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT members_pkey PRIMARY KEY (project_id, user_id),
  CONSTRAINT members_project_id_fkey FOREIGN KEY (project_id) REFERENCES postrider.projects(id) ON DELETE CASCADE,
  CONSTRAINT members_user_id_fkey FOREIGN KEY (user_id) REFERENCES postrider.users(id) ON DELETE CASCADE,
  CONSTRAINT members_role_check CHECK (((role)::text = ANY ((ARRAY['view'::character varying, 'publish'::character varying, 'manage'::character varying])::text[])))
);
CREATE INDEX idx_members_user ON postrider.members USING btree (user_id);
CREATE TRIGGER members_audit AFTER INSERT OR DELETE OR UPDATE ON postrider.members FOR EACH ROW EXECUTE FUNCTION postrider.audit_change('member', 'user_id', 'project_id role');
ALTER TABLE postrider.members ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_project ON postrider.members
  USING ((project_id = postrider.current_project()));
GRANT DELETE ON postrider.members TO postrider_tenant;
GRANT SELECT ON postrider.members TO postrider_tenant;
GRANT UPDATE (role) ON postrider.members TO postrider_tenant;

CREATE TABLE postrider.migrations (
  version integer NOT NULL,
  name text NOT NULL,
  checksum text NOT NULL,
  applied_at timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT migrations_pkey PRIMARY KEY (version)
);

CREATE TABLE postrider.project_retention (
  project_id uuid NOT NULL,
  due_at timestamp with time zone NOT NULL DEFAULT now(),
  phase text NOT NULL DEFAULT 'deliveries'::text,
  last_created_at timestamp with time zone NOT NULL DEFAULT '-infinity'::timestamp with time zone,
  last_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000'::uuid,
  deliveries bigint NOT NULL DEFAULT 0,
  events bigint NOT NULL DEFAULT 0,
  payloads bigint NOT NULL DEFAULT 0,
  payloads_from timestamp with time zone NOT NULL DEFAULT '-infinity'::timestamp with time zone,
  payloads_left_at timestamp with time zone,
  CONSTRAINT project_retention_pkey PRIMARY KEY (project_id),
  CONSTRAINT project_retention_project_id_fkey FOREIGN KEY (project_id) REFERENCES postrider.projects(id) ON DELETE CASCADE,
  CONSTRAINT project_retention_phase_check CHECK ((phase = ANY (ARRAY['deliveries'::text, 'events'::text, 'payloads'::text])))
);
ALTER TABLE postrider.project_retention ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_project ON postrider.project_retention
  USING ((project_id = postrider.current_project()));

CREATE TABLE postrider.projects (
  id uuid NOT NULL DEFAULT postrider.uuid_generate_v7(),
  name character varying(255) NOT NULL,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  updated_at timestamp with time zone NOT NULL DEFAULT now(),
  retention_days integer,
  payload_retention_days integer,
  backlog_limit integer,
  CONSTRAINT projects_pkey PRIMARY KEY (id),
  CONSTRAINT projects_backlog_limit_check CHECK ((backlog_limit >= 1)),
  CONSTRAINT projects_payload_retention_days_check CHECK (((payload_retention_days >= 1) AND (payload_retention_days <= 3650))),
  CONSTRAINT projects_retention_days_check CHECK (((retention_days >= 1) AND (retention_days <= 3650)))
);
CREATE INDEX idx_projects_backlog_limit ON postrider.projects USING btree (id) WHERE (backlog_limit IS NOT NULL);
CREATE INDEX idx_projects_created_at ON postrider.projects USING btree (created_at DESC, id DESC);
CREATE TRIGGER projects_audit AFTER INSERT OR DELETE OR UPDATE ON postrider.projects FOR EACH ROW EXECUTE FUNCTION postrider.audit_change('project', 'id', 'id name retention_days payload_retention_days backlog_limit');
CREATE TRIGGER projects_delete_rows AFTER DELETE ON postrider.projects FOR EACH ROW EXECUTE FUNCTION postrider.delete_rows_of_project();
CREATE TRIGGER projects_delete_signals AFTER DELETE ON postrider.projects FOR EACH ROW EXECUTE FUNCTION postrider.delete_signals_of_project();
CREATE TRIGGER projects_note_retention_insert AFTER INSERT ON postrider.projects FOR EACH ROW WHEN (((new.retention_days IS NOT NULL) OR (new.payload_retention_days IS NOT NULL))) EXECUTE FUNCTION postrider.note_retention_rule('id');
CREATE TRIGGER projects_note_retention_update AFTER UPDATE ON postrider.projects FOR EACH ROW WHEN (((new.retention_days IS DISTINCT FROM old.retention_days) OR (new.payload_retention_days IS DISTINCT FROM old.payload_retention_days))) EXECUTE FUNCTION postrider.note_retention_rule('id');
CREATE TRIGGER projects_touch_updated_at BEFORE UPDATE ON postrider.projects FOR EACH ROW EXECUTE FUNCTION postrider.touch_updated_at();
ALTER TABLE postrider.projects ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_project ON postrider.projects
  USING ((id = postrider.current_project()));
GRANT DELETE ON postrider.projects TO postrider_tenant;
GRANT SELECT ON postrider.projects TO postrider_tenant;
GRANT UPDATE (name, retention_days, payload_retention_days, backlog_limit) ON postrider.projects TO postrider_tenant;

CREATE TABLE postrider.replays (
  id uuid NOT NULL DEFAULT postrider.uuid_generate_v7(),
  project_id uuid NOT NULL,
  webhook_id uuid NOT NULL,
  status postrider.webhook_delivery_status NOT NULL,
  since timestamp with time zone NOT NULL,
  until timestamp with time zone,
  event_types jsonb NOT NULL,
  count integer NOT NULL,
  replayed integer NOT NULL DEFAULT 0,
  last_created_at timestamp with time zone,
  last_id uuid,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  finished_at timestamp with time zone,
  CONSTRAINT replays_pkey PRIMARY KEY (id),
  CONSTRAINT replays_project_id_fkey FOREIGN KEY (project_id) REFERENCES postrider.projects(id) ON DELETE CASCADE,
  CONSTRAINT replays_webhook_id_fkey FOREIGN KEY (webhook_id) REFERENCES postrider.webhooks(id) ON DELETE CASCADE,
  CONSTRAINT replays_event_types_check CHECK (postrider.valid_event_types(event_types)),
  CONSTRAINT replays_status_check CHECK ((status = ANY (ARRAY['delivered'::postrider.webhook_delivery_status, 'failed'::postrider.webhook_delivery_status])))
);
CREATE INDEX idx_replays_created_at ON postrider.replays USING btree (created_at);
CREATE UNIQUE INDEX idx_replays_running ON postrider.replays USING btree (webhook_id, status, since, until, event_types) NULLS NOT DISTINCT WHERE (finished_at IS NULL);
CREATE TRIGGER replays_audit AFTER INSERT ON postrider.replays FOR EACH ROW EXECUTE FUNCTION postrider.audit_replay();
ALTER TABLE postrider.replays ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_project ON postrider.replays
  USING ((project_id = postrider.current_project()));
GRANT INSERT ON postrider.replays TO postrider_tenant;
GRANT SELECT ON postrider.replays TO postrider_tenant;
GRANT UPDATE (count) ON postrider.replays TO postrider_tenant;

CREATE TABLE postrider.sessions (
  id uuid NOT NULL DEFAULT postrider.uuid_generate_v7(),
  token_hash bytea NOT NULL,
  user_id uuid,
  api_key_id uuid,
  admin_proof bytea,
  address text,
  user_agent text,
  created_at timestamp with time zone NOT NULL,
  last_used_at timestamp with time zone NOT NULL,
  expires_at timestamp with time zone NOT NULL,
  CONSTRAINT sessions_pkey PRIMARY KEY (id),
  CONSTRAINT sessions_token_hash_key UNIQUE (token_hash),
  CONSTRAINT sessions_api_key_id_fkey FOREIGN KEY (api_key_id) REFERENCES postrider.api_keys(id) ON DELETE CASCADE,
  CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES postrider.users(id) ON DELETE CASCADE,
  CONSTRAINT sessions_owner_check CHECK ((num_nonnulls(user_id, api_key_id, admin_proof) = 1))
);
CREATE INDEX idx_sessions_api_key ON postrider.sessions USING btree (api_key_id);
CREATE INDEX idx_sessions_expires_at ON postrider.sessions USING btree (expires_at);
CREATE INDEX idx_sessions_user ON postrider.sessions USING btree (user_id, created_at DESC, id DESC);

CREATE TABLE postrider.signals (
  id uuid NOT NULL DEFAULT postrider.uuid_generate_v7(),
  project_id uuid NOT NULL,
  type text NOT NULL,
  data jsonb NOT NULL,
  application_id uuid,
  environment_name text,
  created_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT signals_pkey PRIMARY KEY (id)
);
ALTER TABLE postrider.signals ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_project ON postrider.signals
  USING ((project_id = postrider.current_project()));

CREATE TABLE postrider.statistics_progress (
  is_only boolean NOT NULL DEFAULT true,
  attempts_until timestamp with time zone NOT NULL,
  events_until timestamp with time zone NOT NULL,
  events_settled_until timestamp with time zone NOT NULL,
  hours_until timestamp with time zone NOT NULL,
  days_until timestamp with time zone NOT NULL,
  CONSTRAINT statistics_progress_pkey PRIMARY KEY (is_only),
  CONSTRAINT statistics_progress_is_only_check CHECK (is_only)
);

CREATE TABLE postrider.upkeep (
  name text NOT NULL,
  started_at timestamp with time zone NOT NULL,
  CONSTRAINT upkeep_pkey PRIMARY KEY (name)
);

CREATE TABLE postrider.users (
  id uuid NOT NULL DEFAULT postrider.uuid_generate_v7(),
  email character varying(255) NOT NULL,
  name character varying(255),
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  password_hash text,
  oidc_issuer text,
  oidc_subject text,
  is_owner boolean NOT NULL DEFAULT false,
  disabled_at timestamp with time zone,
  failed_logins integer NOT NULL DEFAULT 0,
  CONSTRAINT users_pkey PRIMARY KEY (id),
  CONSTRAINT users_email_key UNIQUE (email),
  CONSTRAINT users_oidc_key UNIQUE (oidc_issuer, oidc_subject),
  CONSTRAINT users_oidc_check CHECK (((oidc_issuer IS NULL) = (oidc_subject IS NULL)))
);
CREATE INDEX idx_users_created_at ON postrider.users USING btree (created_at DESC, id DESC);
CREATE INDEX idx_users_owners ON postrider.users USING btree (id) WHERE (is_owner AND (disabled_at IS NULL));
CREATE UNIQUE INDEX users_email_any_case_key ON postrider.users USING btree (lower(((email)::text COLLATE "C")));
CREATE TRIGGER users_audit AFTER INSERT OR DELETE OR UPDATE OF email, name, password_hash, oidc_subject, is_owner, disabled_at ON postrider.users FOR EACH ROW EXECUTE FUNCTION postrider.audit_change('user', 'id', 'id email name is_owner disabled_at');
ALTER TABLE postrider.users ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_project ON postrider.users
  USING ((EXISTS ( SELECT
   FROM postrider.members member
  WHERE ((member.user_id = users.id) AND (member.project_id = postrider.current_project())))));
GRANT SELECT (id, email, name) ON postrider.users TO postrider_tenant;

CREATE TABLE postrider.webhook_breakers (
  webhook_id uuid NOT NULL,
  project_id uuid NOT NULL,
  opened_at timestamp with time zone NOT NULL,
  probe_at timestamp with time zone NOT NULL,
  failed_probes integer NOT NULL DEFAULT 0,
  good_probes integer NOT NULL DEFAULT 0,
  last_error text,
  ends_at timestamp with time zone NOT NULL,
  CONSTRAINT webhook_breakers_pkey PRIMARY KEY (webhook_id),
  CONSTRAINT webhook_breakers_webhook_id_fkey FOREIGN KEY (webhook_id) REFERENCES postrider.webhooks(id) ON DELETE CASCADE,
  CONSTRAINT webhook_breakers_failed_probes_check CHECK ((failed_probes >= 0)),
  CONSTRAINT webhook_breakers_good_probes_check CHECK (((good_probes >= 0) AND (good_probes <= 10)))
) WITH (fillfactor=50, autovacuum_vacuum_scale_factor=0.1);
ALTER TABLE postrider.webhook_breakers ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_project ON postrider.webhook_breakers
  USING ((project_id = postrider.current_project()));
GRANT SELECT ON postrider.webhook_breakers TO postrider_tenant;

CREATE VIEW postrider.webhook_deliveries WITH (security_invoker=true) AS
 SELECT id,
    webhook_id,
    event_id,
    event_type,
    COALESCE(payload, (( SELECT event.payload
           FROM postrider.events event
          WHERE ((event.project_id = delivery.project_id) AND (event.id = delivery.event_id) AND (event.created_at = ( SELECT place.created_at
                   FROM postrider.event_places place
                  WHERE ((place.project_id = delivery.project_id) AND (place.id = delivery.event_id)))))))::jsonb) AS payload,
    status,
    attempts,
    max_attempts,
    scheduled_at,
    last_attempt_at,
    last_response_status,
    last_response_body,
    last_error,
    delivered_at,
    created_at,
    project_id,
    rescues,
    max_rescues,
    retried_at
   FROM postrider.deliveries delivery;
CREATE TRIGGER webhook_deliveries_write INSTEAD OF INSERT OR DELETE OR UPDATE ON postrider.webhook_deliveries FOR EACH ROW EXECUTE FUNCTION postrider.write_webhook_delivery();
GRANT SELECT ON postrider.webhook_deliveries TO postrider_tenant;

CREATE TABLE postrider.webhook_delivery_attempts (
  id uuid NOT NULL DEFAULT postrider.uuid_generate_v7(),
  delivery_id uuid NOT NULL,
  attempt integer NOT NULL,
  started_at timestamp with time zone NOT NULL,
  duration_ms integer,
  request_headers jsonb NOT NULL DEFAULT '{}'::jsonb,
  response_status integer,
  response_headers jsonb,
  response_body text,
  error text,
  outcome text NOT NULL,
  CONSTRAINT webhook_delivery_attempts_pkey PRIMARY KEY (delivery_id, attempt),
  CONSTRAINT webhook_delivery_attempts_attempt_check CHECK ((attempt >= 1)),
  CONSTRAINT webhook_delivery_attempts_outcome_check CHECK ((outcome = ANY (ARRAY['delivered'::text, 'retry'::text, 'failed'::text, 'interrupted'::text])))
) PARTITION BY RANGE (delivery_id);
CREATE INDEX idx_webhook_delivery_attempts_id ON postrider.webhook_delivery_attempts USING brin (id) WITH (pages_per_range='32', autosummarize='on');
ALTER TABLE postrider.webhook_delivery_attempts ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_project ON postrider.webhook_delivery_attempts
  USING ((EXISTS ( SELECT
   FROM postrider.deliveries delivery
  WHERE ((delivery.id = webhook_delivery_attempts.delivery_id) AND (delivery.project_id = postrider.current_project())))));
GRANT SELECT ON postrider.webhook_delivery_attempts TO postrider_tenant;

CREATE TABLE postrider.webhook_event_type_versions (
  event_type_id uuid NOT NULL,
  version integer NOT NULL,
  project_id uuid NOT NULL,
  schema jsonb,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT webhook_event_type_versions_pkey PRIMARY KEY (event_type_id, version),
  CONSTRAINT webhook_event_type_versions_event_type_id_fkey FOREIGN KEY (event_type_id) REFERENCES postrider.webhook_event_types(id) ON DELETE CASCADE
);
ALTER TABLE postrider.webhook_event_type_versions ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_project ON postrider.webhook_event_type_versions
  USING ((project_id = postrider.current_project()));
GRANT SELECT ON postrider.webhook_event_type_versions TO postrider_tenant;

CREATE TABLE postrider.webhook_event_types (
  project_id uuid NOT NULL,
  name character varying(255) NOT NULL,
  description text,
  schema jsonb,
  example jsonb,
  deprecated boolean NOT NULL DEFAULT false,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  updated_at timestamp with time zone NOT NULL DEFAULT now(),
  id uuid NOT NULL DEFAULT postrider.uuid_generate_v7(),
  version integer NOT NULL DEFAULT 1,
  retention_days integer,
  CONSTRAINT webhook_event_types_pkey PRIMARY KEY (project_id, name),
  CONSTRAINT webhook_event_types_id_key UNIQUE (id),
  CONSTRAINT webhook_event_types_project_id_fkey FOREIGN KEY (project_id) REFERENCES postrider.projects(id) ON DELETE CASCADE,
  CONSTRAINT webhook_event_types_name_check CHECK (((name)::text ~ '^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$'::text)),
  CONSTRAINT webhook_event_types_retention_days_check CHECK (((retention_days >= 1) AND (retention_days <= 3650))),
  CONSTRAINT webhook_event_types_version_check CHECK ((version >= 1))
);
CREATE INDEX idx_webhook_event_types_project ON postrider.webhook_event_types USING btree (project_id, created_at DESC, id DESC);
CREATE TRIGGER webhook_event_types_audit AFTER INSERT OR DELETE OR UPDATE ON postrider.webhook_event_types FOR EACH ROW EXECUTE FUNCTION postrider.audit_change('event_type', 'name', 'project_id name description schema example deprecated version retention_days');
CREATE TRIGGER webhook_event_types_keep_version AFTER INSERT OR DELETE OR UPDATE ON postrider.webhook_event_types FOR EACH ROW EXECUTE FUNCTION postrider.keep_event_type_version();
CREATE TRIGGER webhook_event_types_note_retention_delete AFTER DELETE ON postrider.webhook_event_types FOR EACH ROW WHEN ((old.retention_days IS NOT NULL)) EXECUTE FUNCTION postrider.note_retention_rule('project_id');
CREATE TRIGGER webhook_event_types_note_retention_insert AFTER INSERT ON postrider.webhook_event_types FOR EACH ROW WHEN ((new.retention_days IS NOT NULL)) EXECUTE FUNCTION postrider.note_retention_rule('project_id');
CREATE TRIGGER webhook_event_types_note_retention_update AFTER UPDATE ON postrider.webhook_event_types FOR EACH ROW WHEN (((new.retention_days IS DISTINCT FROM old.retention_days) OR ((new.retention_days IS NOT NULL) AND ((new.name)::text <> (old.name)::text)))) EXECUTE FUNCTION postrider.note_retention_rule('project_id');
CREATE TRIGGER webhook_event_types_number_version BEFORE INSERT OR UPDATE ON postrider.webhook_event_types FOR EACH ROW EXECUTE FUNCTION postrider.number_event_type_version();
CREATE TRIGGER webhook_event_types_touch_updated_at BEFORE UPDATE ON postrider.webhook_event_types FOR EACH ROW EXECUTE FUNCTION postrider.touch_updated_at();
ALTER TABLE postrider.webhook_event_types ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_project ON postrider.webhook_event_types
  USING ((project_id = postrider.current_project()));
GRANT DELETE ON postrider.webhook_event_types TO postrider_tenant;
GRANT INSERT ON postrider.webhook_event_types TO postrider_tenant;
GRANT SELECT ON postrider.webhook_event_types TO postrider_tenant;
GRANT UPDATE ON postrider.webhook_event_types TO postrider_tenant;

CREATE TABLE postrider.webhook_rates (
  webhook_id uuid NOT NULL,
  tokens double precision NOT NULL,
  refilled_at timestamp with time zone NOT NULL,
  CONSTRAINT webhook_rates_pkey PRIMARY KEY (webhook_id),
  CONSTRAINT webhook_rates_webhook_id_fkey FOREIGN KEY (webhook_id) REFERENCES postrider.webhooks(id) ON DELETE CASCADE
) WITH (fillfactor=50, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=1000);
ALTER TABLE postrider.webhook_rates ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_project ON postrider.webhook_rates
  USING ((EXISTS ( SELECT
   FROM postrider.webhooks webhook
  WHERE ((webhook.id = webhook_rates.webhook_id) AND (webhook.project_id = postrider.current_project())))));

CREATE TABLE postrider.webhook_shapes (
  id uuid NOT NULL,
  project_id uuid NOT NULL,
  webhook_id uuid NOT NULL,
  payload_template json,
  filter text,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  replaced_at timestamp with time zone,
  CONSTRAINT webhook_shapes_pkey PRIMARY KEY (id),
  CONSTRAINT webhook_shapes_webhook_id_fkey FOREIGN KEY (webhook_id) REFERENCES postrider.webhooks(id) ON DELETE CASCADE
);
CREATE INDEX idx_webhook_shapes_webhook ON postrider.webhook_shapes USING btree (webhook_id);
ALTER TABLE postrider.webhook_shapes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_project ON postrider.webhook_shapes
  USING ((project_id = postrider.current_project()));
GRANT SELECT ON postrider.webhook_shapes TO postrider_tenant;

CREATE TABLE postrider.webhooks (
  id uuid NOT NULL DEFAULT postrider.uuid_generate_v7(),
  project_id uuid NOT NULL,
  name character varying(255) NOT NULL,
  url character varying(2048) NOT NULL,
  secret character varying(255) NOT NULL,
  event_types jsonb NOT NULL DEFAULT '["*"]'::jsonb,
  application_id uuid,
  environment_name character varying(255),
  is_active boolean NOT NULL DEFAULT true,
  description text,
  headers jsonb DEFAULT '{}'::jsonb,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  updated_at timestamp with time zone NOT NULL DEFAULT now(),
  created_by_id uuid,
  disabled_reason text,
  previous_secret character varying(255),
  previous_secret_expires_at timestamp with time zone,
  retry_seconds integer[],
  timeout_ms integer,
  max_in_flight integer,
  rate_per_second double precision,
  ordered boolean NOT NULL DEFAULT false,
  public_key text,
  previous_public_key text,
  payload_template json,
  filter text,
  shape_id uuid,
  operational boolean NOT NULL DEFAULT false,
  CONSTRAINT webhooks_pkey PRIMARY KEY (id),
  CONSTRAINT webhooks_application_id_fkey FOREIGN KEY (project_id, application_id) REFERENCES postrider.applications(project_id, id) ON DELETE SET NULL (application_id),
  CONSTRAINT webhooks_created_by_id_fkey FOREIGN KEY (created_by_id) REFERENCES postrider.users(id) ON DELETE SET NULL,
  CONSTRAINT webhooks_project_id_fkey FOREIGN KEY (project_id) REFERENCES postrider.projects(id) ON DELETE CASCADE,
  CONSTRAINT webhooks_active_event_types_check CHECK (((NOT is_active) OR (jsonb_array_length(event_types) > 0))),
  CONSTRAINT webhooks_active_url_check CHECK (((NOT is_active) OR ((url)::text ~ '^https?://[^/?#[:space:]]+'::text))),
  CONSTRAINT webhooks_disabled_reason_check CHECK (((NOT is_active) OR (disabled_reason IS NULL))),
  CONSTRAINT webhooks_event_type_patterns_check CHECK (postrider.valid_event_types(event_types)),
  CONSTRAINT webhooks_event_types_check CHECK ((jsonb_typeof(event_types) = 'array'::text)),
  CONSTRAINT webhooks_filter_check CHECK ((length(filter) <= 2000)),
  CONSTRAINT webhooks_headers_check CHECK ((jsonb_typeof(headers) = 'object'::text)),
  CONSTRAINT webhooks_max_in_flight_check CHECK (((max_in_flight >= 1) AND (max_in_flight <= 1000))),
  CONSTRAINT webhooks_payload_template_check CHECK ((octet_length((payload_template)::text) <= 16384)),
  CONSTRAINT webhooks_previous_public_key_check CHECK (((previous_public_key ~ '^whpk_[A-Za-z0-9+/]{43}=$'::text) AND ((previous_public_key IS NULL) OR (previous_secret IS NOT NULL)))),
  CONSTRAINT webhooks_previous_secret_check CHECK (((previous_secret IS NULL) = (previous_secret_expires_at IS NULL))),
  CONSTRAINT webhooks_public_key_check CHECK ((public_key ~ '^whpk_[A-Za-z0-9+/]{43}=$'::text)),
  CONSTRAINT webhooks_rate_per_second_check CHECK (((rate_per_second >= (0.01)::double precision) AND (rate_per_second <= (10000)::double precision))),
  CONSTRAINT webhooks_retry_seconds_check CHECK (((cardinality(retry_seconds) <= 20) AND (array_position(retry_seconds, NULL::integer) IS NULL) AND (1 <= ALL (retry_seconds)) AND (604800 >= ALL (retry_seconds)))),
  CONSTRAINT webhooks_shape_check CHECK (((shape_id IS NULL) = ((payload_template IS NULL) AND (filter IS NULL)))),
  CONSTRAINT webhooks_timeout_ms_check CHECK (((timeout_ms >= 1000) AND (timeout_ms <= 15000))),
  CONSTRAINT webhooks_url_check CHECK (((url)::text ~ '^https?://'::text))
);
CREATE INDEX idx_webhooks_application_id ON postrider.webhooks USING btree (application_id) WHERE (application_id IS NOT NULL);
CREATE INDEX idx_webhooks_operational ON postrider.webhooks USING btree (project_id) WHERE (operational AND is_active);
CREATE INDEX idx_webhooks_project_active ON postrider.webhooks USING btree (project_id, is_active) WHERE (is_active = true);
CREATE INDEX idx_webhooks_project_created_at ON postrider.webhooks USING btree (project_id, created_at DESC, id DESC);
CREATE INDEX idx_webhooks_project_id ON postrider.webhooks USING btree (project_id);
CREATE TRIGGER webhooks_audit AFTER INSERT OR DELETE OR UPDATE ON postrider.webhooks FOR EACH ROW EXECUTE FUNCTION postrider.audit_change('webhook', 'id', 'id project_id name url event_types application_id environment_name is_active disabled_reason description header_names retry_seconds timeout_ms max_in_flight rate_per_second ordered public_key previous_public_key previous_secret_expires_at created_by_id payload_template filter shape_id operational');
CREATE TRIGGER webhooks_delete_rows AFTER DELETE ON postrider.webhooks FOR EACH ROW EXECUTE FUNCTION postrider.delete_rows_of_webhook();
CREATE TRIGGER webhooks_keep_policy_insert AFTER INSERT ON postrider.webhooks FOR EACH ROW WHEN (((new.rate_per_second IS NOT NULL) OR new.ordered)) EXECUTE FUNCTION postrider.keep_policy();
CREATE TRIGGER webhooks_keep_policy_update AFTER UPDATE ON postrider.webhooks FOR EACH ROW WHEN (((new.rate_per_second IS DISTINCT FROM old.rate_per_second) OR (new.ordered IS DISTINCT FROM old.ordered))) EXECUTE FUNCTION postrider.keep_policy();
CREATE TRIGGER webhooks_keep_shape_insert AFTER INSERT ON postrider.webhooks FOR EACH ROW WHEN ((new.shape_id IS NOT NULL)) EXECUTE FUNCTION postrider.keep_shape();
CREATE TRIGGER webhooks_keep_shape_update AFTER UPDATE ON postrider.webhooks FOR EACH ROW WHEN ((new.shape_id IS DISTINCT FROM old.shape_id)) EXECUTE FUNCTION postrider.keep_shape();
CREATE TRIGGER webhooks_name_shape_insert BEFORE INSERT ON postrider.webhooks FOR EACH ROW WHEN (((new.payload_template IS NOT NULL) OR (new.filter IS NOT NULL) OR (new.shape_id IS NOT NULL))) EXECUTE FUNCTION postrider.name_shape();
CREATE TRIGGER webhooks_name_shape_update BEFORE UPDATE OF payload_template, filter, shape_id ON postrider.webhooks FOR EACH ROW EXECUTE FUNCTION postrider.name_shape();
CREATE TRIGGER webhooks_start_anew AFTER UPDATE ON postrider.webhooks FOR EACH ROW WHEN (((old.is_active IS DISTINCT FROM new.is_active) OR ((old.url)::text IS DISTINCT FROM (new.url)::text))) EXECUTE FUNCTION postrider.start_webhook_anew();
CREATE TRIGGER webhooks_touch_updated_at BEFORE UPDATE ON postrider.webhooks FOR EACH ROW WHEN ((current_setting('postrider.reencrypting'::text, true) IS DISTINCT FROM 'on'::text)) EXECUTE FUNCTION postrider.touch_updated_at();
ALTER TABLE postrider.webhooks ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_project ON postrider.webhooks
  USING ((project_id = postrider.current_project()));
GRANT DELETE ON postrider.webhooks TO postrider_tenant;
GRANT INSERT ON postrider.webhooks TO postrider_tenant;
GRANT SELECT ON postrider.webhooks TO postrider_tenant;
GRANT UPDATE ON postrider.webhooks TO postrider_tenant;

CREATE TABLE postrider.workers (
  id uuid NOT NULL,
  started_at timestamp with time zone NOT NULL,
  lease_until timestamp with time zone NOT NULL,
  in_flight uuid[] NOT NULL DEFAULT '{}'::uuid[],
  in_flight_attempts integer[] NOT NULL DEFAULT '{}'::integer[],
  in_flight_since timestamp with time zone[] NOT NULL DEFAULT '{}'::timestamp with time zone[],
  alone uuid,
  CONSTRAINT workers_pkey PRIMARY KEY (id),
  CONSTRAINT workers_in_flight_check CHECK (((cardinality(in_flight) = cardinality(in_flight_attempts)) AND (cardinality(in_flight) = cardinality(in_flight_since))))
) WITH (fillfactor=10, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=1000);

CREATE OR REPLACE FUNCTION postrider.add_partition(history text, name text, since timestamp with time zone, until timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
  EXECUTE format(
    'CREATE TABLE postrider.%I PARTITION OF postrider.%I FOR VALUES FROM (%s) TO (%s)',
    name,
    history,
    postrider.partition_bound(history, since),
    postrider.partition_bound(history, until)
  );
  -- Nobody is granted anything on it; were they, they would see nothing.
  EXECUTE format('ALTER TABLE postrider.%I ENABLE ROW LEVEL SECURITY', name);
  IF history = 'deliveries' THEN
    EXECUTE format('CREATE UNIQUE INDEX ON postrider.%I (event_id, webhook_id)', name);
    -- Results update rows in their page; what is not finished is vacuumed soon.
    EXECUTE format(
      'ALTER TABLE postrider.%I SET (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05)',
      name
    );
  END IF;
END
$function$;
REVOKE ALL ON FUNCTION postrider.add_partition(text,text,timestamp with time zone,timestamp with time zone) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.admit_event_ids(project_id uuid, ids uuid[], created_at timestamp with time zone DEFAULT now())
 RETURNS uuid[]
 LANGUAGE plpgsql
AS $function$
  DECLARE
    admitted uuid[];
  BEGIN
    WITH new AS (
      INSERT INTO postrider.event_ids (project_id, id, created_at)
      SELECT admit_event_ids.project_id, given.id, admit_event_ids.created_at
      FROM (SELECT DISTINCT given.id FROM unnest(ids) AS given (id)) AS given
      ORDER BY given.id
      ON CONFLICT DO NOTHING
      RETURNING event_ids.id
    )
    SELECT COALESCE(array_agg(new.id), '{}') INTO admitted
    FROM new;
    RETURN admitted;
  END
  $function$;
REVOKE ALL ON FUNCTION postrider.admit_event_ids(uuid,uuid[],timestamp with time zone) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.admit_tenant_role()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
  PERFORM postrider.admit_tenant_role_before_partitions();
  GRANT SELECT ON
    postrider.event_ids,
    postrider.event_places
    TO postrider_tenant;
END
$function$;
REVOKE ALL ON FUNCTION postrider.admit_tenant_role() FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.admit_tenant_role_before_event_types()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
  PERFORM postrider.admit_tenant_role_before_jobs();
  GRANT SELECT, INSERT, UPDATE (status, finished_at) ON postrider.jobs TO postrider_tenant;
END
$function$;
REVOKE ALL ON FUNCTION postrider.admit_tenant_role_before_event_types() FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.admit_tenant_role_before_jobs()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
  PERFORM postrider.admit_tenant_role_before_statistics();
  GRANT SELECT ON
    postrider.attempt_statistics,
    postrider.event_statistics,
    postrider.failed_deliveries
    TO postrider_tenant;
  GRANT EXECUTE ON FUNCTION
    postrider.uuid_at(timestamptz),
    postrider.statistics_reach()
    TO postrider_tenant;
END
$function$;
REVOKE ALL ON FUNCTION postrider.admit_tenant_role_before_jobs() FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.admit_tenant_role_before_partitions()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
  PERFORM postrider.admit_tenant_role_before_retention();
  GRANT UPDATE (retention_days, payload_retention_days, backlog_limit) ON postrider.projects TO postrider_tenant;
  GRANT EXECUTE ON FUNCTION postrider.erase_event(uuid, uuid) TO postrider_tenant;
END
$function$;
REVOKE ALL ON FUNCTION postrider.admit_tenant_role_before_partitions() FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.admit_tenant_role_before_retention()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
  PERFORM postrider.admit_tenant_role_before_signals();
  GRANT SELECT ON
    postrider.failing_webhooks,
    postrider.webhook_breakers
    TO postrider_tenant;
END
$function$;
REVOKE ALL ON FUNCTION postrider.admit_tenant_role_before_retention() FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.admit_tenant_role_before_shaping()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
  PERFORM postrider.admit_tenant_role_before_event_types();
  GRANT SELECT ON
    postrider.webhook_event_type_versions,
    postrider.event_type_registries
    TO postrider_tenant;
END
$function$;
REVOKE ALL ON FUNCTION postrider.admit_tenant_role_before_shaping() FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.admit_tenant_role_before_signals()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
  PERFORM postrider.admit_tenant_role_before_shaping();
  GRANT SELECT ON
    postrider.webhook_shapes,
    postrider.filtered_deliveries
    TO postrider_tenant;
END
$function$;
REVOKE ALL ON FUNCTION postrider.admit_tenant_role_before_signals() FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.admit_tenant_role_before_statistics()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
$function$;
REVOKE ALL ON FUNCTION postrider.admit_tenant_role_before_statistics() FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.admit_tenant_role_without_users()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
$function$;
REVOKE ALL ON FUNCTION postrider.admit_tenant_role_without_users() FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.audit(project_id uuid, action text, resource_type text, resource_id text, before jsonb, after jsonb)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
#variable_conflict use_variable
BEGIN
  IF project_id IS DISTINCT FROM COALESCE(postrider.current_project(), project_id) THEN
    RAISE EXCEPTION 'the audit log of project % is not to be written by another one', project_id
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  PERFORM postrider.audit_as(NULL, project_id, action, resource_type, resource_id, before, after);
END
$function$;
REVOKE ALL ON FUNCTION postrider.audit(uuid,text,text,text,jsonb,jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION postrider.audit(uuid,text,text,text,jsonb,jsonb) TO postrider_tenant;

CREATE OR REPLACE FUNCTION postrider.audit_as(otherwise jsonb, project_id uuid, action text, resource_type text, resource_id text, before jsonb, after jsonb)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
$function$;
REVOKE ALL ON FUNCTION postrider.audit_as(jsonb,uuid,text,text,text,jsonb,jsonb) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.audit_change()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
$function$;
REVOKE ALL ON FUNCTION postrider.audit_change() FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.audit_job()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
$function$;
REVOKE ALL ON FUNCTION postrider.audit_job() FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.audit_replay()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
$function$;
REVOKE ALL ON FUNCTION postrider.audit_replay() FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.auditable(given jsonb)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (given || CASE WHEN (jsonb_typeof((given -> 'headers'::text)) = 'object'::text) THEN jsonb_build_object('header_names', (SELECT jsonb_agg(name.name ORDER BY (name.name COLLATE "C")) AS jsonb_agg FROM jsonb_object_keys((auditable.given -> 'headers'::text)) name(name))) ELSE '{}'::jsonb END);
REVOKE ALL ON FUNCTION postrider.auditable(jsonb) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.begin_event_ids()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
  CREATE OR REPLACE FUNCTION postrider.admit_event_ids(
    project_id uuid,
    ids uuid[],
    created_at timestamptz DEFAULT now()
  )
  RETURNS uuid[]
  LANGUAGE plpgsql
  AS $$
  BEGIN
    INSERT INTO postrider.event_ids (project_id, id, created_at)
    SELECT admit_event_ids.project_id, given.id, admit_event_ids.created_at
    FROM (SELECT DISTINCT given.id FROM unnest(ids) AS given (id)) AS given
    ORDER BY given.id
    ON CONFLICT DO NOTHING;
    RETURN ids;
  END
  $$;

  CREATE OR REPLACE FUNCTION postrider.hold_event_ids(project_id uuid, ids uuid[])
  RETURNS uuid[]
  LANGUAGE plpgsql
  AS $$
  BEGIN
    INSERT INTO postrider.event_ids AS known (project_id, id, created_at, late)
    SELECT event.project_id, event.id, event.created_at, true
    FROM postrider.events AS event
    WHERE event.project_id = hold_event_ids.project_id
      AND event.id = ANY(ids)
    ORDER BY event.id
    ON CONFLICT ON CONSTRAINT event_ids_pkey DO UPDATE
    SET created_at = EXCLUDED.created_at,
        late = true;
    RETURN ids;
  END
  $$;
END
$function$;
REVOKE ALL ON FUNCTION postrider.begin_event_ids() FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.check_event(path text, type text, data jsonb, environment_name text, "timestamp" timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
  data_text text;
BEGIN
  IF type IS NULL THEN
    RAISE EXCEPTION '%type is missing', path
      USING ERRCODE = 'null_value_not_allowed', COLUMN = path || 'type';
  END IF;
  IF length(type) > 255 OR type !~ '^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$' THEN
    RAISE EXCEPTION '%type must be segments of A-Z a-z 0-9 _ - joined by dots, at most 255 characters', path
      USING ERRCODE = 'invalid_parameter_value', COLUMN = path || 'type';
  END IF;
  IF environment_name = '' OR length(environment_name) > 255 OR environment_name ~ '[[:cntrl:]]' THEN
    RAISE EXCEPTION '%environment_name must have 1 to 255 characters and no control characters', path
      USING ERRCODE = 'invalid_parameter_value', COLUMN = path || 'environment_name';
  END IF;
  IF "timestamp" NOT BETWEEN '0001-01-01T00:00:00Z' AND '9999-12-31T23:59:59.999Z' THEN
    RAISE EXCEPTION '%timestamp must lie in the years 1 to 9999', path
      USING ERRCODE = 'invalid_parameter_value', COLUMN = path || 'timestamp';
  END IF;
  IF data IS NULL THEN
    RAISE EXCEPTION '%data is missing', path
      USING ERRCODE = 'null_value_not_allowed', COLUMN = path || 'data';
  END IF;
  IF jsonb_path_exists(data, 'strict $.**{64 to last} ? (@.type() == "object" || @.type() == "array")') THEN
    RAISE EXCEPTION '%data is nested deeper than 64 levels', path
      USING ERRCODE = 'invalid_parameter_value', COLUMN = path || 'data';
  END IF;

  data_text := data::text;
  -- Only a text with a long run of digits can hold such a number: the walk over all values costs three times this.
  IF data_text ~ '[0-9]{250}' AND EXISTS (
    SELECT
    FROM jsonb_path_query(data, 'strict $.** ? (@.type() == "number")') AS number
    WHERE length(translate(number::text, '-.', '')) > 1000
  ) THEN
    RAISE EXCEPTION '%data has a number of more than 1,000 digits', path
      USING ERRCODE = 'invalid_parameter_value', COLUMN = path || 'data';
  END IF;
  IF octet_length(data_text) > 262144 AND postrider.compact_length(data) > 262144 THEN
    RAISE EXCEPTION '%data is larger than 256 KiB', path
      USING ERRCODE = 'program_limit_exceeded', COLUMN = path || 'data';
  END IF;
END
$function$;
REVOKE ALL ON FUNCTION postrider.check_event(text,text,jsonb,text,timestamp with time zone) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.check_fields(events jsonb)
 RETURNS void
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
  event jsonb;
  position integer := 0;
  path text;
  field text;
BEGIN
  FOR event IN SELECT jsonb_array_elements(events) LOOP
    position := position + 1;
    path := postrider.event_path(true, position);
    IF jsonb_typeof(event) <> 'object' THEN
      RAISE EXCEPTION '% must be an object', rtrim(path, '.')
        USING ERRCODE = 'invalid_parameter_value', COLUMN = rtrim(path, '.');
    END IF;
    SELECT name INTO field
    FROM jsonb_object_keys(event) AS name
    WHERE name NOT IN ('id', 'type', 'data', 'application_id', 'environment_name', 'timestamp')
    LIMIT 1;
    IF FOUND THEN
      RAISE EXCEPTION '% is not a field of an event', path || field
        USING ERRCODE = 'invalid_parameter_value', COLUMN = path || field;
    END IF;
    PERFORM postrider.event_uuid(path, event, 'id');
    PERFORM postrider.event_string(path, event, 'type');
    PERFORM postrider.event_uuid(path, event, 'application_id');
    PERFORM postrider.event_string(path, event, 'environment_name');
    PERFORM postrider.event_timestamp(path, event, 'timestamp');
  END LOOP;
  RAISE EXCEPTION 'events holds something that cannot be published'
    USING ERRCODE = 'invalid_parameter_value', COLUMN = 'events';
END
$function$;
REVOKE ALL ON FUNCTION postrider.check_fields(jsonb) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.claim_deliveries(worker_id uuid, now timestamp with time zone, wanted integer, max_held integer, after_webhook_id uuid, held_webhook_ids uuid[], held_counts integer[], known_webhook_ids uuid[], known_most integer[], finished uuid[], known_queues uuid[] DEFAULT NULL::uuid[], known_since timestamp with time zone[] DEFAULT NULL::timestamp with time zone[])
 RETURNS SETOF postrider.claimable_deliveries
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH RECURSIVE life AS MATERIALIZED (
    SELECT worker.id
    FROM postrider.workers AS worker
    WHERE worker.id = claim_deliveries.worker_id
    FOR NO KEY UPDATE
  ),
  queues AS (
    SELECT
      claim_deliveries.after_webhook_id AS webhook_id,
      false AS is_wrapped,
      false AS is_queue
    FROM life
    WHERE claim_deliveries.known_queues IS NULL
    UNION ALL
    SELECT next.webhook_id, next.is_wrapped, true
    FROM queues
    CROSS JOIN LATERAL (
      (
        SELECT queued.webhook_id, queues.is_wrapped
        FROM postrider.delivery_queue AS queued
        WHERE queued.webhook_id > queues.webhook_id
        ORDER BY queued.webhook_id
        LIMIT 1
      )
      UNION ALL
      (
        SELECT queued.webhook_id, true
        FROM postrider.delivery_queue AS queued
        WHERE NOT queues.is_wrapped
        ORDER BY queued.webhook_id
        LIMIT 1
      )
      LIMIT 1
    ) AS next
    WHERE NOT next.is_wrapped
      OR next.webhook_id <= claim_deliveries.after_webhook_id
  ),
  candidates AS MATERIALIZED (
    SELECT due.place, queues.webhook_id, webhook.rate_per_second, breaker.webhook_id IS NOT NULL AS is_probe
    FROM (
      SELECT queues.webhook_id, '-infinity'::timestamptz AS since
      FROM queues
      WHERE queues.is_queue
      UNION ALL
      SELECT known.webhook_id, known.since
      FROM life
      CROSS JOIN unnest(known_queues, known_since) AS known (webhook_id, since)
    ) AS queues
    CROSS JOIN LATERAL (
      SELECT webhook.rate_per_second, webhook.max_in_flight
      FROM postrider.webhooks AS webhook
      WHERE webhook.id = queues.webhook_id
        AND webhook.is_active
      OFFSET 0
    ) AS webhook
    LEFT JOIN LATERAL (
      SELECT postrider.tokens_at(rate, webhook.rate_per_second, claim_deliveries.now) AS tokens
      FROM postrider.webhook_rates AS rate
      WHERE rate.webhook_id = queues.webhook_id
        AND webhook.rate_per_second IS NOT NULL
      FOR UPDATE SKIP LOCKED
    ) AS rate
      ON true
    LEFT JOIN LATERAL (
      SELECT breaker.webhook_id
      FROM postrider.webhook_breakers AS breaker
      WHERE breaker.webhook_id = queues.webhook_id
        AND breaker.ends_at > claim_deliveries.now
      OFFSET 0
    ) AS breaker
      ON true
    LEFT JOIN LATERAL (
      SELECT 1 << probe.good_probes AS count
      FROM postrider.webhook_breakers AS probe
      WHERE probe.webhook_id = breaker.webhook_id
        AND probe.probe_at <= claim_deliveries.now
      FOR UPDATE SKIP LOCKED
    ) AS probe
      ON true
    CROSS JOIN LATERAL (
      SELECT LEAST(
        COALESCE(
          known_most[array_position(known_webhook_ids, queues.webhook_id)],
          webhook.max_in_flight,
          max_held
        ) - COALESCE(held_counts[array_position(held_webhook_ids, queues.webhook_id)], 0),
        CASE
          WHEN webhook.rate_per_second IS NULL THEN wanted
          -- Another worker is counting them.
          WHEN rate.tokens IS NULL THEN 0
          ELSE FLOOR(rate.tokens)
        END,
        CASE
          WHEN breaker.webhook_id IS NULL THEN wanted
          -- It is not time for the next probe, or another worker is just taking it.
          WHEN probe.count IS NULL THEN 0
          ELSE probe.count
        END
      ) AS count
    ) AS room
    CROSS JOIN LATERAL (
      SELECT queued.ctid AS place
      FROM postrider.delivery_queue AS queued
      WHERE queued.webhook_id = queues.webhook_id
        AND queued.scheduled_at >= queues.since
        AND queued.scheduled_at <= claim_deliveries.now + interval '10 milliseconds'
      ORDER BY queued.scheduled_at
      LIMIT GREATEST(room.count, 0)
      FOR UPDATE SKIP LOCKED
    ) AS due
    LIMIT wanted
  ),
  taken AS (
    DELETE FROM postrider.delivery_queue
    WHERE ctid = ANY(ARRAY(SELECT candidates.place FROM candidates))
    RETURNING delivery_id
  ),
  claimed AS MATERIALIZED (
    SELECT delivery.id, delivery.attempts + delivery.rescues + 1 AS attempt
    FROM taken
    CROSS JOIN LATERAL (
      SELECT history.id, history.attempts, history.rescues
      FROM postrider.deliveries AS history
      WHERE history.id = taken.delivery_id
        AND history.status IN ('pending', 'delivering')
      OFFSET 0
    ) AS delivery
  ),
  spent AS (
    UPDATE postrider.webhook_rates AS rate
    SET tokens = postrider.tokens_at(rate, taken.rate_per_second, claim_deliveries.now) - taken.count,
        refilled_at = GREATEST(rate.refilled_at, claim_deliveries.now)
    FROM (
      SELECT candidates.webhook_id, candidates.rate_per_second, COUNT(*) AS count
      FROM candidates
      WHERE candidates.rate_per_second IS NOT NULL
      GROUP BY candidates.webhook_id, candidates.rate_per_second
    ) AS taken
    WHERE rate.webhook_id = taken.webhook_id
  ),
  probed AS (
    UPDATE postrider.webhook_breakers AS breaker
    SET failed_probes = breaker.failed_probes + 1,
        probe_at = claim_deliveries.now + postrider.probe_interval(breaker.failed_probes + 1)
    WHERE breaker.webhook_id = ANY(ARRAY(
      SELECT candidates.webhook_id
      FROM candidates
      WHERE candidates.is_probe
    ))
  ),
  held AS (
    SELECT
      array_agg(entry.id) AS ids,
      array_agg(entry.attempt) AS attempts,
      array_agg(entry.since) AS since
    FROM (
      SELECT entry.id, entry.attempt, entry.since
      FROM postrider.workers AS worker
      CROSS JOIN LATERAL unnest(worker.in_flight, worker.in_flight_attempts, worker.in_flight_since)
        AS entry (id, attempt, since)
      WHERE worker.id = claim_deliveries.worker_id
        AND NOT EXISTS (
          SELECT
          FROM unnest(finished) AS gone (id)
          WHERE gone.id = entry.id
        )
      UNION ALL
      SELECT claimed.id, claimed.attempt, claim_deliveries.now
      FROM claimed
    ) AS entry
  ),
  noted AS (
    UPDATE postrider.workers AS worker
    SET in_flight = held.ids,
        in_flight_attempts = held.attempts,
        in_flight_since = held.since,
        alone = NULL
    FROM held
    WHERE worker.id = claim_deliveries.worker_id
      AND EXISTS (SELECT FROM claimed)
  )
  SELECT
    claimable.id,
    claimable.webhook_id,
    claimable.project_id,
    claimable.event_id,
    claimable.event_type,
    claimable.payload,
    claimable.attempts,
    claimable.max_attempts,
    claimable.rescues,
    claimable.max_rescues,
    claimable.status,
    claimable.url,
    claimable.secret,
    claimable.previous_secret,
    claimable.previous_secret_expires_at,
    claimable.headers,
    claimable.retry_seconds,
    claimable.timeout_ms,
    claimable.max_in_flight,
    claimable.ordered,
    claimable.shape_id,
    claimable.webhook_id = ANY(ARRAY(
      SELECT candidates.webhook_id
      FROM candidates
      WHERE candidates.is_probe
    )),
    claimable.traceparent
  FROM claimed
  CROSS JOIN LATERAL (
    SELECT *
    FROM postrider.claimable_deliveries AS claimable
    WHERE claimable.id = claimed.id
    OFFSET 0
  ) AS claimable;
END
$function$;
REVOKE ALL ON FUNCTION postrider.claim_deliveries(uuid,timestamp with time zone,integer,integer,uuid,uuid[],integer[],uuid[],integer[],uuid[],uuid[],timestamp with time zone[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.close_deliveries(part text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
  -- Whoever closed it before did not come to its end.
  PERFORM postrider.reopen_deliveries(part);
  EXECUTE format(
    'CREATE TRIGGER closed_update BEFORE UPDATE ON postrider.%I FOR EACH ROW WHEN (OLD.status IN (''delivered'', ''failed'') AND NEW.status NOT IN (''delivered'', ''failed'')) EXECUTE FUNCTION postrider.keep_finished()',
    part
  );
  EXECUTE format(
    'CREATE TRIGGER closed_insert BEFORE INSERT ON postrider.%I FOR EACH ROW EXECUTE FUNCTION postrider.keep_finished()',
    part
  );
END
$function$;
REVOKE ALL ON FUNCTION postrider.close_deliveries(text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.compact_length(data jsonb)
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN ((octet_length((data)::text))::numeric - (SELECT COALESCE(sum(CASE jsonb_typeof(container.container) WHEN 'array'::text THEN (GREATEST((jsonb_array_length(container.container) - 1), 0))::bigint ELSE GREATEST(((2 * (SELECT count(*) AS count FROM jsonb_object_keys(container.container) jsonb_object_keys(jsonb_object_keys))) - 1), (0)::bigint) END), (0)::numeric) AS "coalesce" FROM jsonb_path_query(compact_length.data, 'strict $.**?(@.type() == "object" || @.type() == "array")'::jsonpath) container(container)));
REVOKE ALL ON FUNCTION postrider.compact_length(jsonb) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.current_project()
 RETURNS uuid
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN (NULLIF(current_setting('postrider.project_id'::text, true), ''::text))::uuid;

CREATE OR REPLACE FUNCTION postrider.delete_attempts_of_deliveries()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
BEGIN
  DELETE FROM postrider.webhook_delivery_attempts AS attempt
  USING deleted
  WHERE attempt.delivery_id = deleted.id;
  RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION postrider.delete_attempts_of_deliveries() FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.delete_rows_of_project()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
  deletion_id uuid;
BEGIN
  INSERT INTO postrider.deletions (project_id)
  VALUES (OLD.id)
  RETURNING id INTO deletion_id;
  PERFORM postrider.step_deletion(deletion_id, 500);
  RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION postrider.delete_rows_of_project() FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.delete_rows_of_webhook()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
  deletion_id uuid;
  is_one_of_many boolean := (
    SELECT COUNT(*) > 5
    FROM (
      SELECT
      FROM postrider.deletions AS deletion
      WHERE deletion.project_id = OLD.project_id
        AND deletion.created_at = now()
      LIMIT 6
    ) AS deletion
  );
BEGIN
  INSERT INTO postrider.deletions (project_id, webhook_id)
  VALUES (OLD.project_id, OLD.id)
  RETURNING id INTO deletion_id;
  IF NOT is_one_of_many THEN
    PERFORM postrider.step_deletion(deletion_id, CASE
      WHEN EXISTS (SELECT FROM postrider.projects AS project WHERE project.id = OLD.project_id) THEN 500
      ELSE 100
    END);
  END IF;
  RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION postrider.delete_rows_of_webhook() FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.delete_signals_of_project()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
  DELETE FROM postrider.signals WHERE project_id = OLD.id;
  RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION postrider.delete_signals_of_project() FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.deliveries_of_same_event(project_id uuid, path text, id uuid, type text, data jsonb, application_id uuid, environment_name text, "timestamp" timestamp with time zone)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
#variable_conflict use_column
DECLARE
  same boolean;
  deliveries integer;
BEGIN
  SELECT
    event.deliveries,
    event.type = deliveries_of_same_event.type
      AND event.application_id IS NOT DISTINCT FROM deliveries_of_same_event.application_id
      AND event.environment_name IS NOT DISTINCT FROM deliveries_of_same_event.environment_name
      AND (
        deliveries_of_same_event."timestamp" IS NULL
        OR event."timestamp" = date_trunc('milliseconds', deliveries_of_same_event."timestamp")
      )
      AND (
        event.payload_expired_at IS NOT NULL
        OR event.payload::jsonb -> 'data' IS NOT DISTINCT FROM deliveries_of_same_event.data
      )
  INTO deliveries, same
  FROM postrider.events AS event
  WHERE event.project_id = deliveries_of_same_event.project_id
    AND event.id = deliveries_of_same_event.id
    AND event.created_at = (
      SELECT place.created_at
      FROM postrider.event_places AS place
      WHERE place.project_id = deliveries_of_same_event.project_id
        AND place.id = deliveries_of_same_event.id
    );

  IF NOT FOUND THEN
    RAISE EXCEPTION '%id % was being removed while it was published again: try again', path, id
      USING ERRCODE = 'serialization_failure', COLUMN = path || 'id';
  END IF;
  IF NOT same THEN
    RAISE EXCEPTION '%id % was published before with other content', path, deliveries_of_same_event.id
      USING ERRCODE = 'unique_violation', COLUMN = path || 'id',
        HINT = 'Use a new id for a new event; send the same content to repeat one.';
  END IF;
  RETURN deliveries;
END
$function$;
REVOKE ALL ON FUNCTION postrider.deliveries_of_same_event(uuid,text,uuid,text,jsonb,uuid,text,timestamp with time zone) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.disable_webhooks_of_application()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  UPDATE postrider.webhooks
  SET is_active = false,
      disabled_reason = 'application_deleted'
  WHERE project_id = OLD.project_id
    AND application_id = OLD.id;
  RETURN OLD;
END
$function$;
REVOKE ALL ON FUNCTION postrider.disable_webhooks_of_application() FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.end_open_partitions(ends_at timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
  parent text;
  key text;
  begins_at timestamptz;
  part text;
BEGIN
  -- In the order in which publishing and recording take them.
  LOCK TABLE ONLY postrider.events, ONLY postrider.deliveries, ONLY postrider.webhook_delivery_attempts
    IN ACCESS EXCLUSIVE MODE;
  FOR parent, key IN
    VALUES ('deliveries', 'id'), ('webhook_delivery_attempts', 'delivery_id'), ('events', 'created_at')
  LOOP
    SELECT standing.since INTO begins_at
    FROM postrider.history_partitions AS standing
    WHERE standing.history = parent
      AND standing.partition = parent || '_open';
    -- Where there is none, another tool makes them. Or somebody else was here while we waited for the lock.
    CONTINUE WHEN NOT FOUND OR ends_at <= begins_at;
    part := postrider.partition_name(parent, begins_at);
    EXECUTE format('ALTER TABLE postrider.%I DETACH PARTITION postrider.%I', parent, parent || '_open');
    EXECUTE format('ALTER TABLE postrider.%I RENAME TO %I', parent || '_open', part);
    PERFORM postrider.add_partition(parent, parent || '_open', ends_at, postrider.open_until(parent));
    EXECUTE format(
      'WITH moved AS (DELETE FROM postrider.%I WHERE %I >= %s RETURNING *) INSERT INTO postrider.%I SELECT * FROM moved',
      part, key, postrider.partition_bound(parent, ends_at), parent
    );
    EXECUTE format(
      'ALTER TABLE postrider.%I ATTACH PARTITION postrider.%I FOR VALUES FROM (%s) TO (%s)',
      parent, part, postrider.partition_bound(parent, begins_at), postrider.partition_bound(parent, ends_at)
    );
    EXECUTE format('ALTER TABLE postrider.%I DROP CONSTRAINT IF EXISTS within_bounds', part);
  END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION postrider.end_open_partitions(timestamp with time zone) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.envelope(project_id uuid, id uuid, type text, data text, application_id uuid, environment_name text, "timestamp" timestamp with time zone)
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN ((((((((((((('{"id":"'::text || id) || '","timestamp":"'::text) || to_char(("timestamp" AT TIME ZONE 'UTC'::text), 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'::text)) || '","type":"'::text) || type) || '","api_version":"v1","project_id":"'::text) || project_id) || '"'::text) || COALESCE(((',"application_id":"'::text || application_id) || '"'::text), ''::text)) || COALESCE((',"environment_name":'::text || to_json(environment_name)), ''::text)) || ',"data":'::text) || data) || '}'::text);
REVOKE ALL ON FUNCTION postrider.envelope(uuid,uuid,text,text,uuid,text,timestamp with time zone) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION postrider.envelope(uuid,uuid,text,text,uuid,text,timestamp with time zone) TO postrider_tenant;

CREATE OR REPLACE FUNCTION postrider.erase_event(project_id uuid, id uuid)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
DECLARE
  is_there boolean;
  delivery_ids uuid[];
  in_flight integer;
  filtered integer;
BEGIN
  -- For another project there is none.
  IF erase_event.project_id IS DISTINCT FROM COALESCE(postrider.current_project(), erase_event.project_id) THEN
    RETURN false;
  END IF;

  PERFORM
  FROM postrider.events AS event
  WHERE event.project_id = erase_event.project_id
    AND event.id = erase_event.id
    AND event.created_at = (
      SELECT place.created_at
      FROM postrider.event_places AS place
      WHERE place.project_id = erase_event.project_id
        AND place.id = erase_event.id
    )
  FOR UPDATE;
  is_there := FOUND;
  delivery_ids := ARRAY(
    SELECT delivery.id
    FROM postrider.deliveries AS delivery
    WHERE delivery.event_id = erase_event.id
      AND delivery.project_id = erase_event.project_id
    ORDER BY delivery.id
    FOR UPDATE
  );
  SELECT COUNT(*)::integer
  INTO in_flight
  FROM postrider.workers AS worker
  CROSS JOIN LATERAL unnest(worker.in_flight, worker.in_flight_attempts) AS entry (id, attempt)
  JOIN postrider.deliveries AS delivery
    ON delivery.id = entry.id
    AND delivery.attempts + delivery.rescues + 1 = entry.attempt
    AND delivery.status IN ('pending', 'delivering')
  WHERE entry.id = ANY(delivery_ids);

  DELETE FROM postrider.delivery_queue AS queued
  USING postrider.deliveries AS delivery
  WHERE delivery.id = ANY(delivery_ids)
    AND queued.webhook_id = delivery.webhook_id
    AND queued.scheduled_at = delivery.scheduled_at
    AND queued.delivery_id = delivery.id;
  DELETE FROM postrider.delivery_schedule AS waiting
  USING postrider.deliveries AS delivery
  WHERE delivery.id = ANY(delivery_ids)
    AND waiting.scheduled_at = delivery.scheduled_at
    AND waiting.delivery_id = delivery.id;
  DELETE FROM postrider.delivery_line_waiting AS lined
  USING postrider.deliveries AS delivery
  WHERE delivery.id = ANY(delivery_ids)
    AND lined.webhook_id = delivery.webhook_id
    AND lined.delivery_id = delivery.id;
  DELETE FROM postrider.deliveries AS delivery
  WHERE delivery.project_id = erase_event.project_id
    AND delivery.id = ANY(delivery_ids);

  DELETE FROM postrider.filtered_deliveries AS kept_back
  WHERE kept_back.project_id = erase_event.project_id
    AND kept_back.event_id = erase_event.id;
  GET DIAGNOSTICS filtered = ROW_COUNT;
  IF NOT is_there AND filtered = 0 AND delivery_ids = '{}' THEN
    RETURN false;
  END IF;
  -- What is to be told of one that failed, and was not told yet.
  DELETE FROM postrider.signals AS signal
  WHERE signal.project_id = erase_event.project_id
    AND signal.data ->> 'event_id' = erase_event.id::text;
  DELETE FROM postrider.events AS event
  WHERE event.project_id = erase_event.project_id
    AND event.id = erase_event.id
    AND event.created_at = (
      SELECT place.created_at
      FROM postrider.event_places AS place
      WHERE place.project_id = erase_event.project_id
        AND place.id = erase_event.id
    );

  PERFORM postrider.audit_as(
    NULL, erase_event.project_id, 'event.erased', 'event', erase_event.id::text,
    jsonb_build_object('deliveries', cardinality(delivery_ids), 'in_flight', in_flight), NULL
  );
  RETURN true;
END
$function$;
REVOKE ALL ON FUNCTION postrider.erase_event(uuid,uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION postrider.erase_event(uuid,uuid) TO postrider_tenant;

CREATE OR REPLACE FUNCTION postrider.event_path(is_batch boolean, ordinality integer)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN is_batch THEN (('events['::text || (ordinality - 1)) || '].'::text) ELSE ''::text END;
REVOKE ALL ON FUNCTION postrider.event_path(boolean,integer) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.event_string(path text, event jsonb, name text)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
  IF jsonb_typeof(event -> name) NOT IN ('string', 'null') THEN
    RAISE EXCEPTION '% must be a string', path || name
      USING ERRCODE = 'invalid_parameter_value', COLUMN = path || name;
  END IF;
  RETURN event ->> name;
END
$function$;
REVOKE ALL ON FUNCTION postrider.event_string(text,jsonb,text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.event_timestamp(path text, event jsonb, name text)
 RETURNS timestamp with time zone
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
  value text := postrider.event_string(path, event, name);
  pattern CONSTANT text := '^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$';
BEGIN
  IF value IS NULL THEN
    RETURN NULL;
  END IF;
  IF value ~ pattern THEN
    BEGIN
      RETURN value::timestamptz;
    EXCEPTION WHEN data_exception THEN
      NULL; -- such as the 30th of February
    END;
  END IF;
  RAISE EXCEPTION '% must be a time such as 2026-11-24T09:30:00.000Z', path || name
    USING ERRCODE = 'invalid_parameter_value', COLUMN = path || name;
END
$function$;
REVOKE ALL ON FUNCTION postrider.event_timestamp(text,jsonb,text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.event_type_patterns(type text)
 RETURNS text[]
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (ARRAY['*'::text, type] || ARRAY(SELECT (array_to_string(segments.segments[1:length.length], '.'::text) || '.*'::text) FROM (string_to_array(event_type_patterns.type, '.'::text) segments(segments) CROSS JOIN LATERAL generate_series(1, (cardinality(segments.segments) - 1)) length(length))));
REVOKE ALL ON FUNCTION postrider.event_type_patterns(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION postrider.event_type_patterns(text) TO postrider_tenant;

CREATE OR REPLACE FUNCTION postrider.event_types_revision(project_id uuid)
 RETURNS bigint
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
  RETURN COALESCE((
    SELECT registry.revision
    FROM postrider.event_type_registries AS registry
    WHERE registry.project_id = event_types_revision.project_id
  ), 0);
END
$function$;

CREATE OR REPLACE FUNCTION postrider.event_uuid(path text, event jsonb, name text)
 RETURNS uuid
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
  value text := postrider.event_string(path, event, name);
BEGIN
  IF value !~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' THEN
    RAISE EXCEPTION '% must be a UUID', path || name
      USING ERRCODE = 'invalid_parameter_value', COLUMN = path || name;
  END IF;
  RETURN value::uuid;
END
$function$;
REVOKE ALL ON FUNCTION postrider.event_uuid(text,jsonb,text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.forget_event_ids()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
BEGIN
  DELETE FROM postrider.event_ids AS known
  USING deleted
  WHERE known.project_id = deleted.project_id
    AND known.id = deleted.id
    AND known.created_at = deleted.created_at;
  RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION postrider.forget_event_ids() FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.forget_failed_deliveries()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
  DELETE FROM postrider.failed_deliveries
  WHERE delivery_id = ANY(ARRAY(SELECT deleted.id FROM deleted WHERE deleted.status = 'failed'));
  RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION postrider.forget_failed_deliveries() FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.hold_event_ids(project_id uuid, ids uuid[])
 RETURNS uuid[]
 LANGUAGE plpgsql
AS $function$
  DECLARE
    held uuid[];
  BEGIN
    PERFORM
    FROM postrider.event_ids AS known
    WHERE known.project_id = hold_event_ids.project_id
      AND known.id = ANY(ids)
    ORDER BY known.id
    FOR NO KEY UPDATE;
    WITH marked AS (
      UPDATE postrider.event_ids AS known
      SET late = true
      WHERE known.project_id = hold_event_ids.project_id
        AND known.id = ANY(ids)
      RETURNING known.id
    )
    SELECT COALESCE(array_agg(marked.id), '{}') INTO held
    FROM marked;
    RETURN held;
  END
  $function$;
REVOKE ALL ON FUNCTION postrider.hold_event_ids(uuid,uuid[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.keep_audit_log()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
$function$;
REVOKE ALL ON FUNCTION postrider.keep_audit_log() FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.keep_event_type_version()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
$function$;
REVOKE ALL ON FUNCTION postrider.keep_event_type_version() FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.keep_finished()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
  IF TG_OP = 'INSERT' THEN
    RAISE EXCEPTION 'this part of the history is being dropped: try again'
      USING ERRCODE = 'serialization_failure';
  END IF;
  RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION postrider.keep_finished() FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.keep_policy()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
  IF NEW.rate_per_second IS NULL THEN
    DELETE FROM postrider.webhook_rates WHERE webhook_id = NEW.id;
  ELSE
    INSERT INTO postrider.webhook_rates (webhook_id, tokens, refilled_at)
    VALUES (NEW.id, GREATEST(NEW.rate_per_second, 1), clock_timestamp())
    ON CONFLICT (webhook_id) DO UPDATE
    SET tokens = LEAST(webhook_rates.tokens, GREATEST(NEW.rate_per_second, 1));
  END IF;

  IF NEW.ordered THEN
    INSERT INTO postrider.delivery_lines (webhook_id)
    VALUES (NEW.id)
    ON CONFLICT DO NOTHING;
  ELSE
    DELETE FROM postrider.delivery_lines WHERE webhook_id = NEW.id;
    WITH released AS (
      DELETE FROM postrider.delivery_line_waiting
      WHERE webhook_id = NEW.id
      RETURNING delivery_id
    )
    INSERT INTO postrider.delivery_queue (webhook_id, scheduled_at, delivery_id)
    SELECT delivery.webhook_id, delivery.scheduled_at, delivery.id
    FROM postrider.deliveries AS delivery
    WHERE delivery.id = ANY(ARRAY(SELECT released.delivery_id FROM released));
  END IF;
  RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION postrider.keep_policy() FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.keep_shape()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    UPDATE postrider.webhook_shapes
    SET replaced_at = now()
    WHERE id = OLD.shape_id;
  END IF;
  IF NEW.shape_id IS NOT NULL THEN
    INSERT INTO postrider.webhook_shapes (id, project_id, webhook_id, payload_template, filter)
    VALUES (NEW.shape_id, NEW.project_id, NEW.id, NEW.payload_template, NEW.filter);
  END IF;
  RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION postrider.keep_shape() FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.moment_of_bound(bound text)
 RETURNS timestamp with time zone
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN CASE WHEN (bound = 'MINVALUE'::text) THEN '-infinity'::timestamp with time zone WHEN (bound = 'MAXVALUE'::text) THEN 'infinity'::timestamp with time zone WHEN (bound ~ '^''[0-9a-f]{8}-[0-9a-f]{4}-7000-8000-000000000000''$'::text) THEN to_timestamp((((((('x'::text || lpad(translate("left"(bound, 14), '''-'::text, ''::text), 16, '0'::text)))::bit(64))::bigint)::numeric / 1000.0))::double precision) ELSE (btrim(bound, ''''::text))::timestamp with time zone END;
REVOKE ALL ON FUNCTION postrider.moment_of_bound(text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.move_event_id()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
  UPDATE postrider.event_ids AS known
  SET project_id = NEW.project_id,
      id = NEW.id,
      created_at = NEW.created_at
  WHERE known.project_id = OLD.project_id
    AND known.id = OLD.id;
  RETURN NEW;
END
$function$;
REVOKE ALL ON FUNCTION postrider.move_event_id() FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.name_shape()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
  IF json_typeof(NEW.payload_template) = 'null' THEN
    NEW.payload_template := NULL;
  END IF;
  IF TG_OP = 'UPDATE'
    AND NEW.payload_template::text IS NOT DISTINCT FROM OLD.payload_template::text
    AND NEW.filter IS NOT DISTINCT FROM OLD.filter THEN
    NEW.shape_id := OLD.shape_id;
  ELSIF NEW.payload_template IS NULL AND NEW.filter IS NULL THEN
    NEW.shape_id := NULL;
  ELSE
    NEW.shape_id := postrider.uuid_generate_v7();
  END IF;
  RETURN NEW;
END
$function$;
REVOKE ALL ON FUNCTION postrider.name_shape() FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.note_event_ids(after_project_id uuid, after_id uuid, most integer)
 RETURNS TABLE(project_id uuid, id uuid, count integer)
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET enable_sort TO 'off'
AS $function$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH next AS MATERIALIZED (
    SELECT event.project_id, event.id, event.created_at
    FROM postrider.events AS event
    WHERE (event.project_id, event.id) > (after_project_id, after_id)
    ORDER BY event.project_id, event.id
    LIMIT most
  ),
  noted AS (
    INSERT INTO postrider.event_ids AS known (project_id, id, created_at, late)
    SELECT
      next.project_id,
      next.id,
      next.created_at,
      EXISTS (
        SELECT
        FROM postrider.deliveries AS delivery
        WHERE delivery.event_id = next.id
          AND delivery.project_id = next.project_id
          AND delivery.created_at <> next.created_at
        OFFSET 0
      )
    FROM next
    ON CONFLICT (project_id, id) DO UPDATE
    SET created_at = EXCLUDED.created_at,
        late = known.late OR EXCLUDED.late
    -- Written down anew each time otherwise, when this is begun again.
    WHERE known.created_at <> EXCLUDED.created_at
      OR (EXCLUDED.late AND NOT known.late)
  )
  SELECT next.project_id, next.id, (SELECT COUNT(*)::integer FROM next)
  FROM next
  ORDER BY next.project_id DESC, next.id DESC
  LIMIT 1;
END
$function$;
REVOKE ALL ON FUNCTION postrider.note_event_ids(uuid,uuid,integer) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.note_failed_delivery()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
  IF NEW.status = 'failed' THEN
    INSERT INTO postrider.failed_deliveries (delivery_id, project_id, webhook_id, created_at)
    VALUES (NEW.id, NEW.project_id, NEW.webhook_id, NEW.created_at)
    ON CONFLICT (delivery_id) DO UPDATE
    SET webhook_id = EXCLUDED.webhook_id,
        created_at = EXCLUDED.created_at;
    IF TG_OP = 'UPDATE' THEN
      IF OLD.status <> 'failed' AND NEW.last_error IS DISTINCT FROM 'cancelled' THEN
        PERFORM postrider.signal(webhook, 'delivery.failed', jsonb_build_object(
          'delivery_id', NEW.id,
          'event_id', NEW.event_id,
          'event_type', NEW.event_type,
          'attempts', NEW.attempts,
          'error', NEW.last_error,
          'response_status', NEW.last_response_status,
          'created_at', postrider.utc_text(NEW.created_at),
          'failed_at', postrider.utc_text(clock_timestamp())
        ))
        FROM postrider.webhooks AS webhook
        WHERE webhook.id = NEW.webhook_id;
      END IF;
    END IF;
  ELSE
    DELETE FROM postrider.failed_deliveries WHERE delivery_id = NEW.id;
  END IF;
  RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION postrider.note_failed_delivery() FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.note_retention_rule()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
  changed uuid := CASE TG_OP WHEN 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END ->> TG_ARGV[0];
BEGIN
  INSERT INTO postrider.project_retention (project_id)
  SELECT project.id
  FROM postrider.projects AS project
  WHERE project.id = changed
  ON CONFLICT (project_id) DO UPDATE
  SET due_at = EXCLUDED.due_at,
      phase = EXCLUDED.phase,
      last_created_at = EXCLUDED.last_created_at,
      last_id = EXCLUDED.last_id,
      payloads_from = EXCLUDED.payloads_from,
      payloads_left_at = NULL;
  RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION postrider.note_retention_rule() FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.number_event_type_version()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
  NEW.version := CASE
    WHEN TG_OP = 'INSERT' THEN 1
    WHEN NEW.schema IS DISTINCT FROM OLD.schema THEN OLD.version + 1
    ELSE OLD.version
  END;
  RETURN NEW;
END
$function$;
REVOKE ALL ON FUNCTION postrider.number_event_type_version() FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.open_until(history text)
 RETURNS timestamp with time zone
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (CASE history WHEN 'events'::text THEN 'infinity'::text ELSE '2200-01-01T00:00:00Z'::text END)::timestamp with time zone;
REVOKE ALL ON FUNCTION postrider.open_until(text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.partition_bound(history text, moment timestamp with time zone)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN CASE WHEN (moment = '-infinity'::timestamp with time zone) THEN 'MINVALUE'::text WHEN (moment = 'infinity'::timestamp with time zone) THEN 'MAXVALUE'::text WHEN (history = 'events'::text) THEN quote_literal(to_char((moment AT TIME ZONE 'UTC'::text), 'YYYY-MM-DD HH24:MI:SS.US"+00"'::text)) ELSE quote_literal(postrider.uuid_at(moment)) END;
REVOKE ALL ON FUNCTION postrider.partition_bound(text,timestamp with time zone) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.partition_history(ends_at timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
  views text[];
  policies text[];
  statement text;
BEGIN
  -- Whoever reads a view holds it before its tables: were it the other way round here, each would wait for the other. That it
  -- is given to its owner changes nothing, and locks it.
  FOR statement IN
    SELECT format('ALTER VIEW %s OWNER TO %I', view.oid::regclass, pg_get_userbyid(view.relowner))
    FROM pg_class AS view
    WHERE view.oid = ANY(postrider.views_of_history())
  LOOP
    EXECUTE statement;
  END LOOP;
  LOCK TABLE postrider.events, postrider.deliveries, postrider.webhook_delivery_attempts IN ACCESS EXCLUSIVE MODE;

  -- Policies and views are of a table, not of a name.
  SELECT array_agg(format(
    'CREATE POLICY %I ON %s USING (%s)', polname, polrelid::regclass, pg_get_expr(polqual, polrelid)
  ))
  INTO policies
  FROM pg_policy
  WHERE polrelid IN (
    'postrider.deliveries'::regclass,
    'postrider.webhook_delivery_attempts'::regclass,
    'postrider.events'::regclass
  );
  SELECT array_agg(format(
    'CREATE OR REPLACE VIEW %s %s AS %s',
    view.oid::regclass,
    'WITH (' || array_to_string(view.reloptions, ', ') || ')',
    pg_get_viewdef(view.oid)
  ))
  INTO views
  FROM pg_class AS view
  WHERE view.oid = ANY(postrider.views_of_history())
    AND view.oid <> 'postrider.event_places'::regclass;

  PERFORM postrider.partition_table('deliveries', 'id', ends_at);
  PERFORM postrider.partition_table('webhook_delivery_attempts', 'delivery_id', ends_at);
  PERFORM postrider.partition_table('events', 'created_at', ends_at);

  CREATE OR REPLACE VIEW postrider.event_places
  WITH (security_invoker = true)
  AS
  SELECT known.project_id, known.id, known.created_at
  FROM postrider.event_ids AS known;
  FOREACH statement IN ARRAY policies || views LOOP
    EXECUTE statement;
  END LOOP;

  CREATE OR REPLACE FUNCTION postrider.admit_event_ids(
    project_id uuid,
    ids uuid[],
    created_at timestamptz DEFAULT now()
  )
  RETURNS uuid[]
  LANGUAGE plpgsql
  AS $$
  DECLARE
    admitted uuid[];
  BEGIN
    WITH new AS (
      INSERT INTO postrider.event_ids (project_id, id, created_at)
      SELECT admit_event_ids.project_id, given.id, admit_event_ids.created_at
      FROM (SELECT DISTINCT given.id FROM unnest(ids) AS given (id)) AS given
      ORDER BY given.id
      ON CONFLICT DO NOTHING
      RETURNING event_ids.id
    )
    SELECT COALESCE(array_agg(new.id), '{}') INTO admitted
    FROM new;
    RETURN admitted;
  END
  $$;

  -- To be changed, not only locked: who reads by an older snapshot is refused instead of not seeing what was done.
  CREATE OR REPLACE FUNCTION postrider.hold_event_ids(project_id uuid, ids uuid[])
  RETURNS uuid[]
  LANGUAGE plpgsql
  AS $$
  DECLARE
    held uuid[];
  BEGIN
    PERFORM
    FROM postrider.event_ids AS known
    WHERE known.project_id = hold_event_ids.project_id
      AND known.id = ANY(ids)
    ORDER BY known.id
    FOR NO KEY UPDATE;
    WITH marked AS (
      UPDATE postrider.event_ids AS known
      SET late = true
      WHERE known.project_id = hold_event_ids.project_id
        AND known.id = ANY(ids)
      RETURNING known.id
    )
    SELECT COALESCE(array_agg(marked.id), '{}') INTO held
    FROM marked;
    RETURN held;
  END
  $$;
END
$function$;
REVOKE ALL ON FUNCTION postrider.partition_history(timestamp with time zone) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.partition_name(history text, since timestamp with time zone)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (history || CASE WHEN (since = '-infinity'::timestamp with time zone) THEN '_past'::text ELSE to_char((since AT TIME ZONE 'UTC'::text), '"_"YYYYMMDD'::text) END);
REVOKE ALL ON FUNCTION postrider.partition_name(text,timestamp with time zone) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.partition_table(parent text, key text, ends_at timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
  plain CONSTANT oid := format('postrider.%I', parent)::regclass;
  statement text;
  name text;
  again text[];
BEGIN
  -- Unique indexes stay with the partition, but for the primary key where that is what the table is partitioned by.
  SELECT array_agg(standing.definition)
  INTO again
  FROM (
    SELECT format('ALTER TABLE postrider.%I ADD CONSTRAINT %I %s', parent, conname, pg_get_constraintdef(oid)) AS definition
    FROM pg_constraint
    WHERE conrelid = plain
      AND contype = 'p'
      AND parent <> 'events'
    UNION ALL
    SELECT pg_get_indexdef(indexrelid)
    FROM pg_index
    WHERE indrelid = plain
      AND NOT indisunique
    UNION ALL
    SELECT pg_get_triggerdef(oid)
    FROM pg_trigger
    WHERE tgrelid = plain
      AND NOT tgisinternal
    UNION ALL
    SELECT format(
      'GRANT %s ON postrider.%I TO %s',
      privilege_type,
      parent,
      CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END
    )
    FROM pg_class
    CROSS JOIN LATERAL aclexplode(relacl)
    WHERE pg_class.oid = plain
      AND grantee <> relowner
    UNION ALL
    SELECT format(
      'GRANT %s (%I) ON postrider.%I TO %s',
      privilege_type,
      attname,
      parent,
      CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END
    )
    FROM pg_attribute
    CROSS JOIN LATERAL aclexplode(attacl)
    WHERE attrelid = plain
      AND attnum > 0
      AND NOT attisdropped
  ) AS standing;

  FOR statement IN
    SELECT format('ALTER TABLE postrider.%I DROP CONSTRAINT %I', parent, conname)
    FROM pg_constraint
    WHERE conrelid = plain
      AND contype = 'f'
    UNION ALL
    SELECT format('ALTER TABLE postrider.%I VALIDATE CONSTRAINT %I', parent, conname)
    FROM pg_constraint
    WHERE conrelid = plain
      AND contype = 'c'
      AND NOT convalidated
    UNION ALL
    SELECT format('DROP TRIGGER %I ON postrider.%I', tgname, parent)
    FROM pg_trigger
    WHERE tgrelid = plain
      AND NOT tgisinternal
    UNION ALL
    SELECT format('DROP POLICY %I ON postrider.%I', polname, parent)
    FROM pg_policy
    WHERE polrelid = plain
    UNION ALL
    SELECT format(
      'REVOKE ALL ON postrider.%I FROM %s',
      parent,
      CASE granted.grantee WHEN 0 THEN 'PUBLIC' ELSE granted.grantee::regrole::text END
    )
    FROM (
      SELECT grantee
      FROM pg_class
      CROSS JOIN LATERAL aclexplode(relacl)
      WHERE pg_class.oid = plain
        AND grantee <> relowner
      UNION
      SELECT grantee
      FROM pg_attribute
      CROSS JOIN LATERAL aclexplode(attacl)
      WHERE attrelid = plain
    ) AS granted
    UNION ALL
    -- Names are free for the new one's; renaming the index of a constraint renames that, too.
    SELECT format('ALTER INDEX postrider.%I RENAME TO %I', relname, left(relname, 58) || '_past')
    FROM pg_index
    JOIN pg_class
      ON pg_class.oid = indexrelid
    WHERE indrelid = plain
  LOOP
    EXECUTE statement;
  END LOOP;

  EXECUTE format('ALTER TABLE postrider.%I RENAME TO %I', parent, parent || '_past');
  EXECUTE format(
    'CREATE TABLE postrider.%I (LIKE postrider.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE INCLUDING COMPRESSION) PARTITION BY RANGE (%I)',
    parent, parent || '_past', key
  );
  EXECUTE format('ALTER TABLE postrider.%I DROP CONSTRAINT IF EXISTS within_bounds', parent);
  SELECT pg_get_userbyid(relowner) INTO name
  FROM pg_class
  WHERE oid = plain;
  EXECUTE format('ALTER TABLE postrider.%I OWNER TO %I', parent, name);
  EXECUTE format('ALTER TABLE postrider.%I ENABLE ROW LEVEL SECURITY', parent);
  FOREACH statement IN ARRAY again LOOP
    EXECUTE statement;
  END LOOP;
  PERFORM postrider.add_partition(parent, parent || '_open', ends_at, postrider.open_until(parent));
  IF postrider.open_until(parent) < 'infinity' THEN
    PERFORM postrider.add_partition(parent, parent || '_other', postrider.open_until(parent), 'infinity');
  END IF;
  -- Ids of other kinds, where it was not looked before that there are none.
  EXECUTE format(
    'WITH moved AS (DELETE FROM postrider.%I WHERE %I >= %s RETURNING *) INSERT INTO postrider.%I SELECT * FROM moved',
    parent || '_past', key, postrider.partition_bound(parent, ends_at), parent
  );
  EXECUTE format(
    'ALTER TABLE postrider.%I ATTACH PARTITION postrider.%I FOR VALUES FROM (MINVALUE) TO (%s)',
    parent, parent || '_past', postrider.partition_bound(parent, ends_at)
  );
  EXECUTE format('ALTER TABLE postrider.%I DROP CONSTRAINT IF EXISTS within_bounds', parent || '_past');
END
$function$;
REVOKE ALL ON FUNCTION postrider.partition_table(text,text,timestamp with time zone) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.place_delivery(id uuid, webhook_id uuid, status postrider.webhook_delivery_status, scheduled_at timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
#variable_conflict use_column
BEGIN
  DELETE FROM postrider.delivery_queue AS queued
  WHERE queued.webhook_id = place_delivery.webhook_id
    AND queued.delivery_id = place_delivery.id;
  DELETE FROM postrider.delivery_schedule AS waiting
  WHERE waiting.webhook_id = place_delivery.webhook_id
    AND waiting.delivery_id = place_delivery.id;
  DELETE FROM postrider.delivery_line_waiting AS waiting
  WHERE waiting.webhook_id = place_delivery.webhook_id
    AND waiting.delivery_id = place_delivery.id;
  IF place_delivery.status <> 'pending' THEN
    RETURN;
  END IF;
  IF place_delivery.scheduled_at <= clock_timestamp() THEN
    INSERT INTO postrider.delivery_queue (webhook_id, scheduled_at, delivery_id)
    VALUES (place_delivery.webhook_id, place_delivery.scheduled_at, place_delivery.id);
  ELSE
    INSERT INTO postrider.delivery_schedule (webhook_id, scheduled_at, delivery_id)
    VALUES (place_delivery.webhook_id, place_delivery.scheduled_at, place_delivery.id);
  END IF;
END
$function$;
REVOKE ALL ON FUNCTION postrider.place_delivery(uuid,uuid,postrider.webhook_delivery_status,timestamp with time zone) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.probe_interval(failed_probes integer)
 RETURNS interval
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN ((LEAST((10 * (1 << LEAST(failed_probes, 3))), 60))::double precision * '00:00:01'::interval);
REVOKE ALL ON FUNCTION postrider.probe_interval(integer) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.publish(project_id uuid, type text, data jsonb, id uuid DEFAULT NULL::uuid, application_id uuid DEFAULT NULL::uuid, environment_name text DEFAULT NULL::text, "timestamp" timestamp with time zone DEFAULT NULL::timestamp with time zone)
 RETURNS postrider.publication
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET standard_conforming_strings TO 'on'
AS $function$
  SELECT publication
  FROM postrider.publish_columns(
    publish.project_id,
    false,
    ARRAY[publish.id],
    ARRAY[publish.type],
    ARRAY[publish.data],
    ARRAY[publish.application_id],
    ARRAY[publish.environment_name],
    ARRAY[publish."timestamp"]
  ) AS publication
$function$;
REVOKE ALL ON FUNCTION postrider.publish(uuid,text,jsonb,uuid,uuid,text,timestamp with time zone) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.publish_columns(project_id uuid, is_batch boolean, ids uuid[], types text[], data jsonb[], application_ids uuid[], environment_names text[], timestamps timestamp with time zone[], is_operational boolean DEFAULT false)
 RETURNS SETOF postrider.publication
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET enable_nestloop TO 'off'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
DECLARE
  position integer;
  data_texts text[];
  suspects integer[];
  admitted uuid[];
  fresh uuid[];
  counts integer[];
  publication postrider.publication;
  published_at timestamptz := date_trunc('milliseconds', clock_timestamp());
  trace text := current_setting('postrider.traceparent', true);
BEGIN
  IF trace !~ '^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$' THEN
    trace := NULL;
  END IF;

  PERFORM
  FROM postrider.projects AS project
  WHERE project.id = publish_columns.project_id;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'project_id % names no project', publish_columns.project_id
      USING ERRCODE = 'foreign_key_violation', COLUMN = 'project_id';
  END IF;

  WITH given AS MATERIALIZED (
    SELECT
      given.ordinality,
      COALESCE(given.id, postrider.uuid_generate_v7()) AS id,
      given.type,
      given.application_id,
      given.environment_name,
      given."timestamp",
      given.data::text AS data_text
    FROM unnest(ids, types, publish_columns.data, application_ids, environment_names, timestamps)
      WITH ORDINALITY AS given (id, type, data, application_id, environment_name, "timestamp", ordinality)
  ),
  wrong_kinds AS MATERIALIZED (
    SELECT kind.type
    FROM (
      SELECT DISTINCT given.type, given.application_id, given.environment_name
      FROM given
    ) AS kind
    WHERE kind.type IS NULL
      OR kind.type !~ '^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$'
      OR length(kind.type) > 255
      OR kind.environment_name = ''
      OR length(kind.environment_name) > 255
      OR kind.environment_name ~ '[[:cntrl:]]'
      OR (
        kind.application_id IS NOT NULL
        AND NOT EXISTS (
          SELECT
          FROM postrider.applications AS application
          WHERE application.project_id = publish_columns.project_id
            AND application.id = kind.application_id
        )
      )
  )
  SELECT
    array_agg(given.id ORDER BY given.ordinality),
    array_agg(given.data_text ORDER BY given.ordinality),
    array_agg(given.ordinality ORDER BY given.ordinality) FILTER (
      WHERE given.data_text IS NULL
        OR EXISTS (SELECT FROM wrong_kinds)
        OR given."timestamp" NOT BETWEEN '0001-01-01T00:00:00Z' AND '9999-12-31T23:59:59.999Z'
        -- Only a large text can be too large or hold a number of more than 1,000 digits, and only one with as many
        -- brackets can be nested deeper than 64 levels.
        OR octet_length(given.data_text) > 262144
        OR (octet_length(given.data_text) > 1000 AND given.data_text ~ '[0-9]{24}')
        OR octet_length(given.data_text)
          - octet_length(replace(replace(given.data_text, '{', ''), '[', '')) > 64
    )
  INTO ids, data_texts, suspects
  FROM given;

  FOREACH position IN ARRAY COALESCE(suspects, '{}') LOOP
    PERFORM postrider.check_event(
      postrider.event_path(is_batch, position),
      types[position], data[position], environment_names[position], timestamps[position]
    );
    IF application_ids[position] IS NOT NULL AND NOT EXISTS (
      SELECT
      FROM postrider.applications AS application
      WHERE application.project_id = publish_columns.project_id
        AND application.id = application_ids[position]
    ) THEN
      RAISE EXCEPTION '%application_id names no application of this project', postrider.event_path(is_batch, position)
        USING ERRCODE = 'foreign_key_violation', COLUMN = postrider.event_path(is_batch, position) || 'application_id';
    END IF;
  END LOOP;

  admitted := postrider.admit_event_ids(publish_columns.project_id, ids);

  WITH given AS MATERIALIZED (
    -- Of several with one id the first is published; the others are compared with it below. The order by id
    -- keeps two batches with the same ids from waiting for each other crosswise.
    SELECT DISTINCT ON (given.id)
      given.id,
      given.type,
      given.application_id,
      given.environment_name,
      given."timestamp",
      given.data_text,
      given.ordinality
    FROM unnest(ids, types, data_texts, application_ids, environment_names, timestamps)
      WITH ORDINALITY AS given (id, type, data_text, application_id, environment_name, "timestamp", ordinality)
    ORDER BY given.id, given.ordinality
  ),
  routes AS MATERIALIZED (
    -- A batch has many events and few kinds of them: each kind is matched once.
    SELECT
      kinds.type,
      kinds.application_id,
      kinds.environment_name,
      postrider.event_type_patterns(kinds.type) AS patterns
    FROM (
      SELECT DISTINCT type, application_id, environment_name
      FROM given
    ) AS kinds
  ),
  matching AS MATERIALIZED (
    SELECT
      routes.type,
      routes.application_id,
      routes.environment_name,
      webhook.id AS webhook_id,
      COALESCE(cardinality(webhook.retry_seconds) + 1, 6) AS max_attempts,
      webhook.ordered,
      webhook.shape_id
    FROM routes
    JOIN postrider.webhooks AS webhook
      ON webhook.project_id = publish_columns.project_id
      AND webhook.is_active
      AND webhook.operational = is_operational
      AND webhook.event_types ?| routes.patterns
      AND (webhook.application_id IS NULL OR webhook.application_id = routes.application_id)
      AND (webhook.environment_name IS NULL OR webhook.environment_name = routes.environment_name)
    -- A webhook that is being deleted is waited for and left out, instead of failing the foreign key.
    FOR KEY SHARE OF webhook
  ),
  matched AS MATERIALIZED (
    SELECT
      given.id AS event_id,
      matching.webhook_id,
      matching.max_attempts,
      matching.shape_id
    FROM given
    JOIN matching
      ON matching.type = given.type
      AND matching.application_id IS NOT DISTINCT FROM given.application_id
      AND matching.environment_name IS NOT DISTINCT FROM given.environment_name
  ),
  counted AS (
    SELECT
      event_id,
      COUNT(*)::integer AS deliveries
    FROM matched
    GROUP BY event_id
  ),
  remembered AS (
    INSERT INTO postrider.events (
      project_id, id, type, "timestamp", application_id, environment_name, deliveries, payload,
      traceparent, operational
    )
    SELECT
      publish_columns.project_id,
      given.id,
      given.type,
      COALESCE(date_trunc('milliseconds', given."timestamp"), published_at),
      given.application_id,
      given.environment_name,
      COALESCE(counted.deliveries, 0),
      postrider.envelope(
        publish_columns.project_id, given.id, given.type, given.data_text,
        given.application_id, given.environment_name, COALESCE(given."timestamp", published_at)
      ),
      trace,
      is_operational
    FROM given
    LEFT JOIN counted
      ON counted.event_id = given.id
    WHERE given.id IN (
      SELECT allowed.id
      FROM unnest(admitted) AS allowed (id)
    )
    ORDER BY given.id
    ON CONFLICT DO NOTHING
    RETURNING id, type, deliveries
  ),
  delivering AS (
    INSERT INTO postrider.deliveries (webhook_id, project_id, event_id, event_type, max_attempts, shape_id)
    SELECT
      matched.webhook_id,
      publish_columns.project_id,
      remembered.id,
      remembered.type,
      matched.max_attempts,
      matched.shape_id
    FROM remembered
    JOIN matched
      ON matched.event_id = remembered.id
    RETURNING webhook_id, scheduled_at, id, event_id
  ),
  in_order AS MATERIALIZED (
    SELECT DISTINCT webhook_id
    FROM matching
    WHERE ordered
  ),
  queued AS (
    INSERT INTO postrider.delivery_queue (webhook_id, scheduled_at, delivery_id)
    SELECT
      delivering.webhook_id,
      delivering.scheduled_at,
      delivering.id
    FROM delivering
    WHERE delivering.webhook_id <> ALL(ARRAY(SELECT in_order.webhook_id FROM in_order))
  ),
  lined_up AS (
    INSERT INTO postrider.delivery_line_waiting (webhook_id, delivery_id)
    SELECT
      delivering.webhook_id,
      delivering.id
    FROM delivering
    JOIN given
      ON given.id = delivering.event_id
    WHERE delivering.webhook_id = ANY(ARRAY(SELECT in_order.webhook_id FROM in_order))
    ORDER BY given.ordinality
  )
  SELECT
    COALESCE(array_agg(remembered.id), '{}'),
    COALESCE(array_agg(remembered.deliveries), '{}')
  INTO fresh, counts
  FROM remembered;

  IF cardinality(fresh) < cardinality(ids) THEN
    FOR position IN 1..cardinality(ids) LOOP
      publication.id := ids[position];
      publication.duplicate := ids[position] <> ALL(fresh) OR ids[position] = ANY(ids[:position - 1]);
      publication.deliveries := CASE
        WHEN publication.duplicate THEN postrider.deliveries_of_same_event(
          publish_columns.project_id, postrider.event_path(is_batch, position), ids[position], types[position], data[position],
          application_ids[position], environment_names[position], timestamps[position]
        )
        ELSE counts[array_position(fresh, ids[position])]
      END;
      RETURN NEXT publication;
    END LOOP;
    RETURN;
  END IF;

  -- No table is read for the usual answer: a plan cached while it was small would scan it.
  RETURN QUERY
  SELECT
    given.id,
    inserted.deliveries,
    false
  FROM unnest(ids) WITH ORDINALITY AS given (id, ordinality)
  JOIN unnest(fresh, counts) AS inserted (id, deliveries)
    ON inserted.id = given.id
  ORDER BY given.ordinality;
END
$function$;
REVOKE ALL ON FUNCTION postrider.publish_columns(uuid,boolean,uuid[],text[],jsonb[],uuid[],text[],timestamp with time zone[],boolean) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.publish_many(project_id uuid, events jsonb)
 RETURNS SETOF postrider.publication
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET standard_conforming_strings TO 'on'
AS $function$
#variable_conflict use_column
DECLARE
  is_plain boolean := false;
  ids uuid[];
  types text[];
  data jsonb[];
  application_ids uuid[];
  environment_names text[];
  timestamps timestamptz[];
BEGIN
  IF events IS NULL OR jsonb_typeof(events) <> 'array' OR jsonb_array_length(events) NOT BETWEEN 1 AND 1000 THEN
    RAISE EXCEPTION 'events must be an array of 1 to 1,000 events'
      USING ERRCODE = 'invalid_parameter_value', COLUMN = 'events';
  END IF;

  -- All of them at once, where all are as they should be.
  BEGIN
    SELECT
      bool_and(
        jsonb_typeof(event) = 'object'
        AND event - '{id,type,data,application_id,environment_name,timestamp}'::text[] = '{}'
        AND COALESCE(jsonb_typeof(event -> 'id'), 'null') IN ('string', 'null')
        AND COALESCE(jsonb_typeof(event -> 'type'), 'null') IN ('string', 'null')
        AND COALESCE(jsonb_typeof(event -> 'application_id'), 'null') IN ('string', 'null')
        AND COALESCE(jsonb_typeof(event -> 'environment_name'), 'null') IN ('string', 'null')
        AND COALESCE((event ->> 'id')::uuid::text = lower(event ->> 'id'), true)
        AND COALESCE((event ->> 'application_id')::uuid::text = lower(event ->> 'application_id'), true)
      ),
      array_agg((event ->> 'id')::uuid ORDER BY ordinality),
      array_agg(event ->> 'type' ORDER BY ordinality),
      array_agg(event -> 'data' ORDER BY ordinality),
      array_agg((event ->> 'application_id')::uuid ORDER BY ordinality),
      array_agg(event ->> 'environment_name' ORDER BY ordinality),
      array_agg(
        CASE
          WHEN event ? 'timestamp' THEN postrider.event_timestamp(
            postrider.event_path(true, ordinality::integer), event, 'timestamp'
          )
        END
        ORDER BY ordinality
      )
    INTO is_plain, ids, types, data, application_ids, environment_names, timestamps
    FROM jsonb_array_elements(events) WITH ORDINALITY AS given (event, ordinality);
  EXCEPTION WHEN data_exception THEN
    is_plain := false;
  END;
  IF NOT is_plain THEN
    PERFORM postrider.check_fields(events);
  END IF;

  RETURN QUERY
  SELECT *
  FROM postrider.publish_columns(
    publish_many.project_id, true, ids, types, data, application_ids, environment_names, timestamps
  );
END
$function$;
REVOKE ALL ON FUNCTION postrider.publish_many(uuid,jsonb) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.record_filtered(worker_id uuid, now timestamp with time zone, filtered jsonb)
 RETURNS SETOF uuid
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH life AS MATERIALIZED (
    SELECT worker.id
    FROM postrider.workers AS worker
    WHERE worker.id = record_filtered.worker_id
    FOR KEY SHARE
  ),
  gone AS (
    DELETE FROM postrider.deliveries AS delivery
    USING jsonb_to_recordset(record_filtered.filtered) AS result (id uuid, attempt integer, reason text)
    WHERE delivery.id = result.id
      AND delivery.attempts + delivery.rescues + 1 = result.attempt
      AND delivery.status IN ('pending', 'delivering')
      AND EXISTS (SELECT FROM life)
    RETURNING
      delivery.id, delivery.project_id, delivery.webhook_id, delivery.event_id, delivery.event_type, delivery.shape_id,
      result.reason
  ),
  kept AS (
    INSERT INTO postrider.filtered_deliveries (
      id, project_id, webhook_id, event_id, event_type, shape_id, reason, created_at
    )
    SELECT
      gone.id, gone.project_id, gone.webhook_id, gone.event_id, gone.event_type, gone.shape_id, gone.reason,
      record_filtered.now
    FROM gone
    ON CONFLICT (event_id, webhook_id) DO UPDATE
    SET id = EXCLUDED.id,
        shape_id = EXCLUDED.shape_id,
        reason = EXCLUDED.reason,
        created_at = EXCLUDED.created_at
  ),
  -- A rate is that of requests, and there was none.
  rates AS MATERIALIZED (
    SELECT rate.webhook_id
    FROM postrider.webhook_rates AS rate
    WHERE rate.webhook_id = ANY(ARRAY(SELECT gone.webhook_id FROM gone))
    ORDER BY rate.webhook_id
    FOR UPDATE
  ),
  given_back AS (
    UPDATE postrider.webhook_rates AS rate
    SET tokens = rate.tokens + (
          SELECT COUNT(*)
          FROM gone
          WHERE gone.webhook_id = rate.webhook_id
        )
    WHERE rate.webhook_id = ANY(ARRAY(SELECT rates.webhook_id FROM rates))
  )
  SELECT gone.id
  FROM gone;
END
$function$;
REVOKE ALL ON FUNCTION postrider.record_filtered(uuid,timestamp with time zone,jsonb) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.record_results(worker_id uuid, now timestamp with time zone, results jsonb)
 RETURNS SETOF uuid
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH life AS MATERIALIZED (
    SELECT worker.id
    FROM postrider.workers AS worker
    WHERE worker.id = record_results.worker_id
    FOR KEY SHARE
  ),
  recorded AS (
    UPDATE postrider.deliveries AS delivery
    SET status = result.status,
        attempts = delivery.attempts + 1,
        scheduled_at = COALESCE(result.retry_at, delivery.scheduled_at),
        last_attempt_at = result.started_at,
        last_response_status = result.response_status,
        last_response_body = result.response_body,
        last_error = result.error,
        delivered_at = CASE WHEN result.status = 'delivered' THEN record_results.now END
    FROM postrider.results_of(results) AS result
    WHERE delivery.id = result.id
      AND delivery.attempts + delivery.rescues + 1 = result.attempt
      AND delivery.status IN ('pending', 'delivering')
      AND EXISTS (SELECT FROM life)
    RETURNING
      delivery.id, delivery.webhook_id, delivery.status, delivery.scheduled_at, result.attempt, result.started_at,
      result.duration_ms, result.request_headers, result.response_status, result.response_headers,
      result.response_body, result.error, result.outcome
  ),
  waiting AS (
    INSERT INTO postrider.delivery_schedule (scheduled_at, delivery_id, webhook_id)
    SELECT recorded.scheduled_at, recorded.id, recorded.webhook_id
    FROM recorded
    WHERE recorded.status = 'pending'
  ),
  kept AS (
    INSERT INTO postrider.webhook_delivery_attempts (
      delivery_id, attempt, started_at, duration_ms, request_headers,
      response_status, response_headers, response_body, error, outcome
    )
    SELECT
      recorded.id,
      recorded.attempt,
      recorded.started_at,
      recorded.duration_ms,
      recorded.request_headers,
      recorded.response_status,
      recorded.response_headers,
      recorded.response_body,
      recorded.error,
      CASE recorded.outcome WHEN 'gone' THEN 'failed' ELSE recorded.outcome END
    FROM recorded
  ),
  gone AS (
    UPDATE postrider.webhooks
    SET is_active = false,
        disabled_reason = 'gone'
    WHERE is_active
      AND id = ANY(ARRAY(
        SELECT recorded.webhook_id
        FROM recorded
        WHERE recorded.outcome = 'gone'
      ))
  )
  SELECT recorded.id
  FROM recorded;
END
$function$;
REVOKE ALL ON FUNCTION postrider.record_results(uuid,timestamp with time zone,jsonb) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.reopen_deliveries(part text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
  EXECUTE format('DROP TRIGGER IF EXISTS closed_update ON postrider.%I', part);
  EXECUTE format('DROP TRIGGER IF EXISTS closed_insert ON postrider.%I', part);
END
$function$;
REVOKE ALL ON FUNCTION postrider.reopen_deliveries(text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.replace_deliveries(begins_at timestamp with time zone, ends_at timestamp with time zone, kept uuid[])
 RETURNS text[]
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
  part text;
  deliveries text[];
  attempts text[];
BEGIN
  LOCK TABLE ONLY postrider.deliveries, ONLY postrider.webhook_delivery_attempts IN ACCESS EXCLUSIVE MODE;
  SELECT standing.partition INTO part
  FROM postrider.history_partitions AS standing
  WHERE standing.history = 'deliveries'
    AND standing.since >= begins_at
    AND standing.until <= ends_at
    AND NOT EXISTS (
      SELECT
      FROM pg_trigger
      WHERE tgrelid = format('postrider.%I', standing.partition)::regclass
        AND tgname = 'closed_update'
    );
  IF FOUND THEN
    RAISE EXCEPTION 'partition % is not closed: somebody else was here', part
      USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  deliveries := postrider.replace_partitions('deliveries', begins_at, ends_at);
  attempts := postrider.replace_partitions('webhook_delivery_attempts', begins_at, ends_at);
  FOREACH part IN ARRAY deliveries LOOP
    EXECUTE format('INSERT INTO postrider.deliveries SELECT * FROM postrider.%I WHERE id = ANY($1)', part) USING kept;
  END LOOP;
  FOREACH part IN ARRAY attempts LOOP
    EXECUTE format(
      'INSERT INTO postrider.webhook_delivery_attempts SELECT * FROM postrider.%I WHERE delivery_id = ANY($1)', part
    ) USING kept;
  END LOOP;
  RETURN deliveries || attempts;
END
$function$;
REVOKE ALL ON FUNCTION postrider.replace_deliveries(timestamp with time zone,timestamp with time zone,uuid[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.replace_events(begins_at timestamp with time zone, ends_at timestamp with time zone, kept_project_ids uuid[], kept_ids uuid[])
 RETURNS text[]
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
  part text;
  replaced text[];
BEGIN
  LOCK TABLE ONLY postrider.events IN ACCESS EXCLUSIVE MODE;
  SELECT kept_project_ids || array_agg(known.project_id), kept_ids || array_agg(known.id)
  INTO kept_project_ids, kept_ids
  FROM postrider.event_ids AS known
  WHERE known.late
    AND known.created_at < ends_at
    AND known.created_at >= begins_at
    AND EXISTS (
      SELECT
      FROM postrider.deliveries AS delivery
      WHERE delivery.event_id = known.id
        AND delivery.project_id = known.project_id
      OFFSET 0
    );
  replaced := postrider.replace_partitions('events', begins_at, ends_at);
  FOREACH part IN ARRAY replaced LOOP
    EXECUTE format(
      'INSERT INTO postrider.events SELECT event.* FROM (SELECT DISTINCT * FROM unnest($1, $2) AS kept (project_id, id)) AS kept JOIN postrider.%I AS event ON event.project_id = kept.project_id AND event.id = kept.id AND event.created_at = (SELECT place.created_at FROM postrider.event_places AS place WHERE place.project_id = kept.project_id AND place.id = kept.id)',
      part
    ) USING kept_project_ids, kept_ids;
  END LOOP;
  RETURN replaced;
END
$function$;
REVOKE ALL ON FUNCTION postrider.replace_events(timestamp with time zone,timestamp with time zone,uuid[],uuid[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.replace_partitions(parent text, begins_at timestamp with time zone, ends_at timestamp with time zone)
 RETURNS text[]
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
  part text;
  name text;
  replaced text[] := '{}';
BEGIN
  FOR part IN
    SELECT standing.partition
    FROM postrider.history_partitions AS standing
    WHERE standing.history = parent
      AND standing.since >= begins_at
      AND standing.until <= ends_at
    ORDER BY standing.since
  LOOP
    name := COALESCE(name, part);
    EXECUTE format('ALTER TABLE postrider.%I DETACH PARTITION postrider.%I', parent, part);
    EXECUTE format('ALTER TABLE postrider.%I RENAME TO %I', part, part || '_expired');
    replaced := replaced || (part || '_expired');
  END LOOP;
  PERFORM postrider.add_partition(parent, name, begins_at, ends_at);
  RETURN replaced;
END
$function$;
REVOKE ALL ON FUNCTION postrider.replace_partitions(text,timestamp with time zone,timestamp with time zone) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.results_of(results jsonb)
 RETURNS TABLE(id uuid, attempt integer, status postrider.webhook_delivery_status, retry_at timestamp with time zone, started_at timestamp with time zone, duration_ms integer, request_headers jsonb, response_status integer, response_headers jsonb, response_body text, error text, outcome text)
 LANGUAGE sql
 STABLE ROWS 1
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  SELECT result.*
  FROM jsonb_to_recordset(results_of.results) AS result (
    id uuid,
    attempt integer,
    status postrider.webhook_delivery_status,
    retry_at timestamptz,
    started_at timestamptz,
    duration_ms integer,
    request_headers jsonb,
    response_status integer,
    response_headers jsonb,
    response_body text,
    error text,
    outcome text
  )
$function$;
REVOKE ALL ON FUNCTION postrider.results_of(jsonb) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.signal(webhook postrider.webhooks, type text, data jsonb)
 RETURNS void
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  INSERT INTO postrider.signals (project_id, type, data, application_id, environment_name)
  SELECT
    (signal.webhook).project_id,
    signal.type,
    jsonb_build_object('webhook_id', (signal.webhook).id, 'webhook_name', (signal.webhook).name) || signal.data,
    (signal.webhook).application_id,
    (signal.webhook).environment_name
  WHERE NOT (signal.webhook).operational
    AND EXISTS (
      SELECT
      FROM postrider.webhooks AS listening
      WHERE listening.project_id = (signal.webhook).project_id
        AND listening.operational
        AND listening.is_active
    )
$function$;
REVOKE ALL ON FUNCTION postrider.signal(postrider.webhooks,text,jsonb) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.start_webhook_anew()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
  failing_since timestamptz;
BEGIN
  DELETE FROM postrider.failing_webhooks AS failing
  WHERE failing.webhook_id = NEW.id
  RETURNING failing.since INTO failing_since;
  DELETE FROM postrider.webhook_breakers
  WHERE webhook_id = NEW.id;

  IF OLD.is_active AND NOT NEW.is_active THEN
    PERFORM postrider.signal(NEW, 'webhook.disabled', jsonb_build_object(
      'reason', COALESCE(NEW.disabled_reason, 'by_hand'),
      'disabled_at', postrider.utc_text(clock_timestamp()),
      'failing_since', postrider.utc_text(failing_since)
    ));
  END IF;
  RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION postrider.start_webhook_anew() FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.statistics_reach()
 RETURNS TABLE(attempts_until timestamp with time zone, events_until timestamp with time zone, hours_until timestamp with time zone, days_until timestamp with time zone)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  SELECT progress.attempts_until, progress.events_until, progress.hours_until, progress.days_until
  FROM postrider.statistics_progress AS progress
$function$;
REVOKE ALL ON FUNCTION postrider.statistics_reach() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION postrider.statistics_reach() TO postrider_tenant;

CREATE OR REPLACE FUNCTION postrider.step_deletion(id uuid, most integer)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
DECLARE
  deletion postrider.deletions;
  budget integer := most;
  ids uuid[];
  moments timestamptz[];
  count integer;
  looked_at integer;
  seen integer := 0;
  is_last_look boolean;
BEGIN
  SELECT kept.*
  INTO deletion
  FROM postrider.deletions AS kept
  WHERE kept.id = step_deletion.id
  FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  is_last_look := deletion.phase = 'ended';
  IF is_last_look THEN
    deletion.phase := 'deliveries';
  END IF;

  WHILE budget > 0 AND deletion.phase <> 'ended' LOOP
    looked_at := 0;
    CASE deletion.phase
      WHEN 'deliveries' THEN
        IF deletion.webhook_id IS NULL THEN
          SELECT
            COALESCE(array_agg(slice.id ORDER BY slice.created_at DESC, slice.id DESC), '{}'),
            array_agg(slice.created_at ORDER BY slice.created_at DESC, slice.id DESC)
          INTO ids, moments
          FROM (
            SELECT delivery.id, delivery.created_at
            FROM postrider.deliveries AS delivery
            WHERE delivery.project_id = deletion.project_id
              AND (delivery.created_at, delivery.id) < (deletion.last_created_at, deletion.last_id)
            ORDER BY delivery.created_at DESC, delivery.id DESC
            LIMIT budget
          ) AS slice;
        ELSE
          SELECT
            COALESCE(array_agg(slice.id ORDER BY slice.created_at DESC, slice.id DESC), '{}'),
            array_agg(slice.created_at ORDER BY slice.created_at DESC, slice.id DESC)
          INTO ids, moments
          FROM (
            SELECT delivery.id, delivery.created_at
            FROM postrider.deliveries AS delivery
            WHERE delivery.webhook_id = deletion.webhook_id
              AND delivery.project_id = deletion.project_id
              AND (delivery.created_at, delivery.id) < (deletion.last_created_at, deletion.last_id)
            ORDER BY delivery.created_at DESC, delivery.id DESC
            LIMIT budget
          ) AS slice;
        END IF;
        looked_at := cardinality(ids);
        -- Whoever holds one is just writing its result: it goes the next time.
        DELETE FROM postrider.deliveries AS delivery
        WHERE delivery.project_id = deletion.project_id
          AND delivery.id = ANY(ARRAY(
            SELECT held.id
            FROM postrider.deliveries AS held
            WHERE held.project_id = deletion.project_id
              AND held.id = ANY(ids)
            FOR UPDATE SKIP LOCKED
          ));
        GET DIAGNOSTICS count = ROW_COUNT;
        deletion.deliveries := deletion.deliveries + count;

      WHEN 'events' THEN
        IF deletion.webhook_id IS NULL THEN
          SELECT
            COALESCE(array_agg(slice.id ORDER BY slice.created_at DESC, slice.id DESC), '{}'),
            array_agg(slice.created_at ORDER BY slice.created_at DESC, slice.id DESC)
          INTO ids, moments
          FROM (
            SELECT event.id, event.created_at
            FROM postrider.events AS event
            WHERE event.project_id = deletion.project_id
              AND (event.created_at, event.id) < (deletion.last_created_at, deletion.last_id)
            ORDER BY event.created_at DESC, event.id DESC
            LIMIT budget
          ) AS slice;
          looked_at := cardinality(ids);
          DELETE FROM postrider.events AS event
          WHERE event.project_id = deletion.project_id
            AND event.id = ANY(ids)
            AND event.created_at <= moments[1]
            AND event.created_at >= moments[looked_at];
          GET DIAGNOSTICS count = ROW_COUNT;
          deletion.events := deletion.events + count;
        END IF;

      WHEN 'waiting' THEN
        IF deletion.webhook_id IS NOT NULL THEN
          DELETE FROM postrider.delivery_queue
          WHERE ctid = ANY(ARRAY(
            SELECT queued.ctid
            FROM postrider.delivery_queue AS queued
            WHERE queued.webhook_id = deletion.webhook_id
            LIMIT budget
            FOR UPDATE SKIP LOCKED
          ));
          GET DIAGNOSTICS count = ROW_COUNT;
          looked_at := count;
          DELETE FROM postrider.delivery_schedule
          WHERE ctid = ANY(ARRAY(
            SELECT waiting.ctid
            FROM postrider.delivery_schedule AS waiting
            WHERE waiting.webhook_id = deletion.webhook_id
            LIMIT budget - looked_at
            FOR UPDATE SKIP LOCKED
          ));
          GET DIAGNOSTICS count = ROW_COUNT;
          looked_at := looked_at + count;
          DELETE FROM postrider.delivery_line_waiting
          WHERE ctid = ANY(ARRAY(
            SELECT lined.ctid
            FROM postrider.delivery_line_waiting AS lined
            WHERE lined.webhook_id = deletion.webhook_id
            LIMIT budget - looked_at
            FOR UPDATE SKIP LOCKED
          ));
          GET DIAGNOSTICS count = ROW_COUNT;
          looked_at := looked_at + count;
        END IF;

      WHEN 'filtered' THEN
        IF deletion.webhook_id IS NOT NULL THEN
          DELETE FROM postrider.filtered_deliveries
          WHERE (event_id, webhook_id) IN (
            SELECT filtered.event_id, filtered.webhook_id
            FROM postrider.filtered_deliveries AS filtered
            WHERE filtered.webhook_id = deletion.webhook_id
            LIMIT budget
            FOR UPDATE SKIP LOCKED
          );
          GET DIAGNOSTICS looked_at = ROW_COUNT;
        END IF;

      WHEN 'statistics' THEN
        DELETE FROM postrider.attempt_statistics
        WHERE ctid = ANY(ARRAY(
          SELECT counted.ctid
          FROM postrider.attempt_statistics AS counted
          WHERE counted.project_id = deletion.project_id
            AND (deletion.webhook_id IS NULL OR counted.webhook_id = deletion.webhook_id)
          LIMIT budget
          FOR UPDATE SKIP LOCKED
        ));
        GET DIAGNOSTICS looked_at = ROW_COUNT;
        IF deletion.webhook_id IS NULL THEN
          DELETE FROM postrider.event_statistics
          WHERE ctid = ANY(ARRAY(
            SELECT counted.ctid
            FROM postrider.event_statistics AS counted
            WHERE counted.project_id = deletion.project_id
            LIMIT budget - looked_at
            FOR UPDATE SKIP LOCKED
          ));
          GET DIAGNOSTICS count = ROW_COUNT;
          looked_at := looked_at + count;
        END IF;
    END CASE;

    IF looked_at >= budget AND deletion.phase IN ('deliveries', 'events') THEN
      deletion.last_created_at := moments[looked_at];
      deletion.last_id := ids[looked_at];
    ELSIF looked_at < budget THEN
      deletion.phase := CASE deletion.phase
        WHEN 'deliveries' THEN 'events'
        WHEN 'events' THEN 'waiting'
        WHEN 'waiting' THEN 'filtered'
        WHEN 'filtered' THEN 'statistics'
        ELSE 'ended'
      END;
      deletion.last_created_at := 'infinity';
      deletion.last_id := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
    END IF;
    budget := budget - looked_at;
    seen := seen + looked_at;
  END LOOP;

  IF is_last_look AND seen = 0 AND deletion.phase = 'ended' THEN
    DELETE FROM postrider.deletions AS kept
    WHERE kept.id = deletion.id;
    RETURN false;
  END IF;
  UPDATE postrider.deletions AS kept
  SET phase = deletion.phase,
      last_created_at = deletion.last_created_at,
      last_id = deletion.last_id,
      deliveries = deletion.deliveries,
      events = deletion.events,
      stepped_at = clock_timestamp()
  WHERE kept.id = deletion.id;
  RETURN deletion.phase <> 'ended';
END
$function$;
REVOKE ALL ON FUNCTION postrider.step_deletion(uuid,integer) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.tokens_at(rate postrider.webhook_rates, rate_per_second double precision, now timestamp with time zone)
 RETURNS double precision
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN LEAST(((rate).tokens + (rate_per_second * (GREATEST(EXTRACT(epoch FROM (now - (rate).refilled_at)), (0)::numeric))::double precision)), GREATEST(rate_per_second, (1)::double precision));
REVOKE ALL ON FUNCTION postrider.tokens_at(postrider.webhook_rates,double precision,timestamp with time zone) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.told_of(given jsonb, told text[])
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT jsonb_object_agg(jsonb_each.key, jsonb_each.value) AS jsonb_object_agg FROM jsonb_each(told_of.given) jsonb_each(key, value) WHERE ((jsonb_each.key = ANY (told_of.told)) AND (jsonb_each.key <> ALL (ARRAY['id'::text, 'project_id'::text])) AND (jsonb_each.value <> 'null'::jsonb)));
REVOKE ALL ON FUNCTION postrider.told_of(jsonb,text[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.touch_updated_at()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  NEW.updated_at := clock_timestamp();
  RETURN NEW;
END
$function$;
REVOKE ALL ON FUNCTION postrider.touch_updated_at() FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.utc_text(moment timestamp with time zone)
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN to_char((moment AT TIME ZONE 'UTC'::text), 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'::text);
REVOKE ALL ON FUNCTION postrider.utc_text(timestamp with time zone) FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.uuid_at(moment timestamp with time zone)
 RETURNS uuid
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN ((lpad(to_hex((GREATEST(floor((EXTRACT(epoch FROM moment) * (1000)::numeric)), (0)::numeric))::bigint), 12, '0'::text) || '70008000000000000000'::text))::uuid;
REVOKE ALL ON FUNCTION postrider.uuid_at(timestamp with time zone) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION postrider.uuid_at(timestamp with time zone) TO postrider_tenant;

CREATE OR REPLACE FUNCTION postrider.uuid_generate_v7()
 RETURNS uuid
 LANGUAGE sql
 PARALLEL SAFE
RETURN uuidv7();
REVOKE ALL ON FUNCTION postrider.uuid_generate_v7() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION postrider.uuid_generate_v7() TO postrider_tenant;

CREATE OR REPLACE FUNCTION postrider.valid_event_types(event_types jsonb)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ((jsonb_typeof(event_types) = 'array'::text) AND (NOT jsonb_path_exists(event_types, 'strict $[*]?(@.type() != "string" || !(@ like_regex "^([*]|[A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)*([.][*])?)$"))'::jsonpath)));
REVOKE ALL ON FUNCTION postrider.valid_event_types(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION postrider.valid_event_types(jsonb) TO postrider_tenant;

CREATE OR REPLACE FUNCTION postrider.views_of_history()
 RETURNS oid[]
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
  RETURN ARRAY(
    SELECT view.oid
    FROM pg_class AS view
    WHERE view.relkind = 'v'
      AND EXISTS (
        SELECT
        FROM pg_rewrite AS rule
        JOIN pg_depend AS depends
          ON depends.classid = 'pg_rewrite'::regclass
          AND depends.objid = rule.oid
          AND depends.refclassid = 'pg_class'::regclass
          AND depends.refobjid IN (
            'postrider.deliveries'::regclass,
            'postrider.webhook_delivery_attempts'::regclass,
            'postrider.events'::regclass
          )
        WHERE rule.ev_class = view.oid
      )
  );
END
$function$;
REVOKE ALL ON FUNCTION postrider.views_of_history() FROM PUBLIC;

CREATE OR REPLACE FUNCTION postrider.write_webhook_delivery()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
  stored_payload jsonb;
BEGIN
  IF TG_OP = 'DELETE' THEN
    DELETE FROM postrider.deliveries WHERE id = OLD.id;
    PERFORM postrider.place_delivery(OLD.id, OLD.webhook_id, 'failed', OLD.scheduled_at);
    RETURN OLD;
  END IF;

  -- One whose payload has expired can be changed in all that does not send it.
  IF NEW.payload IS NULL AND (TG_OP = 'INSERT' OR OLD.payload IS NOT NULL OR NEW.status IN ('pending', 'delivering')) THEN
    RAISE EXCEPTION 'null value in column "payload" of "webhook_deliveries"'
      USING ERRCODE = 'not_null_violation', COLUMN = 'payload';
  END IF;
  IF NEW.project_id IS NULL THEN
    SELECT webhook.project_id INTO NEW.project_id
    FROM postrider.webhooks AS webhook
    WHERE webhook.id = NEW.webhook_id;
  END IF;

  IF TG_OP = 'INSERT' THEN
    INSERT INTO postrider.events (project_id, id, type, "timestamp", created_at, deliveries, payload)
    SELECT
      NEW.project_id, NEW.event_id, NEW.event_type, NEW.created_at, NEW.created_at, 1, NEW.payload::text
    WHERE NEW.event_id = ANY(postrider.admit_event_ids(NEW.project_id, ARRAY[NEW.event_id], NEW.created_at))
    ON CONFLICT DO NOTHING;
  END IF;
  IF TG_OP = 'INSERT' OR (OLD.event_id, OLD.webhook_id) IS DISTINCT FROM (NEW.event_id, NEW.webhook_id) THEN
    PERFORM postrider.hold_event_ids(NEW.project_id, ARRAY[NEW.event_id]);
    IF EXISTS (
      SELECT
      FROM postrider.deliveries AS delivery
      WHERE delivery.event_id = NEW.event_id
        AND delivery.webhook_id = NEW.webhook_id
    ) THEN
      RAISE EXCEPTION 'the webhook % has a delivery of the event % already', NEW.webhook_id, NEW.event_id
        USING ERRCODE = 'unique_violation', TABLE = 'deliveries', CONSTRAINT = 'idx_deliveries_event_webhook';
    END IF;
  END IF;
  SELECT event.payload::jsonb INTO stored_payload
  FROM postrider.events AS event
  WHERE event.project_id = NEW.project_id
    AND event.id = NEW.event_id
    AND event.created_at = (
      SELECT place.created_at
      FROM postrider.event_places AS place
      WHERE place.project_id = NEW.project_id
        AND place.id = NEW.event_id
    );
  IF TG_OP = 'INSERT' OR NEW.webhook_id IS DISTINCT FROM OLD.webhook_id THEN
    PERFORM
    FROM postrider.webhooks AS webhook
    WHERE webhook.id = NEW.webhook_id
    FOR KEY SHARE;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'webhook_id % names no webhook', NEW.webhook_id
        USING ERRCODE = 'foreign_key_violation', COLUMN = 'webhook_id';
    END IF;
  END IF;

  IF TG_OP = 'INSERT' THEN
    INSERT INTO postrider.deliveries (
      id, webhook_id, event_id, event_type, payload, status, attempts, max_attempts, scheduled_at, last_attempt_at,
      last_response_status, last_response_body, last_error, delivered_at, created_at, project_id, rescues, max_rescues,
      retried_at
    )
    VALUES (
      NEW.id, NEW.webhook_id, NEW.event_id, NEW.event_type, NULLIF(NEW.payload, stored_payload), NEW.status,
      NEW.attempts, NEW.max_attempts, NEW.scheduled_at, NEW.last_attempt_at, NEW.last_response_status,
      NEW.last_response_body, NEW.last_error, NEW.delivered_at, NEW.created_at, NEW.project_id, NEW.rescues,
      NEW.max_rescues, NEW.retried_at
    );
    PERFORM postrider.place_delivery(NEW.id, NEW.webhook_id, NEW.status, NEW.scheduled_at);
    RETURN NEW;
  END IF;

  UPDATE postrider.deliveries
  SET id = NEW.id,
      webhook_id = NEW.webhook_id,
      event_id = NEW.event_id,
      event_type = NEW.event_type,
      payload = NULLIF(NEW.payload, stored_payload),
      status = NEW.status,
      attempts = NEW.attempts,
      max_attempts = NEW.max_attempts,
      scheduled_at = NEW.scheduled_at,
      last_attempt_at = NEW.last_attempt_at,
      last_response_status = NEW.last_response_status,
      last_response_body = NEW.last_response_body,
      last_error = NEW.last_error,
      delivered_at = NEW.delivered_at,
      created_at = NEW.created_at,
      project_id = NEW.project_id,
      rescues = NEW.rescues,
      max_rescues = NEW.max_rescues,
      retried_at = NEW.retried_at
  WHERE id = OLD.id;
  -- What a worker has in flight is placed by its result.
  IF (OLD.status, OLD.scheduled_at, OLD.webhook_id) IS DISTINCT FROM (NEW.status, NEW.scheduled_at, NEW.webhook_id) THEN
    PERFORM postrider.place_delivery(OLD.id, OLD.webhook_id, 'failed', OLD.scheduled_at);
    PERFORM postrider.place_delivery(NEW.id, NEW.webhook_id, NEW.status, NEW.scheduled_at);
  END IF;
  RETURN NEW;
END
$function$;
REVOKE ALL ON FUNCTION postrider.write_webhook_delivery() FROM PUBLIC;
