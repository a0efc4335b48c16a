-- What the reconciler needs to share its work: one reader a subaccount, those with orders first.

-- Who reads a subaccount, and when it is read next. Those of before are due at once.
ALTER TABLE reconcile_cursors
  ADD COLUMN due_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
  ADD COLUMN claimed_until TIMESTAMPTZ, -- by a reconciler that reads it, or has died meanwhile
  ADD COLUMN idle_passes INTEGER NOT NULL DEFAULT 0 CHECK (idle_passes >= 0); -- in a row without an active order
