#!/usr/bin/env bash
# Builds the router's image with the npm settings of whoever builds: user npmrc and CA bundle as build secrets, proxies
# and registry as build arguments, each only if there is one. Nothing of it stays in the image.
# Usage: build.sh [tag, ROUTER_IMAGE or dydx-order-router:local]; BUILD_IMAGE and BASE_IMAGE as in the Dockerfile.
set -euo pipefail
cd "$(dirname "$0")/../.."

tag=${1:-${ROUTER_IMAGE:-dydx-order-router:local}}
args=()
for name in BUILD_IMAGE BASE_IMAGE NPM_CONFIG_REGISTRY HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy; do
  # Without a value, docker takes it from the environment: a password in a proxy's URL is on no command line.
  [ -z "${!name:-}" ] || args+=(--build-arg "$name")
done
npmrc=${NPM_CONFIG_USERCONFIG:-$HOME/.npmrc}
[ ! -r "$npmrc" ] || args+=(--secret "id=npmrc,src=$npmrc")
ca=${NODE_EXTRA_CA_CERTS:-${SSL_CERT_FILE:-}}
[ ! -r "${ca:-/nonexistent}" ] || args+=(--secret "id=ca,src=$ca")

# host: for a proxy or a registry on this machine's 127.0.0.1.
DOCKER_BUILDKIT=1 docker build --network "${BUILD_NETWORK:-default}" "${args[@]}" --tag "$tag" .
