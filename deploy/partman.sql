-- Leaves the partitions of events to come to pg_partman (4.7, with native partitions), instead of Postrider's own upkeep. Once,
-- as the owner of the tables or a superuser, in a database where the history is partitioned and pg_partman is installed:
--
--   CREATE SCHEMA partman; CREATE EXTENSION pg_partman SCHEMA partman;
--
-- pg_partman knows times and integers, no UUID: deliveries and attempts, which are partitioned by the time in their id, stay
-- with Postrider. So does dropping, of all three: pg_partman would drop what has not been delivered yet. Set no `retention`.
--
-- From then on run `CALL partman.run_maintenance_proc();` at least once a day, by pg_cron or the background worker.

DO $$
DECLARE
  since timestamptz;
  has_rows boolean;
  statement text;
BEGIN
  -- Everybody waits for what follows, some tens of milliseconds: rather than that they wait for us longer, it fails.
  PERFORM set_config('lock_timeout', '200ms', true);
  LOCK TABLE ONLY postrider.events IN ACCESS EXCLUSIVE MODE;
  SELECT part.since INTO STRICT since
  FROM postrider.history_partitions AS part
  WHERE part.partition = 'events_open';
  EXECUTE 'SELECT EXISTS (SELECT FROM postrider.events_open)' INTO has_rows;
  IF has_rows THEN
    RAISE EXCEPTION 'events are written to the open partition: let a worker make partitions first';
  END IF;
  DROP TABLE postrider.events_open;

  -- It tells partitions by their names.
  FOR statement IN
    SELECT format(
      'ALTER TABLE postrider.%I RENAME TO %I',
      part.partition,
      'events_p' || CASE
        WHEN isfinite(part.since) THEN to_char(part.since AT TIME ZONE 'UTC', 'YYYY_MM_DD')
        ELSE '0001_01_01'
      END
    )
    FROM postrider.history_partitions AS part
    WHERE part.history = 'events'
  LOOP
    EXECUTE statement;
  END LOOP;

  PERFORM partman.create_parent(
    p_parent_table => 'postrider.events',
    p_control => 'created_at',
    p_type => 'native',
    p_interval => '1 day',
    p_premake => 7,
    p_start_partition => since::text,
    p_jobmon => false
  );
  UPDATE partman.part_config
  SET infinite_time_partitions = true,
      retention = NULL
  WHERE parent_table = 'postrider.events';
END
$$;
