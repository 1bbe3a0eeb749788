# The image of sealtail: node and the built package. No shell, no npm, not root, nothing to write.
#
# - Both bases are pinned by digest. BUILD_BASE brings node 24 in /usr/local, npm and a shell;
#   RUNTIME_BASE brings glibc, libstdc++ and authorities, and node is copied into it, so that
#   node's version is decided in one place. Before you trust a new digest, ask the registry:
#   `skopeo inspect docker://NAME:TAG`. Without a registry, give local ones with --build-arg.
# - What npm needs to reach a registry of yours comes as a secret and stays out of the image:
#   --secret id=npmrc,src=$HOME/.npmrc
# - --format docker keeps HEALTHCHECK, which the OCI format does not know; Kubernetes uses probes.

ARG BUILD_BASE=docker.io/library/node:24.21.0-trixie-slim@sha256:8ec5d7557396cfe32d21c3f9c13072355ceab22b584578ca4bb28af31120cffe
ARG RUNTIME_BASE=gcr.io/distroless/cc-debian13:nonroot@sha256:e792ab3d241a468a4fd7519ddbbebe66b49b5f365771716ea688ad40b6c6f1c2

FROM ${BUILD_BASE} AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
# Without install scripts: node is the base's, and nothing else has any.
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build && npm prune --omit=dev --ignore-scripts
# What is in here, as CycloneDX: our production dependencies, and node, which npm does not know of.
COPY .ci/sbom.mjs ./
RUN npm sbom --package-lock-only --omit=dev --sbom-format=cyclonedx > /tmp/npm.cdx.json \
  && node sbom.mjs /tmp/npm.cdx.json > sbom.cdx.json

FROM ${RUNTIME_BASE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="sealtail" \
      org.opencontainers.image.description="Ships audit logs as signed, hash-linked envelopes to write-once storage, and lets anyone verify them offline" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build --chown=0:0 /usr/local/bin/node /usr/local/bin/node
COPY --from=build --chown=0:0 /src/package.json /src/sbom.cdx.json /app/
COPY --from=build --chown=0:0 /src/node_modules /app/node_modules
COPY --from=build --chown=0:0 /src/dist /app/dist
COPY --chown=0:0 LICENSE /app/
# For 256 MiB of memory: blocks, bodies and buffers lie outside of the heap (docs/performance.md).
ENV NODE_ENV=production NODE_OPTIONS="--max-old-space-size=96 --max-semi-space-size=8"
WORKDIR /app
USER 65532:65532
EXPOSE 8443 9464 9465
STOPSIGNAL SIGTERM
# Starts a node, 60 ms of CPU: not too often.
HEALTHCHECK --interval=60s --timeout=5s --start-period=20s CMD ["/usr/local/bin/node", "/app/dist/cli/bin.js", "health"]
ENTRYPOINT ["/usr/local/bin/node", "/app/dist/cli/bin.js"]
CMD ["agent", "--config", "/etc/sealtail/agent.yaml"]
