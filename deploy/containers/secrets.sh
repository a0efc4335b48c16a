#!/usr/bin/env bash
# Makes the secret files that docker-compose.yml mounts: random database passwords and the URLs that hold them, one for
# each kind of process, which `router roles --login` makes logins of. What is there already is kept: the first password
# belongs to the data in the volume. Usage: secrets.sh [folder, ./secrets]
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

random() {
  od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

write postgres_password "$(random)"
write database_url "postgresql://router:$(<"$folder/postgres_password")@postgres:5432/router"
for login in worker maintenance app; do
  write "${login}_url" "postgresql://router_$login:$(random)@postgres:5432/router"
done
write redis_url redis://redis:6379
