# One image for every service of compose.yaml. Choose the torch build with --build-arg TORCH=...
FROM python:3.11-slim-bookworm

ARG TORCH=torch==2.13.0
ARG TORCH_INDEX=

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 AVAL_HOME=/var/lib/aval

WORKDIR /opt/aval
COPY requirements.lock pyproject.toml README.md LICENSE ./
RUN pip install "${TORCH}" ${TORCH_INDEX:+--index-url "${TORCH_INDEX}"} \
    && pip install --require-hashes --no-deps -r requirements.lock

COPY verification verification
COPY training training
COPY webapp webapp
COPY workers workers
RUN pip install --no-deps --no-build-isolation --editable . \
    && python -m webapp.frontend \
    && python -m webapp.messages compile \
    && rm -rf webapp/frontend/node_modules \
    && useradd --system --create-home --home-dir /var/lib/aval aval

USER aval
VOLUME /var/lib/aval
EXPOSE 8000
CMD ["granian", "--interface", "asginl", "--host", "0.0.0.0", "--port", "8000", "--no-ws", "workers.web:application"]
