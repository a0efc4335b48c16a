-- Every run of a maintenance task says what it did, and who asked for it; one that was broken off is not a failure.
ALTER TABLE maintenance_runs
  ADD COLUMN counts JSONB,
  ADD COLUMN started_by VARCHAR(255),
  DROP CONSTRAINT maintenance_runs_outcome_check,
  ADD CONSTRAINT maintenance_runs_outcome_check CHECK (outcome IN ('done', 'failed', 'stopped'));

-- For those who watch: they need no right to see who ran what, and which error it met. Tasks that have a schedule, also
-- those that have never run.
CREATE VIEW maintenance_figures AS
  SELECT t.task,
    max(r.started_at) FILTER (WHERE r.outcome = 'done') AS last_done_at,
    coalesce((array_agg(r.outcome ORDER BY r.id DESC) FILTER (WHERE r.outcome IS NOT NULL))[1] = 'failed', false) AS has_failed,
    count(r.id) FILTER (WHERE r.outcome IS NULL) > 0 AS is_running
  FROM unnest(ARRAY['backup', 'archive', 'vacuum', 'analyze', 'prune']) AS t (task)
  LEFT JOIN maintenance_runs AS r ON r.task = t.task
  GROUP BY t.task;

-- Deletes old records that no order rests on, at most so many rows at a time; nobody may delete a younger one, whatever is
-- asked for. Of the runs the newest of each outcome stays: it tells what is due. @returns how many
CREATE FUNCTION prune_records(kind TEXT, keep_days INTEGER, max_rows INTEGER) RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  old TIMESTAMPTZ := clock_timestamp() - make_interval(days => greatest(keep_days, 30));
  pruned INTEGER;
BEGIN
  CASE kind
    WHEN 'rejections' THEN
      -- The oldest lie first: ids ascend with time.
      DELETE FROM intent_rejections WHERE id IN (
        SELECT id FROM (SELECT id, created_at FROM intent_rejections ORDER BY id LIMIT max_rows) AS oldest
        WHERE created_at < old);
    WHEN 'runs' THEN
      DELETE FROM maintenance_runs WHERE id IN (
        -- What a recovery has noted is read for ever (ensureCursor).
        SELECT id FROM maintenance_runs WHERE started_at < old AND outcome IS NOT NULL AND task <> 'recovery'
          AND id NOT IN (SELECT max(id) FROM maintenance_runs GROUP BY task, outcome)
        LIMIT max_rows);
    WHEN 'rate_limits' THEN
      DELETE FROM rate_limits WHERE key IN (
        SELECT key FROM rate_limits WHERE expire < extract(epoch FROM old) * 1000 LIMIT max_rows);
    WHEN 'timer_turns' THEN
      DELETE FROM timer_turns WHERE timer IN (SELECT timer FROM timer_turns WHERE taken_at < old LIMIT max_rows);
  END CASE;
  GET DIAGNOSTICS pruned = ROW_COUNT;
  RETURN pruned;
END $$;
REVOKE EXECUTE ON FUNCTION prune_records(TEXT, INTEGER, INTEGER) FROM PUBLIC;
