#!/bin/sh
# /usr/local/bin/ops: the command line, as the user and with the environment of the services. `ops --as-dagster …` runs
# Dagster's own command line in the same way.
set -eu
if [ "$(id -u)" != 0 ]; then exec sudo "$0" "$@"; fi
set -a
. /etc/ops_pipelines/ops.env
if [ -e /etc/ops_pipelines/sources.env ]; then . /etc/ops_pipelines/sources.env; fi
set +a
# What is advised is `ops …`: the program is on the PATH.
export PATH="${OPS_RELEASE:-/opt/ops_pipelines/current}/bin:$PATH"
export HOME=/var/lib/ops_pipelines TMPDIR=/var/lib/ops_pipelines/tmp
cd /
program=ops
if [ "${1:-}" = --as-dagster ]; then
    shift
    program=dagster
fi
exec setpriv --reuid=ops --regid=ops --init-groups --inh-caps=-all "$program" "$@"
