# One image for every process of the router; the command chooses the worker. It runs the Node that package-lock.json
# names, whatever Node builds it.
#   BUILD_IMAGE needs node (20 or newer) and npm, only while building
#   BASE_IMAGE needs glibc and libstdc++ of the same Debian or newer, nothing else
# deploy/containers/build.sh passes npm settings and proxies on. There is no `syntax` line on purpose: it would make
# every build pull an image.
ARG BUILD_IMAGE=node:24-trixie-slim
ARG BASE_IMAGE=debian:trixie-slim

FROM ${BUILD_IMAGE} AS modules
WORKDIR /app
COPY package.json package-lock.json ./
ARG NPM_CONFIG_REGISTRY
# Without the optional packages: the embedded PostgreSQL, and a reader of msgpack that BullMQ, which only writes it, has
# no use for. Headers of Node are for compilers: 67 MB.
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc \
  --mount=type=secret,id=ca,target=/run/secrets/ca \
  --mount=type=cache,target=/root/.npm \
  if [ -e /run/secrets/ca ]; then export NODE_EXTRA_CA_CERTS=/run/secrets/ca npm_config_cafile=/run/secrets/ca; fi; \
  npm ci --omit=dev --omit=optional --no-audit --no-fund \
  && rm -rf node_modules/node/node_modules/*/include

FROM ${BASE_IMAGE}
# The paper exchange keeps its journal in /data; a new volume takes the folder's owner over.
RUN groupadd --gid 10001 router \
  && useradd --uid 10001 --gid router --home-dir /app --no-create-home --shell /usr/sbin/nologin router \
  && install -d -o router -g router /data \
  && ln -s /app/src/cli.ts /usr/local/bin/router
WORKDIR /app
COPY --from=modules /app/node_modules node_modules
COPY package.json LICENSE ./
COPY migrations migrations
COPY examples examples
COPY deploy/containers/healthcheck.mjs deploy/containers/
COPY workers workers
COPY src src
# HOST: inside the container the health of a worker is asked from outside of its network namespace too.
ENV NODE_ENV=production HOST=0.0.0.0 PORT=9464 PATH=/app/node_modules/.bin:$PATH
USER 10001:10001
EXPOSE 9464
STOPSIGNAL SIGTERM
# A worker that lives answers; whether it is ready (database, venue) is another question, which a restart does not help.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "deploy/containers/healthcheck.mjs"]
# Workers: node workers/submitter.ts, reconciler.ts, maintenance.ts, ops.ts
CMD ["router", "--help"]
