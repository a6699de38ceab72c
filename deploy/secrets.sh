#!/bin/sh
# secrets.sh [DIRECTORY]: random secrets for deploy/compose.yaml, one a file (default: deploy/secrets).
# What exists is left as it is. As root, each file is given to the one who reads it; nobody else can.
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd)
dir=${1:-$here/secrets}
mkdir -p "$dir"
# Who runs in the images: ops_pipelines, postgres, prometheus and alertmanager (nobody), grafana.
app=10001 postgres=999 nobody=65534 grafana=472

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# give NAME OWNER:GROUP MODE: write standard input into a secret that is not there yet
give() {
    if [ ! -e "$dir/$1" ]; then
        cat > "$dir/$1.new"
        mv "$dir/$1.new" "$dir/$1"
        echo "made $dir/$1"
    else
        cat > /dev/null
    fi
    if [ "$(id -u)" = 0 ]; then chown "$2" "$dir/$1"; fi
    chmod "$3" "$dir/$1"
}

# login FILE NAME: a line `name hash` for the proxy; the password itself goes into FILE.password, to be handed over
login() {
    if [ ! -e "$dir/$1" ]; then
        random | give "$1.password" 0:0 0400
        if command -v caddy > /dev/null; then
            hash=$({ cat "$dir/$1.password"; echo; } | caddy hash-password 2> /dev/null)
        else
            hash=$({ cat "$dir/$1.password"; echo; } | docker run --rm -i caddy:2 caddy hash-password)
        fi
        echo "$2 $hash" | give "$1" 0:0 0400
    fi
}

random | give postgres_password "$postgres:$postgres" 0400
random | give dagster_password "$app:$postgres" 0440
random | give ledger_password "$app:$postgres" 0440
echo "postgresql://dagster:$(cat "$dir/dagster_password")@postgres:5432/dagster" | give dagster_url "$app:$app" 0400
echo "postgresql://ledger:$(cat "$dir/ledger_password")@postgres:5432/ledger" | give ledger_url "$app:$app" 0400
random | give web_token "$app:$nobody" 0440
echo "header_up Authorization \"Bearer $(cat "$dir/web_token")\"" | give upstream 0:0 0400
random | give grafana_password "$grafana:0" 0400
# Yours to fill in, for the profile `monitoring` and for decrypting (age-keygen -o secrets/age_key, then run this again).
: | give slack_url "$nobody:$nobody" 0400
: | give mail_password "$nobody:$nobody" 0400
: | give age_key "$app:$app" 0400
login viewers viewer
login operators operator
