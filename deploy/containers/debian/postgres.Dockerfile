# PostgreSQL from Debian's packages, in place of the public postgres image, with the part of its manners that
# docker-compose.yml and the tests use (postgres-entrypoint.sh).
ARG DEBIAN_IMAGE
FROM ${DEBIAN_IMAGE}
# Debian would make a cluster of its own at install; the entrypoint makes it in the volume.
RUN install -d /etc/postgresql-common \
  && echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf \
  && apt-get update \
  && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    -o Dpkg::Options::=--force-confold postgresql \
  && rm -rf /var/lib/apt/lists/* \
  && ln -s /usr/lib/postgresql/*/bin /usr/local/lib/postgresql
COPY --chmod=755 postgres-entrypoint.sh /usr/local/bin/
ENV PATH=/usr/local/lib/postgresql:$PATH LANG=C.UTF-8 PGDATA=/var/lib/postgresql/data
VOLUME /var/lib/postgresql
EXPOSE 5432
# Fast shutdown: sessions are ended, a checkpoint is written.
STOPSIGNAL SIGINT
ENTRYPOINT ["postgres-entrypoint.sh"]
CMD ["postgres"]
