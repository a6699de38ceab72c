#!/bin/sh
# Recover a restore point of ops_pipelines with standard tools only: no Python, no ops_pipelines.
#
# Needs sh, the usual small programs (sed, awk, sort, df, mktemp, base64, od, ...), sha256sum, openssl 3, zstd, age, and
# the client of what is restored: psql, pg_restore and createdb; mariadb or mysql; tar and mongorestore; restic. For
# copies in a bucket also aws or rclone.
#
# Nothing of a restore point is read before its signature is checked with the public keys beside this script.
#
# Exit status: 0 done, 1 done but look at what was printed, 2 failed, 3 refused for safety (nothing was changed).

set -eu
umask 077
export LC_ALL=C

usage() {
  cat <<'USAGE'
sh recover.sh open DIR                    open the sealed part of this kit into the new directory DIR
sh recover.sh list STORE [SOURCE]         the restore points of a store
sh recover.sh check STORE SOURCE          are all bytes of a copy there? (SHA256SUMS)
sh recover.sh unpack STORE SOURCE --to DIR    decrypt and decompress the parts into a new directory
sh recover.sh restore STORE SOURCE --to TARGET    restore into a new database, or a new folder

STORE     a directory, or s3://bucket/prefix (then with aws or rclone)
TARGET    PostgreSQL, MySQL: the name of a database that does not exist or is empty
          MongoDB: the same; folders, SQLite: a directory that does not exist or is empty
Options
  -i FILE            an age identity or SSH key; a directory means every file in it; may be repeated.
                     For `open`: opens a kit that was sealed for a recipient
  --backup ID        this restore point; otherwise the newest verified one, or else the newest
  --login FILE       MySQL: option file with host, user, password; MongoDB: mongorestore's --config file
  --with-roles       for a new server of its own. PostgreSQL: also the roles of the old server; MySQL: accounts that
                     nobody can log in to, as which views and routines run
  --passphrase-file FILE   for `open`; otherwise $KIT_PASSPHRASE, otherwise it is asked for
  --trusted FILE     public keys whose signatures count; otherwise trusted.keys beside this script
  --unsigned         take what no trusted key signed: from before signatures, or after the keys were lost. Look at what
                     it is first: whoever could write to the store can have put anything there
  --work DIR         for decrypted bytes while they are needed; otherwise $TMPDIR or /tmp
Where the database server is: PGHOST, PGPORT, PGUSER, PGPASSWORD (PostgreSQL), --login (the others).
PGHOST, or --login, must be given: this script never guesses a server.
USAGE
}

say() { printf '%s\n' "$*"; }
warn() { printf 'recover.sh: %s\n' "$*" >&2; }
fail() { warn "$1"; shift; for line; do printf '  %s\n' "$line" >&2; done; exit 2; }
refuse() { warn "refused: $1"; shift; for line; do printf '  %s\n' "$line" >&2; done
  printf '  nothing was changed\n' >&2; exit 3; }
need() { for program; do command -v "$program" >/dev/null 2>&1 || fail "$program is not installed here" \
  "install it (Debian: apt-get install age zstd openssl postgresql-client mariadb-client restic), then run this again"
  done; }

# ---- arguments ------------------------------------------------------------------------------------------------------

