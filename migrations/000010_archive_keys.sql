-- no-transaction: each statement by itself, so that full tables are looked through while orders come in.
-- The rows of before 000009 refer to orders that are there: the keys that it replaced saw to it.
ALTER TABLE order_attempts VALIDATE CONSTRAINT order_attempts_order_id_fkey;
ALTER TABLE order_fills VALIDATE CONSTRAINT order_fills_order_id_fkey;
