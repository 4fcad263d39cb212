# The image of `deckhand serve`: Node, the bundle and what those two load; no shell, no package manager, no npm, no
# node_modules (the bundle in dist/ holds every package it uses). Works with Docker's classic builder and with BuildKit.
# How to run it, with the host's views or without: deploy/docker/README.md.

# The same release that package.json brings for hosts with an older Node (tested): one Node for everybody.
FROM node:24.21.0-trixie-slim AS build
# The init: see ENTRYPOINT.
RUN apt-get update \
  && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends tini \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
# Said twice, here and in package.json; root.sh stops when they differ.
ARG VERSION=0.1.0
RUN npm run build && sh deploy/docker/root.sh /image /opt/deckhand "$VERSION"
# Node keys its compile cache by path and uid: primed with those of the last stage.
USER 10001:10001
RUN node deploy/prime.mjs /opt/deckhand

FROM scratch
COPY --from=build --chown=0:0 /image /
# Root's, and nobody else may write it: a hijacked server cannot change the program that starts next time.
COPY --from=build --chown=0:0 /opt/deckhand /opt/deckhand

# MALLOC_*, like the flag in ENTRYPOINT, halves the memory under load, and cannot be set once Node runs.
ENV PATH=/usr/local/bin:/usr/bin \
    MALLOC_ARENA_MAX=1 \
    MALLOC_MMAP_THRESHOLD_=16384 \
    DECKHAND_STATE_DIR=/var/lib/deckhand/state \
    DECKHAND_HTTP_HOST=0.0.0.0
# All addresses, but of the container's own network: loopback in there is reached by nobody. Who reaches it is decided by
# what is published, which nothing in here can see. So it is the owner's word, given where the port is published, that lets
# it start in plain HTTP: `-p 127.0.0.1:7070:7070 -e DECKHAND_HTTP_BEHIND_PROXY=true`; or DECKHAND_HTTP_TLS_*. With
# --network host it would be every address of the host: then DECKHAND_HTTP_HOST=127.0.0.1, and no such word.
EXPOSE 7070

# A number, so that Kubernetes' runAsNonRoot can check it. Any other --user works as well.
USER 10001:10001
# Open to any user like /tmp (sticky): the state in it is made with mode 0700 by whoever runs first.
VOLUME /var/lib/deckhand

# Node is a poor PID 1: it never waits for children it did not start, so orphans would stay zombies, and the kernel drops a
# SIGTERM that comes before it listens. tini does both (-s: also where --pid=host makes it another PID). Not left to
# `docker run --init`: Kubernetes and an LXC made from this image have no such switch.
ENTRYPOINT ["/usr/bin/tini-static", "-s", "--", "/usr/local/bin/node", "--max-semi-space-size=2", "/usr/local/bin/deckhand"]
CMD ["serve"]
STOPSIGNAL SIGTERM
# Liveness, not readiness: a full disk must not have the container killed.
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s --retries=3 \
  CMD ["/usr/local/bin/node", "/opt/deckhand/health.mjs"]

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Deckhand" \
      org.opencontainers.image.description="See and safely operate one Linux host over MCP" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.base.name="docker.io/library/node:24.21.0-trixie-slim"
