#!/usr/bin/env bash
# Makes a small Debian image from Debian's packages alone, for machines that reach no image registry.
# Needs root, debootstrap and a running Docker engine. Usage: debian-base.sh <tag>
# DEBIAN_SUITE (trixie) and DEBIAN_MIRROR (http://deb.debian.org/debian) say what is taken, and from where.
set -euo pipefail

tag=${1:?usage: debian-base.sh <tag>}
suite=${DEBIAN_SUITE:-trixie}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

[ "$(id -u)" = 0 ] || { echo 'debian-base.sh: debootstrap needs root' >&2; exit 1; }
command -v debootstrap >/dev/null || { echo 'debian-base.sh: apt-get install debootstrap' >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT

debootstrap --variant=minbase "$suite" "$work/root" "$mirror" >"$work/log" 2>&1 ||
  { tail -n 20 "$work/log" >&2; exit 1; }

# Packages and lists that every later apt-get update brings again, and pages that nobody reads in a container.
rm -rf "$work"/root/var/cache/apt/archives/*.deb "$work"/root/var/lib/apt/lists/* \
  "$work"/root/usr/share/{doc,man,info}/*
tar -C "$work/root" --numeric-owner -c . | docker import --change 'CMD ["bash"]' - "$tag" >/dev/null
