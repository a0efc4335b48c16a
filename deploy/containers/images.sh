#!/usr/bin/env bash
# Makes sure that the images beside the router's own are on this machine, and prints them as NAME=image lines.
# For each: the one that the variable names; else the public one, if it is here or can be pulled; else one from
# Debian's packages, built once and then reused. Usage: images.sh [NAME…]; progress goes to standard error.
set -euo pipefail
cd "$(dirname "$0")"

debian=dydx-order-router/debian:${DEBIAN_SUITE:-trixie}
public() {
  case $1 in
    BUILD_IMAGE) echo node:24-trixie-slim ;;
    BASE_IMAGE) echo debian:trixie-slim ;;
    POSTGRES_IMAGE) echo postgres:18 ;;
    REDIS_IMAGE) echo redis:8 ;;
    *) echo "images.sh: unknown image $1" >&2; return 1 ;;
  esac
}

have() { docker image inspect "$1" >/dev/null 2>&1; }
# A registry that cannot be reached may also be one that never answers.
pull() { timeout "${PULL_TIMEOUT_S:-120}" docker pull --quiet "$1" >/dev/null 2>&1; }

build_debian() {
  have "$debian" && return
  echo "images.sh: $debian from packages" >&2
  ./debian-base.sh "$debian"
}

from_debian() {
  local name=$1 tag=dydx-order-router/$1:${DEBIAN_SUITE:-trixie}
  if ! have "$tag"; then
    build_debian
    echo "images.sh: $tag from packages" >&2
    DOCKER_BUILDKIT=1 docker build --network "${BUILD_NETWORK:-default}" --build-arg "DEBIAN_IMAGE=$debian" \
      --file "debian/$name.Dockerfile" --tag "$tag" debian >&2
  fi
  echo "$tag"
}

fallback() {
  case $1 in
    BUILD_IMAGE) from_debian node ;;
    BASE_IMAGE) build_debian && echo "$debian" ;;
    POSTGRES_IMAGE) from_debian postgres ;;
    REDIS_IMAGE) from_debian redis ;;
  esac
}

[ $# -gt 0 ] || set -- BUILD_IMAGE BASE_IMAGE POSTGRES_IMAGE REDIS_IMAGE
for name in "$@"; do
  image=${!name:-$(public "$name")}
  if ! have "$image" && ! pull "$image"; then
    [ -z "${!name:-}" ] || { echo "images.sh: $name=$image is not here and cannot be pulled" >&2; exit 1; }
    image=$(fallback "$name")
  fi
  echo "$name=$image"
done
