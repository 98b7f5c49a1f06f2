# The workers. Kafka and Weaviate run in containers of their own: see docker-compose.yml.
FROM python:3.12-slim
WORKDIR /app
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md ./
COPY schemas schemas
COPY streams streams
COPY agents agents
COPY ticketstream ticketstream
RUN pip install --no-cache-dir --no-deps . \
    && useradd --create-home --uid 10001 ticketstream \
    && install -d -o ticketstream /data
USER ticketstream
ENV TICKETSTREAM_DATA_DIR=/data
VOLUME /data
# SIGTERM, which `docker stop` sends, lets a worker finish what is in flight.
ENTRYPOINT ["ticketstream"]
CMD ["worker"]
