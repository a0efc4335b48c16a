-- Every run of a maintenance task says what it did, and who asked for it; one that was broken off is not a failure.
ALTER TABLE maintenance_runs
  ADD COLUMN counts JSONB,
  ADD COLUMN started_by VARCHAR(255),
  DROP CONSTRAINT maintenance_runs_outcome_check,
  ADD CONSTRAINT maintenance_runs_outcome_check CHECK (outcome IN ('done', 'failed', 'stopped'));

-- For those who watch: they need no right to see who ran what, and which error it met.
CREATE VIEW maintenance_figures AS
  SELECT task,
    max(started_at) FILTER (WHERE outcome = 'done') AS last_done_at,
    coalesce((array_agg(outcome ORDER BY id DESC) FILTER (WHERE outcome IS NOT NULL))[1] = 'failed', false) AS has_failed,
    bool_or(outcome IS NULL) AS is_running
  FROM maintenance_runs GROUP BY task;
