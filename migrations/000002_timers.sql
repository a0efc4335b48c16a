-- Timers that run in every process of the router, and the heartbeats that they send through the queues.

-- Whose turn it is: of all processes one takes a timer's turn per interval. No lock is held meanwhile, so a process
-- that freezes or dies in its turn costs one interval; one that fails gives its turn back.
CREATE TABLE timer_turns (
  timer TEXT PRIMARY KEY,
  taken_at TIMESTAMPTZ NOT NULL
);

-- The newest heartbeat job that a worker took from each queue. Connected but not consuming shows here, as age.
CREATE TABLE queue_heartbeats (
  queue TEXT PRIMARY KEY,
  sent_at TIMESTAMPTZ NOT NULL,
  received_at TIMESTAMPTZ NOT NULL
);
