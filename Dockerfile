# The page and every command in a small image: built in one stage, carried without compiler and sources into the next.
FROM python:3.11-slim-bookworm AS build
# What is installed besides the product itself; `neural` adds the networks.
ARG EXTRAS=postgres,ui
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY sessions sessions
COPY tools tools
COPY agent agent
COPY ui ui
COPY toybox toybox
COPY training training
COPY benchmarks benchmarks
RUN python -m venv /opt/pentimento \
    && /opt/pentimento/bin/pip install --no-cache-dir --constraint constraints.txt ".[${EXTRAS}]" \
    && /opt/pentimento/bin/pip uninstall --yes pip setuptools

FROM python:3.11-slim-bookworm
# pg_dump is for `python -m sessions backup`. The image brings the standard library uncompiled, and where the root is
# read-only each decode worker would compile it anew.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends postgresql-client-15 \
    && rm -rf /var/lib/apt/lists/* \
    && python -m compileall -q -x '/(test|idlelib|lib2to3|site-packages)/' /usr/local/lib/python3.11 \
    && useradd --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin pentimento \
    && install --directory --owner pentimento --group pentimento --mode 700 /data /models
COPY --from=build /opt/pentimento /opt/pentimento
ENV PATH=/opt/pentimento/bin:$PATH HOME=/tmp PENTIMENTO_HOME=/data PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /tmp
USER pentimento
VOLUME /data
EXPOSE 8501
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8501/healthz', timeout=4)"]
CMD ["pentimento", "ui", "--host", "0.0.0.0", "--port", "8501", "--no-browser"]
