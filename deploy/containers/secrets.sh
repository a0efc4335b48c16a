#!/usr/bin/env bash
# Makes the secret files that docker-compose.yml mounts: a random database password and the URLs that hold it.
# What is there already is kept: the password belongs to the data in the volume. Usage: secrets.sh [folder, ./secrets]
set -euo pipefail

folder=${1:-secrets}
# Compose mounts the files as they are, and the containers have users of their own: so any user may read a file, and
# the folder keeps everybody but its owner out on this machine.
mkdir -p "$folder"
chmod 700 "$folder"

write() {
  [ -s "$folder/$1" ] || printf '%s\n' "$2" >"$folder/$1"
  chmod 444 "$folder/$1"
}

write postgres_password "$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')"
write database_url "postgresql://router:$(<"$folder/postgres_password")@postgres:5432/router"
write redis_url redis://redis:6379
