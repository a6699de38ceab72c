#!/bin/sh
# What Dagster takes from the environment alone is read from files, so that `docker inspect` shows no secret.
set -eu
for name in DAGSTER_PG_PASSWORD AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY; do
    eval "file=\${${name}_FILE:-}"
    if [ -n "$file" ]; then
        value=$(cat "$file")
        export "$name=$value"
    fi
done
exec "$@"
