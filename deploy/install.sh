#!/bin/bash
# Install or upgrade ops_pipelines on one Debian machine, with systemd: run it in a checkout, again and again.
#
#   sudo deploy/install.sh [--site NAME] [--tls internal|MAIL] [--no-proxy] [--dry-run] [--root DIR]
#
#   --site NAME   the name people type into their browser (default: what `hostname -f` says)
#   --tls WHO     who signs its certificate: `internal` (this machine, the default) or Let's Encrypt, given a mail address
#   --no-proxy    no Caddy: the pages are on 127.0.0.1 alone
#   --dry-run     say what would be done, and do nothing
#   --root DIR    files only, below DIR: nothing is created in a database, nothing started (for packages and tests)
#
# What is yours is never overwritten: ops.yaml, *.env, secrets/, proxy/. A file of ours that you changed is kept, and the
# new one put beside it as NAME.new. The last three releases stay in /opt/ops_pipelines/releases. docs/deploy.md
set -euo pipefail
umask 022
cd "$(dirname "$0")/.."

site="" tls=internal proxy=1 dry="" root=""
while [ $# -gt 0 ]; do
    case $1 in
        --site) site=$2; shift ;;
        --tls) tls=$2; shift ;;
        --no-proxy) proxy=0 ;;
        --dry-run) dry=1 ;;
        --root) root=${2%/}; shift ;;
        *) sed -n '2,14s/^# \{0,1\}//p' "$0"; exit 2 ;;
    esac
    shift
done
etc=/etc/ops_pipelines opt=/opt/ops_pipelines
units=(ops.target ops-code-server.service ops-daemon.service ops-webserver.service ops-operator.service ops-status.service)
[ "$proxy" = 0 ] || units+=(ops-proxy.service)

say() { echo "install: $*" >&2; }
do_() { say "$(printf "%q " "$@")" >&2; [ -n "$dry" ] || "$@"; }
fail() { echo "install: $*" >&2; exit 1; }
on_this_machine() { [ -z "$root" ]; }

# put FILE PLACE MODE [OWNER]: a file of ours, unless it is there already; one that was changed is kept
put() {
    local place=$root$2 known=$root$opt/installed/${2//\//_}
    if [ -e "$place" ] && ! cmp -s "$place" "$1" && [ -e "$known" ] && ! cmp -s "$place" "$known"; then
        say "kept your $2; the new one is $2.new"
        place=$place.new
    fi
    if ! cmp -s "$1" "$place"; then
        do_ install -D -m "$3" "$1" "$place"
    fi
    if ! cmp -s "$1" "$known"; then
        [ -n "$dry" ] || install -D -m 0644 "$1" "$known"
    fi
}

# once PLACE MODE OWNER: standard input becomes a file of yours, unless it is there already
once() {
    if [ -e "$root$1" ]; then
        cat > /dev/null
        return
    fi
    say "write $1"
    if [ -n "$dry" ]; then cat > /dev/null; return; fi
    mkdir -p "$(dirname "$root$1")"
    (umask 077; cat > "$root$1.part")
    chmod "$2" "$root$1.part"
    ! on_this_machine || chown "$3" "$root$1.part"
    mv "$root$1.part" "$root$1"
}

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

packages() {
    local wanted=(python3-venv ca-certificates bubblewrap postgresql postgresql-client) missing=()
    [ "$proxy" = 0 ] || wanted+=(caddy)
    for name in "${wanted[@]}"; do
        dpkg-query --show --showformat='${db:Status-Status}' "$name" 2> /dev/null | grep -qx installed || missing+=("$name")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    do_ apt-get update -qq
    do_ env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
    # Ours takes its ports; yours, if you had one before, is left alone and --no-proxy is for you.
    case " ${missing[*]} " in *" caddy "*) do_ systemctl disable --now caddy.service ;; esac
}

# Each release has its own folder and virtual environment: a backup that runs finishes with the code it began with.
release() {
    local content name
    content=$(find ops_pipelines pyproject.toml requirements-deploy.txt -type f ! -name '*.pyc' -print0 | LC_ALL=C sort -z \
        | xargs -0 sha256sum | sha256sum | cut -c1-10)
    name=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' ops_pipelines/__init__.py)-$content
    target=$opt/releases/$name
    if [ ! -e "$root$target/complete" ]; then
        say "build release $name"
        if [ -z "$dry" ]; then
            rm -rf "$root$target"
            mkdir -p "$root$target"
            python3 -m venv "$root$target"
            "$root$target/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
                --requirement requirements-deploy.txt
            local source
            source=$(mktemp -d)
            cp -r ops_pipelines pyproject.toml README.md "$source"
            "$root$target/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation "$source"
            rm -rf "$source"
            : > "$root$target/complete"
        fi
    fi
    # A release that cannot read your ops.yaml is not put to work.
    if on_this_machine && [ -e $etc/ops.yaml ] && [ -z "$dry" ]; then
        OPS_RELEASE=$target /usr/local/bin/ops check > /dev/null || fail "nothing was changed"
    fi
    if [ "$(readlink "$root$opt/current" 2> /dev/null)" != "releases/$name" ]; then
        do_ ln -sfn "releases/$name" "$root$opt/current.new"
        do_ mv -T "$root$opt/current.new" "$root$opt/current"
        changed=1
    fi
    [ -d "$root$target" ] || return 0
    touch "$root$target"
    find "$root$opt/releases" -mindepth 1 -maxdepth 1 -printf '%T@ %p\n' | sort -rn | tail -n +4 | cut -d' ' -f2- \
        | while read -r old; do do_ rm -rf "$old"; done
}