here=$(cd -- "$(dirname -- "$0")" && pwd)
trusted=$here/trusted.keys unsigned='' reason=''
keys='' backup='' to='''' login='' roles='' passphrase_file='' work_root=${TMPDIR:-/tmp} work=''
words=0 verb='' one='' two=''

cleanup() { [ -z "$work" ] || rm -rf -- "$work"; }
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

absolute() { case $1 in /*) printf '%s' "$1" ;; *) printf '%s/%s' "$PWD" "$1" ;; esac; }

# Identities are kept one a line, absolute.
add_keys() {
  if [ -d "$1" ]; then
    for file in "$1"/*; do [ ! -f "$file" ] || keys="$keys$(absolute "$file")
"; done
  elif [ -r "$1" ]; then
    keys="$keys$(absolute "$1")
"
  else fail "the identity file $1 cannot be read"; fi
}

value_of() { [ "$2" -ge 2 ] || { warn "$1 needs a value"; usage >&2; exit 2; }; }

while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    -i) value_of "$1" $#; add_keys "$2"; shift ;;
    --backup) value_of "$1" $#; backup=$2; shift ;;
    --to) value_of "$1" $#; to=$2; shift ;;
    --login) value_of "$1" $#; login=$(absolute "$2"); shift ;;
    --work) value_of "$1" $#; work_root=$2; shift ;;
    --passphrase-file) value_of "$1" $#; passphrase_file=$2; shift ;;
    --with-roles) roles=yes ;;
    --trusted) value_of "$1" $#; trusted=$(absolute "$2"); shift ;;
    --unsigned) unsigned=yes ;;
    -*) warn "there is no option $1"; usage >&2; exit 2 ;;
    *)
      words=$((words + 1))
      case $words in 1) verb=$1 ;; 2) one=$1 ;; 3) two=$1 ;; *) warn "too many words: $1"; usage >&2; exit 2 ;; esac ;;
  esac
  shift
done

make_work() {
  [ -n "$work" ] || work=$(mktemp -d "$work_root/recover.XXXXXXXX") || fail "no directory can be made in $work_root"
  work=$(cd -- "$work" && pwd)
}

# ---- signatures, in the format of minisign --------------------------------------------------------------------------

# Whether a file is what one of our keys signed as this: signed FILE point|verdict SOURCE ID. Nothing of it is read
# before. Otherwise `reason` says why not.
signed() {
  make_work
  [ -f "$trusted" ] || { reason="there are no keys to check it with: $trusted"; return 1; }
  reason='it has no signature'
  [ -f "$1.minisig" ] && [ "$(wc -c <"$1.minisig")" -le 4096 ] || return 1
  reason='its signature is none'
  sed -n 2p "$1.minisig" | base64 -d >"$work/first" 2>/dev/null || return 1
  sed -n 4p "$1.minisig" | base64 -d >"$work/whole" 2>/dev/null || return 1
  [ "$(wc -c <"$work/first")" -eq 74 ] && [ "$(head -c 2 "$work/first")" = ED ] || return 1
  number=$(head -c 10 "$work/first" | tail -c 8 | od -An -tx1 | tr -d ' \n')
  # The key of another installation stands with the source that it takes, and counts for its restore points alone.
  raw=$(awk -v number="$number" -v named="$2 $3" \
    '$1 == number && (NF < 3 || "point " $3 == named) { print $2; exit }' "$trusted")
  reason="the key $number is not one of $trusted"
  [ -n "$raw" ] || return 1
  printf -- '-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA%s\n-----END PUBLIC KEY-----\n' "$raw" >"$work/public.pem"
  tail -c 64 "$work/first" >"$work/signature"
  comment=$(sed -n '3s/^trusted comment: //p' "$1.minisig")
  { cat "$work/signature"; printf '%s' "$comment"; } >"$work/all"
  reason='it is not what was signed'
  openssl dgst -blake2b512 -binary "$1" >"$work/digest" && verified "$work/digest" "$work/signature" &&
    verified "$work/all" "$work/whole" || return 1
  reason='it was signed as something else'
  case "$comment " in "ops_pipelines $2 "*" source=$3 id=$4 "*) ;; *) return 1 ;; esac
}

verified() { openssl pkeyutl -verify -pubin -inkey "$work/public.pem" -rawin -in "$1" -sigfile "$2" >/dev/null 2>&1; }

# The same, or the flag says that it need not be: believed SOURCE ID
believed() { [ -n "$unsigned" ] || signed "$store/$1/$2/manifest.json" point "$1" "$2"; }

# ---- JSON, one key on a line as ops_pipelines writes it --------------------------------------------------------------

# The value of a key at an indentation: field FILE INDENT KEY. Strings are unquoted; nothing when it is missing or null.
field() {
  awk -v indent="$2" -v key="$3" '
    BEGIN { start = sprintf("%" indent "s\"%s\": ", "", key) }
    index($0, start) == 1 {
      value = substr($0, length(start) + 1); sub(/,$/, "", value)
      if (value == "null") exit
      if (value ~ /^".*"$/) {
        value = substr(value, 2, length(value) - 2); out = ""
        while ((at = index(value, "\\")) > 0) {
          next_one = substr(value, at + 1, 1)
          if (next_one !~ /["\\\/]/) exit   # an escaped control character: no name that we use has one
          out = out substr(value, 1, at - 1) next_one; value = substr(value, at + 2)
        }
        value = out value
      }
      print value; exit
    }' "$1"
}

top() { field "$point/manifest.json" 1 "$1"; }
fact() { awk '/^ "engine": \{/ { on = 1; next } /^ [^ ]/ { on = 0 } on' "$point/manifest.json" >"$work/engine" &&
  field "$work/engine" 2 "$1"; }
summary() { awk '/^ "contents": \{/ { on = 1; next } /^ [^ ]/ { on = 0 } on' "$point/manifest.json" >"$work/summary" &&
  field "$work/summary" 2 "$1"; }

# One line for each part: name role size plain compression encryption sha256
parts() {
  awk '
    /^ "parts": \[/ { on = 1; next }
    on && /^ \]/ { exit }
    on && /^   "/ {
      key = $1; gsub(/[":]/, "", key); value = $0; sub(/^[^:]*: /, "", value); sub(/,$/, "", value)
      gsub(/"/, "", value); facts[key] = value
    }
    on && /^  \}/ {
      print facts["name"], facts["role"], facts["size_bytes"], facts["plain_bytes"], facts["compression"],
        facts["encryption"], facts["sha256"]
    }' "$point/manifest.json"
}

# ---- restore points -------------------------------------------------------------------------------------------------

# What signed verdicts say, in the order of their numbers: a clock may have been wrong. A copy that was damaged in one store says nothing of the others: checksums tell those.
standing() {
  make_work
  for file in "$store/.verdicts/$1/$2"/verify-*.json; do
    { [ -f "$file" ] && signed "$file" verdict "$1" "$2"; } || continue
    later=${comment##* number=}
    case $later in '' | *[!0-9]*) continue ;; esac
    printf '%s %s %s\n' "$later" "$(field "$file" 1 outcome)" "$(field "$file" 1 blames)"
  done | sort -s -n -k 1,1 | awk '
    $2 == "verified" { verdict = $2 }
    $2 == "bad" && $3 != "copy" { verdict = $2 }
    END { print verdict ? verdict : "unproved" }'
}

ids() { for file in "$store/$1"/*/manifest.json; do
  [ ! -f "$file" ] || { file=${file%/manifest.json}; printf '%s\n' "${file##*/}"; }; done | sort; }

plain_name() { case $1 in '' | .* | *[!A-Za-z0-9_.-]*) fail "$2 is not a name: $1" ;; esac; }

open_store() {
  need openssl base64 od
  make_work
  store=$one
  [ -n "$store" ] || { usage >&2; exit 2; }
  case $store in
    s3://*) open_bucket ;;
    *)
      [ -d "$store" ] || fail "the store $store is not there" "is its disk mounted?"
      store=$(cd -- "$store" && pwd) ;;
  esac
}

# A bucket is used through what of it is fetched: first the small files, later one restore point.
open_bucket() {
  bucket=${store%/}
  make_work
  store=$work/store
  mkdir "$store"
  fetch '*/manifest.json' '*/manifest.json.minisig' '.verdicts/**' || fail "the list of restore points cannot be fetched from $bucket" \
    "look at the message above: credentials (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), AWS_ENDPOINT_URL, region?"
}

# rclone is told by its environment where the bucket is; keys are never arguments.
fetch() {
  if command -v rclone >/dev/null 2>&1; then
    first=$1; shift
    for pattern; do set -- "$@" --include "$pattern"; shift; done
    RCLONE_CONFIG='' RCLONE_S3_PROVIDER=Other RCLONE_S3_ENV_AUTH=true RCLONE_S3_ENDPOINT=${AWS_ENDPOINT_URL:-} \
      RCLONE_S3_REGION=${AWS_DEFAULT_REGION:-us-east-1} RCLONE_S3_FORCE_PATH_STYLE=${S3_PATH_STYLE:-true} \
      rclone copy --quiet --include "$first" "$@" ":s3:${bucket#s3://}" "$store" >&2
  elif command -v aws >/dev/null 2>&1; then
    first=$1; shift
    for pattern; do set -- "$@" --include "$pattern"; shift; done
    aws ${AWS_ENDPOINT_URL:+--endpoint-url "$AWS_ENDPOINT_URL"} s3 cp --only-show-errors --recursive \
      --exclude '*' --include "$first" "$@" "$bucket/" "$store/" >&2
  else
    fail "neither rclone nor aws is installed here: fetch the files by hand" \
      "from $bucket: every SOURCE/*/manifest.json with its .minisig, and .verdicts/; then the directory SOURCE/ID you choose" \
      "into a directory that keeps these names, and name that directory instead of $bucket"
  fi
}

choose() {
  source=$two
  [ -n "$source" ] || { usage >&2; exit 2; }
  plain_name "$source" "the source"
  if [ -z "$backup" ]; then
    newest='' strange=''
    for id in $(ids "$source" | sort -r); do
      believed "$source" "$id" || { strange="$id: $reason"; continue; }
      # Taken because the source was about to be replaced: it holds what somebody wanted to be rid of.
      [ "$(field "$store/$source/$id/manifest.json" 1 safety)" != true ] || continue
      case $(standing "$source" "$id") in
        verified) backup=$id; break ;;
        unproved) [ -n "$newest" ] || newest=$id ;;
      esac
    done
    [ -z "$strange" ] || warn "not used: $strange"
    if [ -z "$backup" ] && [ -n "$newest" ]; then
      backup=$newest
      warn "no restore point of $source in this store is known to be verified: taking the newest, $backup"
    fi
    [ -n "$backup" ] || fail "$one holds no usable restore point of $source" "sh recover.sh list $one"
  fi
  plain_name "$backup" "the restore point"
  point=$store/$source/$backup
  [ -f "$point/manifest.json" ] || fail "$one holds no restore point $backup of $source" "sh recover.sh list $one $source"
  case $one in s3://*) fetch "$source/$backup/*" || fail "$backup cannot be fetched from $one" ;; esac
  make_work
  if ! signed "$point/manifest.json" point "$source" "$backup"; then
    [ -n "$unsigned" ] || refuse "$backup of $source is not believed: $reason" \
      "another restore point, or another store: sh recover.sh list $one $source" \
      "if it is from before signatures, or the keys are lost, and you know who could write there: --unsigned"
    warn "$backup is NOT proved to be ours ($reason), and taken because of --unsigned"
  fi
  case $(top version) in 1) ;; *) fail "$backup has a manifest of a version this script does not know" ;; esac
  [ "$(top source)/$(top id)" = "$source/$backup" ] ||
    fail "$point holds $(top id) of $(top source)" "the directory was moved or renamed"
  kind=$(top kind)
  say "$source: $backup, taken $(top started_at), $(standing "$source" "$backup")"
}

# Every byte is what it was when the backup was sealed.
check_sums() {
  need sha256sum
  [ -f "$point/SHA256SUMS" ] || fail "$point/SHA256SUMS is missing" "try another restore point or another store"
  parts >"$work/parts"
  while read -r name _ _ _ _ _ sum; do
    plain_name "$name" "a part"
    [ -f "$point/$name" ] || fail "$name is missing in $point" "try another restore point or another store"
    case $sum in '' | *[!0-9a-f]*) fail "$name has no checksum in $point/manifest.json" ;; esac
    grep -q "^$sum  $name\$" "$point/SHA256SUMS" || fail "$point/SHA256SUMS has another checksum of $name than its manifest"
  done <"$work/parts"
  if ! (cd -- "$point" && sha256sum -c SHA256SUMS) >"$work/sums" 2>&1; then
    damaged=$(sed -n 's/: FAILED.*//p' "$work/sums" | tr '\n' ' ')
    fail "damaged in $point: $damaged" "try the copy in another store, or an older restore point:" \
      "sh recover.sh list $one $source"
  fi
  say "checksums: $(wc -l <"$point/SHA256SUMS" | tr -d ' ') files are whole"
}

# Room for what is decrypted, before the first byte.
check_room() {
  needed=$(awk '{ sum += $4 } END { printf "%d", sum / 1024 + 1 }' "$work/parts")
  free=$(df -P -k "$1" | awk 'NR == 2 { print $4 }')
  [ "$free" -ge "$needed" ] || fail "$needed KiB are needed in $1, and $free are free" "use --work DIR on a larger disk"
}

# Decrypt and decompress one part: reveal NAME ENCRYPTION COMPRESSION TARGET
reveal() {
  rm -f "$work/failed"
  {
    case $2 in
      age) age_decrypt "$point/$1" || echo age >"$work/failed" ;;
      *) cat "$point/$1" || echo read >"$work/failed" ;;
    esac
  } | case $3 in
    zstd) zstd -q -d -c >"$4" || echo zstd >>"$work/failed" ;;
    *) cat >"$4" || echo write >>"$work/failed" ;;
  esac
  [ -f "$work/failed" ] || return 0
  if grep -q 'no identity matched' "$work/age"; then
    fail "none of the given identities opens $1" "it is encrypted for: $(recipients)" \
      "open the kit (sh recover.sh open DIR) and pass its keys: -i DIR/keys"
  fi
  sed 's/^/  /' "$work/age" "$work/failed" >&2
  fail "$1 cannot be decrypted or decompressed" "is the disk full? df -h $work_root"
}

recipients() { awk '/^ "recipients": \[/ { on = 1; next } on && /^ \]/ { exit } on { gsub(/[", ]/, ""); print }' \
  "$point/manifest.json" | tr '\n' ' '; }

age_decrypt() {
  [ -n "$keys" ] || { echo 'no identity matched: none was given (-i)' >"$work/age"; return 1; }
  set -- -- "$1"
  while read -r key; do [ -z "$key" ] || set -- -i "$key" "$@"; done <<KEYS
$keys
KEYS
  age -d "$@" 2>"$work/age"
}

# Write the parts with these roles (or all) as plain files into a directory: unpack DIR [ROLE...]
unpack() {
  need zstd
  into=$1; shift
  : >"$work/age"
  while read -r name role _ _ compression encryption _; do
    wanted=no
    [ $# -gt 0 ] || wanted=yes
    for each; do [ "$role" != "$each" ] || wanted=yes; done
    [ $wanted = yes ] || continue
    [ "$encryption" != age ] || need age
    plain=${name%.age}; plain=${plain%.zst}
    reveal "$name" "$encryption" "$compression" "$into/$plain"
    say "opened: $plain"
  done <"$work/parts"
}

# ---- PostgreSQL -----------------------------------------------------------------------------------------------------

# A connection string, since a bare name with a "=" in it would be taken for one.
database() { printf "dbname='%s'" "$(printf '%s' "$1" | sed "s/[\\\\']/\\\\&/g")"; }
ask() { psql -X -w -A -t -q -v ON_ERROR_STOP=1 -v name="$to" -d "$1"; }

restore_postgres() {
  need psql pg_restore createdb
  [ -n "${PGHOST:-}${PGSERVICE:-}" ] || refuse "PGHOST is not set: name the server to restore into" \
    "export PGHOST=... PGPORT=... PGUSER=... PGPASSWORD=..."
  unset PGDATABASE
  # How money reads depends on the locale: the dump says in which one it was written.
  money=$(fact lc_monetary) || money=
  case $money in *[!A-Za-z0-9_.@-]*) fail "the manifest names a locale that is none" ;; esac
  [ -z "$money" ] || export PGOPTIONS="${PGOPTIONS:-} -c lc_monetary=$money"
  target=$(database "$to")
  exists=$(echo "select count(*) from pg_database where datname = :'name'" | ask dbname=postgres) ||
    fail "the server $PGHOST cannot be reached or asked"
  if [ "$exists" != 0 ]; then
    held=$(echo "select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'" | ask "$target") ||
      fail "the database $to cannot be asked what it holds"
    [ "$held" = 0 ] || refuse "the database $to on ${PGHOST:-$PGSERVICE} exists and holds $held objects" \
      "name a new database: --to NAME"
  fi
  check_room "$work"
  unpack "$work" dump database globals
  complaints=0
  [ -z "$roles" ] || postgres_roles
  [ "$exists" != 0 ] || postgres_create
  say "loading into $to"
  postgres_load
  if [ -f "$work/database.sql" ]; then
    psql -X -w -q -v db="$to" -d "$target" -f "$work/database.sql" >"$work/out" 2>"$work/said" || complaints=1
    complain 'role .* does not exist'
  fi
  postgres_count
}

# Tablespaces would name directories of the old machine.
postgres_roles() {
  sed -E '/^(CREATE|ALTER|COMMENT ON|(GRANT|REVOKE) .* ON) TABLESPACE /d' "$work/globals.sql" >"$work/roles.sql"
  psql -X -w -q -d dbname=postgres -f "$work/roles.sql" >"$work/out" 2>"$work/said" || complaints=1
  complain 'already exists'
}

postgres_create() {
  set -- --template=template0 "--encoding=$(fact encoding)" "--lc-collate=$(fact collate)" "--lc-ctype=$(fact ctype)"
  case $(fact locale_provider) in
    i) set -- "$@" --locale-provider=icu "--icu-locale=$(fact locale)" ;;
    b) set -- "$@" --locale-provider=builtin "--builtin-locale=$(fact locale)" ;;
  esac
  createdb -w "$@" -- "$to" || fail "the database $to cannot be created" \
    "is the locale $(fact collate) installed on the server, and may $(id -un) (or PGUSER) create databases?"
}

postgres_load() {
  set -- --no-password
  [ -n "$roles" ] || set -- "$@" --no-owner --no-privileges
  case $(fact format) in
    custom) set -- "$@" -d "$target" "$work/dump.pgc" ;;
    directory)
      need tar
      (cd -- "$work" && tar -xf dump.tar) && rm -f "$work/dump.tar"
      set -- "$@" -d "$target" "$work/dump" ;;
    sql) set -- ;;
    *) fail "unknown format of the dump: $(fact format)" ;;
  esac
  if [ $# -eq 0 ]; then
    psql -X -w -q -d "$target" -f "$work/dump.sql" >"$work/out" 2>"$work/said" || complaints=1
    complain 'role .* does not exist'
  elif ! pg_restore "$@" 2>"$work/said"; then
    if grep -q 'unsupported version' "$work/said"; then
      fail "this pg_restore is too old for the dump" "it was made by pg_dump $(fact client_version): install that client"
    fi
    complain 'errors ignored on restore|transaction_timeout|from TOC entry|^ *Command was|^$'
  fi
}

# Print what was said, but for what was to be expected.
complain() {
  grep -v -E "NOTICE|$1" "$work/said" >"$work/left" || return 0
  complaints=1
  sed 's/^/  /' "$work/left" >&2
}

postgres_count() {
  rows=$(ask "$target" <<'SQL' | awk '{ sum += $1 } END { printf "%d", sum }'
select format('select count(*) from %I.%I', n.nspname, c.relname)
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.relkind = 'r' and c.relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
   and not exists (select from pg_depend e where e.objid = c.oid and e.classid = 'pg_class'::regclass
                      and e.deptype = 'e')
union all select 'select count(*) from pg_largeobject_metadata' \gexec
SQL
  )
  conclude "$rows" rows "$(summary rows)"
}

# Compare what came back with what the manifest says the source held, and end with the exit status.
conclude() {
  if [ "$(summary level)" = off ]; then
    say "restored: $1 $2 in $to (the backup does not say how many there were)"
  elif [ "$1" = "$3" ]; then
    say "restored: $1 $2 in $to, as many as the source held"
  else
    fail "$to has $1 $2, the source held $3" "see the messages above; try another restore point into a new database"
  fi
  if [ "$complaints" != 0 ]; then
    warn "look at the messages above: the data is there, something around it may not be"
    exit 1
  fi
}

# ---- folders --------------------------------------------------------------------------------------------------------

new_folder() {
  case $to in */*) ;; *) refuse "--to must be a directory with a / in it, not $to" ;; esac
  if [ -e "$to" ]; then
    [ -d "$to" ] || refuse "$to exists and is no directory"
    [ -z "$(ls -A -- "$to")" ] || refuse "$to is not empty" "name a new directory"
  fi
}

restore_files() {
  need restic
  snapshot=$(fact snapshot); tag=$(fact tag)
  case $tag in '' | -* | *[!A-Za-z0-9_.-]*) fail "the manifest names no snapshot" ;; esac
  new_folder
  [ -n "${RESTIC_PASSWORD:-}${RESTIC_PASSWORD_FILE:-}" ] || fail "RESTIC_PASSWORD is not set" \
    "it is in the kit: sh recover.sh open DIR; . DIR/secrets.env"
  case $one in
    s3://*)
      where=${AWS_ENDPOINT_URL:-https://s3.${AWS_DEFAULT_REGION:-us-east-1}.amazonaws.com}
      # restic takes it for a URL, in which % # ? mean something.
      bucket=$(printf %s "${bucket#s3://}" | sed 's/%/%25/g; s/#/%23/g; s/?/%3F/g; s/ /%20/g')
      repository=s3:${where%/}/$bucket/.restic/$source ;;
    *)
      repository=$store/.restic/$source
      [ -d "$repository" ] || fail "$repository is missing" "try another store" ;;
  esac
  say "restoring snapshot $snapshot into $to"
  # In a copied repository the snapshot has another id and the same tag.
  RESTIC_CACHE_DIR=$work/cache RESTIC_REPOSITORY=$repository restic --quiet restore latest --tag "$tag" --target "$to" ||
    fail "restic could not restore everything" "look at its message above; $to is incomplete"
  say "restored: $(find "$to" -type f | wc -l | tr -d ' ') files in $to"
}

# ---- SQLite ---------------------------------------------------------------------------------------------------------

restore_sqlite() {
  need tar
  new_folder
  check_room "$work"
  unpack "$work" dump
  mkdir -p -- "$to"
  tar -xf "$work/dump.tar" -C "$to" || fail "dump.tar cannot be unpacked" "look at the message above; $to is incomplete"
  rm -f "$work/dump.tar"
  complaints=0
  conclude "$(find "$to" -type f | wc -l | tr -d ' ')" databases "$(fact databases)"
}

# ---- MySQL and MariaDB ----------------------------------------------------------------------------------------------

restore_mysql() {
  # A dump is read by the client of its own product, whatever that is called here.
  client=mariadb
  other=mysql
  [ "$(fact client_product)" != MySQL ] || { client=mysql; other=mariadb; }
  command -v "$client" >/dev/null 2>&1 || client=$other
  need "$client"
  [ -n "$login" ] || refuse "--login is not given: name the server to restore into" \
    "an option file with [client], host=, user= and password="
  case $to in *[!A-Za-z0-9_$]*) refuse "the name of a new database has letters, digits, _ and \$ only, not $to" ;; esac
  held=$(mysql_ask "select count(*) from information_schema.tables where table_schema = '$to'") ||
    fail "the server in $login cannot be reached or asked"
  [ "$held" = 0 ] || refuse "the database $to exists and holds $held tables" "name a new database: --to NAME"
  check_room "$work"
  unpack "$work" dump
  charset=$(fact charset)
  collation=$(fact collation)
  for each in "$charset" "$collation"; do
    case $each in *[!A-Za-z0-9_]*) fail "not the name of a character set: $each" ;; esac
  done
  mysql_ask "create database if not exists \`$to\` ${charset:+character set $charset} ${collation:+collate $collation}" ||
    fail "the database $to cannot be created"
  [ -z "$roles" ] || mysql_definers
  say "loading into $to"
  complaints=0
  mysql_here <"$work/dump.sql" >"$work/here.sql"
  rm -f "$work/dump.sql"
  "$client" "--defaults-extra-file=$login" --default-character-set=utf8mb4 --binary-mode --max-allowed-packet=1G \
    "--database=$to" <"$work/here.sql" || fail "$client refused the dump" \
    "look at its message above; $to is incomplete" "when it lacks a definer: drop $to, and restore with --with-roles"
  rows=$(mysql_ask "select concat('select count(*) from \`', replace(table_name, '\`', '\`\`'), '\`;')
      from information_schema.tables where table_schema = '$to' and table_type in ('BASE TABLE', 'SYSTEM VERSIONED')
    union all
    select concat('select count(*) from \`', replace(table_name, '\`', '\`\`'), '\` for system_time all;')
      from information_schema.tables where table_schema = '$to' and table_type = 'SYSTEM VERSIONED'" |
    "$client" "--defaults-extra-file=$login" -N -B "--database=$to" | awk '{ sum += $1 } END { printf "%d", sum }')
  conclude "$rows" rows "$(summary rows)"
}

# Views, routines, triggers and events run as accounts of the old server: without them a view of a view cannot be made.
mysql_definers() {
  awk '/^  "definers": \[$/ { on = 1; next } on && /^  \]/ { exit }
    on { sub(/^ *"/, ""); sub(/",?$/, ""); print }' "$point/manifest.json" >"$work/definers"
  while read -r each; do
    case $each in
      *[\`\\\"]* | @*) warn "the account $each is not made: its name is no plain one" ;;
      *)
        account="\`${each%@*}\`@\`${each##*@}\`"
        mysql_ask "create user if not exists $account account lock" ||
          fail "the account $each cannot be made" "leave out --with-roles, or log in as an administrator"
        mysql_ask "grant all on \`$to\`.* to $account" || fail "the account $each cannot be given rights on $to" ;;
    esac
  done <"$work/definers"
}

# A dump may name the database it came from: it must not change that one, should it be on this server. Nor which
# transactions the server takes for done.
mysql_here() {
  # shellcheck disable=SC2016  # backquotes are MySQL's here
  sed -E -e 's/^ALTER DATABASE `([^`]|``)*`/ALTER DATABASE/' -e '/^(USE `|CREATE DATABASE )/d' \
    -e '/^SET @@GLOBAL\.GTID_PURGED.*;$/d' -e '/^SET @@GLOBAL\.GTID_PURGED/,/;$/d' \
    -e '/^SET (@MYSQLDUMP_TEMP_LOG_BIN|@@SESSION\.SQL_LOG_BIN *=)/d'
}

mysql_ask() { printf '%s\n' "$1" | "$client" "--defaults-extra-file=$login" --default-character-set=utf8mb4 -r -N -B; }

# ---- MongoDB --------------------------------------------------------------------------------------------------------

restore_mongodb() {
  need mongorestore tar
  [ -n "$login" ] || refuse "--login is not given: name the server to restore into" \
    "a file for mongorestore's --config with a line   uri: mongodb://user:password@host:27017/"
  case $to in *[!A-Za-z0-9_-]*) refuse "the name of a new database has letters, digits, _ and - only, not $to" ;; esac
  check_room "$work"
  unpack "$work" dump
  (cd -- "$work" && tar -xf dump.tar) || fail "dump.tar cannot be unpacked"
  rm -f "$work/dump.tar"
  name=$(fact database)
  # Without --drop: what is in a collection already is never replaced.
  mongorestore "--config=$login" "--nsInclude=$name.*" "--nsFrom=$name.*" "--nsTo=$to.*" --stopOnError \
    --bypassDocumentValidation "$work/dump" ||
    fail "mongorestore refused the dump" "look at its message above; $to is incomplete"
  say "restored: $to; the source held $(summary rows) documents in $(summary tables) collections: count them"
}

# ---- the kit itself -------------------------------------------------------------------------------------------------

open_kit() {
  [ -n "$one" ] || { usage >&2; exit 2; }
  [ ! -e "$one" ] || refuse "$one exists" "name a new directory"
  need tar sha256sum
  make_work
  (cd -- "$here" && sha256sum -c SHA256SUMS) >"$work/sums" 2>&1 ||
    warn "files of this kit are damaged: $(sed -n 's/: FAILED.*//p' "$work/sums" | tr '\n' ' ')"
  if [ -f "$here/secrets.tar" ]; then
    cp "$here/secrets.tar" "$work/secrets.tar"
  else
    need age
    [ -n "$keys" ] || open_with_passphrase
    point=$work
    age_decrypt "$here/secrets.tar.age" >"$work/secrets.tar" || { sed 's/^/  /' "$work/age" >&2
      fail "the kit cannot be opened with this identity"; }
  fi
  mkdir -p -- "$one"
  tar -x -f "$work/secrets.tar" -C "$one" --no-same-owner || fail "the kit's contents cannot be unpacked"
  say "opened into $one: destroy it when you are done (rm -rf $one)"
  ls -R -- "$one"
}

open_with_passphrase() {
  need openssl
  [ -f "$here/kit.key.enc" ] || fail "this kit was sealed for a recipient" "open it with that identity: -i FILE"
  if [ -n "$passphrase_file" ]; then
    IFS= read -r KIT_PASSPHRASE <"$passphrase_file" || [ -n "$KIT_PASSPHRASE" ] || fail "$passphrase_file is empty"
  elif [ -z "${KIT_PASSPHRASE:-}" ]; then
    [ -t 0 ] || fail "a passphrase is needed: --passphrase-file FILE, or \$KIT_PASSPHRASE"
    printf 'passphrase of the kit: ' >&2
    stty -echo; IFS= read -r KIT_PASSPHRASE || :; stty echo; printf '\n' >&2
  fi
  export KIT_PASSPHRASE
  if ! openssl enc -d -aes-256-cbc -md sha256 -pbkdf2 -iter 600000 -pass env:KIT_PASSPHRASE -in "$here/kit.key.enc" \
    -out "$work/kit.key" 2>/dev/null || ! grep -q '^AGE-SECRET-KEY-1' "$work/kit.key"; then
    fail "the passphrase is wrong"
  fi
  keys="$work/kit.key
"
}

# ---- verbs ----------------------------------------------------------------------------------------------------------

list_points() {
  found=no
  for directory in "$store"/*/; do
    source=${directory%/}; source=${source##*/}
    if [ -n "$two" ] && [ "$two" != "$source" ]; then continue; fi
    for id in $(ids "$source"); do
      found=yes
      point=$store/$source/$id
      believed "$source" "$id" || { printf '%-20s %-24s NOT BELIEVED: %s\n' "$source" "$id" "$reason"; continue; }
      parts=$(parts)
      printf '%-20s %-24s %-9s %-9s %12s bytes  %s\n' "$source" "$id" "$(top kind)" "$(standing "$source" "$id")" \
        "$(printf '%s\n' "$parts" | awk '{ sum += $3 } END { printf "%d", sum }')" "$(top started_at)"
    done
  done
  [ $found = yes ] || fail "$one holds no restore point${two:+ of $two}"
}

case $verb in
  open) open_kit ;;
  list) open_store; list_points ;;
  check) open_store; choose; check_sums ;;
  unpack)
    open_store
    [ -n "$to" ] || { usage >&2; exit 2; }
    [ ! -e "$to" ] || refuse "$to exists" "name a new directory"
    choose; check_sums
    mkdir -p -- "$to"
    check_room "$to"; unpack "$to" ;;
  restore)
    open_store
    [ -n "$to" ] || refuse "--to is not given: there is no default target"
    choose; check_sums
    case $kind in
      postgres) restore_postgres ;;
      mysql) restore_mysql ;;
      mongodb) restore_mongodb ;;
      files) restore_files ;;
      sqlite) restore_sqlite ;;
      *) fail "this script does not know sources of kind $kind" "see restore_by_hand in $point/manifest.json" ;;
    esac ;;
  *) usage >&2; exit 2 ;;
esac
