-- What was restored, recovered to a moment or promoted may have forgotten what left, and the venue remembers. It is known by
-- where it is: another cluster has another identifier, and a recovery or a promotion begins a new timeline.

-- 'identifier/timeline'; null where the server does not tell, as some managed ones. Throws on a standby.
CREATE FUNCTION current_server() RETURNS TEXT LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN (SELECT system_identifier FROM pg_control_system()) || '/'
    || ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer;
EXCEPTION
  WHEN object_not_in_prerequisite_state THEN RAISE;
  -- Each managed service refuses in its own words.
  WHEN OTHERS THEN RETURN NULL;
END $$;

-- Where the record is complete: where the database was made, or where a recovery was finished.
ALTER TABLE installation ADD COLUMN server TEXT DEFAULT current_server();

-- Asked by every connection of those who sign and settle, before its first statement.
CREATE FUNCTION require_known_server() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  known TEXT := (SELECT server FROM installation);
  here TEXT := current_server();
BEGIN
  IF known <> here THEN
    RAISE EXCEPTION 'the database was on server %, timeline %, and is on server %, timeline %: nothing is signed and nothing settled until it is known whether it has forgotten anything: router recovered, or router recovered --nothing-lost',
      split_part(known, '/', 1), split_part(known, '/', 2), split_part(here, '/', 1), split_part(here, '/', 2)
      USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
END $$;
REVOKE EXECUTE ON FUNCTION current_server(), require_known_server() FROM PUBLIC;
