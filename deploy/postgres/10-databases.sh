#!/bin/sh
# Run once by the postgres image, on an empty data directory: a login and a database for Dagster, and another for the
# ledger. Neither may look into the other's.
set -eu
for name in dagster ledger; do
    psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<SQL
\set password \`cat "$OPS_SECRETS/${name}_password"\`
create role $name login password :'password';
create database $name owner $name;
revoke connect, temporary on database $name from public;
SQL
done
