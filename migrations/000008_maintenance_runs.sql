-- Every run of a maintenance task says what it did, and who asked for it; one that was broken off is not a failure.
ALTER TABLE maintenance_runs
  ADD COLUMN counts JSONB,
  ADD COLUMN started_by VARCHAR(255),
  DROP CONSTRAINT maintenance_runs_outcome_check,
  ADD CONSTRAINT maintenance_runs_outcome_check CHECK (outcome IN ('done', 'failed', 'stopped'));
