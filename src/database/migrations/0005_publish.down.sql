DROP FUNCTION postrider.publish_many(uuid, jsonb);
DROP FUNCTION postrider.event_timestamp(text, jsonb, text);
DROP FUNCTION postrider.event_uuid(text, jsonb, text);
DROP FUNCTION postrider.event_string(text, jsonb, text);
DROP FUNCTION postrider.publish(uuid, text, jsonb, uuid, uuid, text, timestamptz);
DROP FUNCTION postrider.publish_columns(uuid, text[], uuid[], text[], jsonb[], uuid[], text[], timestamptz[]);
DROP FUNCTION postrider.envelope(uuid, uuid, text, jsonb, uuid, text, timestamptz);
DROP FUNCTION postrider.deliveries_of_same_event(uuid, text, uuid, text, jsonb, uuid, text, timestamptz);
DROP FUNCTION postrider.check_event(text, text, jsonb, text, timestamptz);
DROP FUNCTION postrider.compact_length(jsonb);
DROP FUNCTION postrider.event_type_patterns(text);
DROP TYPE postrider.publication;

GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA postrider TO PUBLIC;
