# One image for web, worker and beat; what differs is the command.
FROM python:3.11.16-slim-trixie@sha256:be1575ed968de893bd54f4c56315ff7c4736ce522c1bca08fd521731aafc0d76 AS build
WORKDIR /app
ENV PATH=/venv/bin:$PATH VAR_DIR=/app/var
COPY requirements-uv.lock requirements.lock ./
RUN python -m venv /venv \
    && python -m pip install --no-cache-dir --require-hashes --requirement requirements-uv.lock \
    && uv pip install --no-cache --require-hashes --compile-bytecode --requirement requirements.lock \
    && python -m pip uninstall --yes uv
COPY . .
# Static files get the names they have in production, so production settings are needed: throwaway ones, in this step only.
RUN python manage.py fonts \
    && key=$(python -c 'import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())') \
    && DATABASE_URL=postgresql://none.invalid/none REDIS_URL=redis://none.invalid ALLOWED_HOSTS=none.invalid \
       PUBLIC_URL=https://none.invalid EMAIL_URL=console: SECRET_KEY=$key$key KEY_PEPPERS=1:$key ENCRYPTION_KEYS=1:$key \
       python manage.py collectstatic --no-input --verbosity 0 \
    && chmod -R a+rX var

FROM python:3.11.16-slim-trixie@sha256:be1575ed968de893bd54f4c56315ff7c4736ce522c1bca08fd521731aafc0d76
RUN useradd --system --uid 10001 --no-create-home latchkey
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 VAR_DIR=/app/var WEB_WORKERS=2
WORKDIR /app
COPY --from=build /venv /venv
COPY --from=build /app /app
USER latchkey
EXPOSE 8000
# In shell form, so that WEB_WORKERS and WEB_HOST count; exec, so that granian gets the signals. /metrics adds up what its processes
# write to a folder that they share and that is empty at the start.
CMD export PROMETHEUS_MULTIPROC_DIR="$(mktemp -d)" && exec granian --interface asgi --loop uvloop --http 1 \
    --runtime-mode st --respawn-failed-workers --no-ws --backpressure 20000 --http1-header-read-timeout 6000 --http1-buffer-size 32768 \
    --workers "$WEB_WORKERS" --host "${WEB_HOST:-0.0.0.0}" --port 8000 portal.asgi:application
