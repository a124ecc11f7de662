# One image for every program: `docker run IMAGE python -m services.api`, or what docker-compose.yml
# says. It runs as user 1000; Compose runs the supervisor as root, see docs/deployment.md.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
# Another index than pip's own: from the environment of whoever builds (docker-compose.yml).
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_TRUSTED_HOST
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY requirements.lock requirements-redis.lock shared/redis_tools.py /tmp/
RUN for name in PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_TRUSTED_HOST; do \
        eval "[ -n \"\$$name\" ]" || unset "$name"; \
    done \
 && python3 -m venv /opt/dumb/.venv \
 && /opt/dumb/.venv/bin/pip install --quiet --require-hashes -r /tmp/requirements.lock \
 && if python3 /tmp/redis_tools.py; then \
        /opt/dumb/.venv/bin/pip install --quiet --require-hashes --no-deps --only-binary :all: \
            -r /tmp/requirements-redis.lock; \
    fi \
 && /opt/dumb/.venv/bin/pip uninstall --quiet --yes pip setuptools
COPY shared /opt/dumb/shared
COPY services /opt/dumb/services
COPY dumb dumb_config.json LICENSE /opt/dumb/
RUN /opt/dumb/.venv/bin/python -m compileall -q -j 0 /opt/dumb

FROM ${PYTHON_IMAGE}
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="DUMB control plane" \
      org.opencontainers.image.description="Starts, stops and watches the services of a media stack" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="MIT"
# tini: whatever a service leaves behind is reaped by PID 1.
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends tini >/dev/null \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 1000 dumb \
 && useradd --uid 1000 --gid 1000 --no-create-home --home-dir /data dumb \
 && install -d -o dumb -g dumb -m 0700 /data /data/log /config
COPY --from=build /opt/dumb /opt/dumb
ENV PATH=/opt/dumb/.venv/bin:/opt/dumb:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONPATH=/opt/dumb \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DUMB_HOME=/data \
    DUMB_CONFIG=/config/dumb_config.json \
    DUMB_API_SERVICE_HOST=0.0.0.0 \
    DUMB_API_SERVICE_PORT=8000
USER dumb
WORKDIR /data
EXPOSE 8000
# -s: in the pid namespace of another container it is not PID 1.
ENTRYPOINT ["tini", "-s", "--"]
CMD ["python", "-m", "services.launcher", "up"]
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-m", "services.launcher.health", "supervisor", "api"]