files() {
    put deploy/systemd/sysusers.conf /usr/lib/sysusers.d/ops_pipelines.conf 0644
    put deploy/systemd/tmpfiles.conf /usr/lib/tmpfiles.d/ops_pipelines.conf 0644
    if on_this_machine; then
        do_ systemd-sysusers ops_pipelines.conf
        do_ systemd-tmpfiles --create ops_pipelines.conf
    fi
    put deploy/dagster.yaml $etc/dagster.yaml 0644
    put deploy/workspace.yaml $etc/workspace.yaml 0644
    put deploy/Caddyfile $etc/Caddyfile 0644
    put deploy/logs/logrotate /etc/logrotate.d/ops_pipelines 0644
    put deploy/systemd/ops.sh /usr/local/bin/ops 0755
    for unit in "${units[@]}"; do put "deploy/systemd/$unit" "/etc/systemd/system/$unit" 0644; done
    once $etc/ops.env 0600 root:root < deploy/systemd/ops.env
    random | once $etc/web.token 0640 root:ops
    if [ "$proxy" = 1 ]; then
        once $etc/proxy.env 0600 root:root <<< "OPS_SITE=${site:-$(hostname -f 2> /dev/null || hostname)}
OPS_TLS=$tls"
        login viewers viewer
        login operators operator
        [ -n "$dry" ] || once $etc/proxy/upstream 0600 root:root <<< "header_up Authorization \"Bearer $(cat "$root$etc/web.token")\""
    fi
}

# login FILE NAME: a line `name hash`; the password lies beside it until you have handed it over
login() {
    [ ! -e "$root$etc/proxy/$1" ] || return 0
    local hash
    random | once "$etc/proxy/$1.password" 0600 root:root
    [ -z "$dry" ] || return 0
    hash=$({ cat "$root$etc/proxy/$1.password"; echo; } | caddy hash-password 2> /dev/null)
    once "$etc/proxy/$1" 0600 root:root <<< "$2 $hash"
}

configuration() {
    [ ! -e "$root$etc/ops.yaml" ] || return 0
    if [ -n "$dry" ]; then say "write $etc/ops.yaml and $etc/secrets/age.key"; return; fi
    local python=$root$opt/current/bin/python identity recipient
    identity=$("$python" -c 'import pyrage; print(pyrage.x25519.Identity.generate())')
    once $etc/secrets/age.key 0640 root:ops <<< "$identity"
    recipient=$("$python" -c 'import pyrage, sys; print(pyrage.x25519.Identity.from_str(sys.stdin.read().strip()).to_public())' \
        < "$root$etc/secrets/age.key")
    sed "s/age1\.\.\./$recipient/" deploy/systemd/ops.yaml | once $etc/ops.yaml 0640 root:ops
}

# The login `ops` comes in through the socket as the system's user of that name: there is no password to lose.
databases() {
    if grep -q '^DAGSTER_PG_HOST=..*' $etc/ops.env 2> /dev/null; then return 0; fi
    if [ -n "$dry" ]; then say "create role ops and databases ops_dagster, ops_ledger, where they are not there"; return; fi
    systemctl start postgresql.service
    local as=(env --chdir=/ runuser -u postgres -- psql -XqAt --dbname postgres -v ON_ERROR_STOP=1 --command)
    [ -n "$("${as[@]}" "select 1 from pg_roles where rolname = 'ops'")" ] || "${as[@]}" "create role ops login"
    for name in ops_dagster ops_ledger; do
        [ -n "$("${as[@]}" "select 1 from pg_database where datname = '$name'")" ] || {
            say "create database $name"
            "${as[@]}" "create database $name owner ops"
            "${as[@]}" "revoke connect, temporary on database $name from public"
        }
    done
}

start() {
    say "bring Dagster's tables up to date"
    [ -n "$dry" ] || /usr/local/bin/ops --as-dagster instance migrate > /dev/null
    do_ systemctl daemon-reload
    do_ systemctl enable --quiet "${units[@]}"
    if [ -n "$changed" ]; then
        # The code server first: the others ask it. A backup that runs is not ended by this.
        do_ systemctl restart ops-code-server.service
        do_ systemctl restart "${units[@]:2}"
    fi
    do_ systemctl start "${units[@]}"
}

changed=""
on_this_machine && [ "$(id -u)" != 0 ] && [ -z "$dry" ] && fail "must be root; with --dry-run anybody may ask"
before=$(cat "$root"/etc/systemd/system/ops* "$root$etc"/*.{yaml,env} "$root$etc/Caddyfile" 2> /dev/null | sha256sum || true)
on_this_machine && packages
release
files
configuration
after=$(cat "$root"/etc/systemd/system/ops* "$root$etc"/*.{yaml,env} "$root$etc/Caddyfile" 2> /dev/null | sha256sum || true)
[ "$before" = "$after" ] || changed=1
if on_this_machine; then
    databases
    start
fi
say "done: ops status shows how things stand; your part is $etc/ops.yaml (what to protect) and a copy of $etc/secrets elsewhere"
