#!/usr/bin/env bash
# Starts PostgreSQL the way the public image does, as far as this project uses it: on an empty PGDATA it makes the
# cluster, the superuser POSTGRES_USER with POSTGRES_PASSWORD or the text in POSTGRES_PASSWORD_FILE, and POSTGRES_DB;
# POSTGRES_INITDB_ARGS goes to initdb. The server never runs as root and listens on no port before all of it is done.
set -euo pipefail

case ${1:-postgres} in
  postgres) ;;
  -*) set -- postgres "$@" ;;
  *) exec "$@" ;;
esac

# The secret is often readable by root alone: it is read before root is given up.
if [ -z "${POSTGRES_PASSWORD:-}" ] && [ -n "${POSTGRES_PASSWORD_FILE:-}" ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
  POSTGRES_PASSWORD=$(<"$POSTGRES_PASSWORD_FILE")
  export POSTGRES_PASSWORD
fi
unset POSTGRES_PASSWORD_FILE

if [ "$(id -u)" = 0 ]; then
  install -d -m 700 -o postgres -g postgres "$PGDATA"
  install -d -m 2775 -o postgres -g postgres /var/run/postgresql
  exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$0" "$@"
fi

user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  [ -n "${POSTGRES_PASSWORD:-}" ] ||
    { echo 'set POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE' >&2; exit 1; }
  # initdb's arguments are words, as in the public image.
  # shellcheck disable=SC2086
  initdb --username="$user" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") --encoding=UTF8 \
    --auth-local=trust --auth-host=scram-sha-256 ${POSTGRES_INITDB_ARGS:-}
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  [ "$database" = postgres ] || echo "CREATE DATABASE \"$database\"" | postgres --single -D "$PGDATA" postgres >/dev/null
fi
unset POSTGRES_PASSWORD
# Debian's default listens on 127.0.0.1 of the container, where nobody is; settings of the command line come later and win.
shift
exec postgres -c 'listen_addresses=*' "$@"
