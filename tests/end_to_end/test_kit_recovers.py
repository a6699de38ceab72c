"""The recovery kit, used as on the bad day: a clean machine, standard tools, no Python and no `ops`."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyrage
import pytest

from ops_pipelines.engines.postgres.connection import Server
from ops_pipelines.vault.catalogue import read_catalogue
from ops_pipelines.vault.signing.keys import Keys
from ops_pipelines.vault.stores.directory import DirectoryStore
from ops_pipelines.vault.trust import Trust
from tests.end_to_end.clean import PASSPHRASE, SCRIPT, CleanMachine, text_of
from tests.end_to_end.conftest import Shell, back_up, make_kit
from tests.engines.mysql.conftest import TestServer as MariaServer
from tests.engines.mysql.conftest import mariadb, mysqld  # noqa: F401
from tests.sample import flip_byte, write_config
from tests.unit.vaults import DUMP, IDENTITY, TRUST, publish, rewrite, verdict


@pytest.mark.parametrize("form", ["custom", "directory", "sql"])
def test_a_lost_machine_comes_back_with_the_kit_and_standard_tools_alone(
    shell: Shell, crm: Server, clean: CleanMachine, form: str
) -> None:
    write_config(shell.folder, crm, source=f"    format: {form}")
    back_up(shell)
    (shell.folder / "passphrase").write_text(PASSPHRASE, encoding="utf-8")
    kit = shutil.copytree(make_kit(shell), clean.folder / "kit")
    nas = shutil.copytree(shell.folder / "nas", clean.folder / "nas")
    held = text_of(crm)
    for path in shell.folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    assert "opened" in clean.sh(kit, "open", "opened", KIT_PASSPHRASE=PASSPHRASE)
    assert "verified" in clean.sh(kit, "list", nas)
    printed = clean.sh(kit, "restore", nas, "crm", "--to", "it's = back", "-i", "opened/keys", "--with-roles")

    assert "restored: 2050 rows in it's = back, as many as the source held" in printed
    restored = clean.server.superuser.at(dbname="it's = back")
    assert text_of(restored) == held
    assert "exists and holds" in clean.sh(kit, "restore", nas, "crm", "--to", "it's = back", expect=3)


def test_a_target_is_never_guessed_and_never_overwritten(backed_up: Shell, clean: CleanMachine) -> None:
    kit, nas = make_kit(backed_up), backed_up.folder / "nas"
    key = backed_up.folder / "age.key"
    clean.server.new_database("busy")
    clean.server.sql("create table precious ()", database="busy")

    assert "refused: the database busy" in clean.sh(kit, "restore", nas, "crm", "--to", "busy", "-i", key, expect=3)
    assert "no default target" in clean.sh(kit, "restore", nas, "crm", "-i", key, expect=3)
    printed = clean.sh(kit, "restore", nas, "crm", "--to", "new", "-i", key, expect=3, without="PGHOST")
    assert "PGHOST is not set" in printed and "nothing was changed" in printed
    assert clean.databases() == {"busy"}


def test_a_damaged_part_stops_it_before_anything_is_made_and_is_named(backed_up: Shell, clean: CleanMachine) -> None:
    kit, nas = make_kit(backed_up), backed_up.folder / "nas"
    (part,) = nas.glob("crm/*/dump.pgc.zst.age")
    flip_byte(part)
    for words in (["check", nas, "crm"], ["restore", nas, "crm", "--to", "new", "-i", backed_up.folder / "age.key"]):
        assert "damaged in" in (printed := clean.sh(kit, *words, expect=2))
        assert "dump.pgc.zst.age" in printed
    part.unlink()
    assert "dump.pgc.zst.age is missing" in clean.sh(kit, "check", nas, "crm", expect=2)
    assert clean.databases() == set()


def test_a_wrong_identity_is_called_one(backed_up: Shell, clean: CleanMachine) -> None:
    kit, nas = make_kit(backed_up), backed_up.folder / "nas"
    other = clean.folder / "other.key"
    other.write_text(str(pyrage.x25519.Identity.generate()) + "\n", encoding="utf-8")
    for words in ([], ["-i", other]):
        printed = clean.sh(kit, "restore", nas, "crm", "--to", "new", *words, expect=2)
        assert "none of the given identities opens" in printed and "it is encrypted for: age1" in printed
    assert "the passphrase is wrong" in clean.sh(kit, "open", "opened", expect=2, KIT_PASSPHRASE="something else")
    assert not (clean.folder / "opened").exists()
    assert clean.databases() == set()


def test_the_newest_verified_is_taken_and_a_bad_one_only_when_it_is_named(
    backed_up: Shell, clean: CleanMachine
) -> None:
    kit, nas = make_kit(backed_up), backed_up.folder / "nas"
    back_up(backed_up, proved=False)
    older, newer = sorted(point["id"] for point in backed_up.json("list", "crm")["crm"]["restore_points"])
    assert f"crm: {older}, taken" in clean.sh(kit, "check", nas, "crm")
    shutil.rmtree(nas / ".verdicts")
    printed = clean.sh(kit, "check", nas, "crm")
    assert f"crm: {newer}, taken" in printed and "known to be verified" in printed
    assert f"crm: {older}, taken" in clean.sh(kit, "check", nas, "crm", "--backup", older)
    assert "holds no restore point nonsense" in clean.sh(kit, "check", nas, "crm", "--backup", "nonsense", expect=2)
    trust = Trust(Keys(backed_up.folder / "base" / "keys"))
    far = DirectoryStore("nas", nas, trust)
    condemned = verdict(newer, "bad", store="nas").model_copy(update={"number": 7, "blames": "backup"})
    far.keep_verdict(condemned)
    assert f"crm: {older}, taken" in clean.sh(kit, "check", nas, "crm")  # unproved is better than bad
    assert "bad" in clean.sh(kit, "check", nas, "crm", "--backup", newer)
    # The newest of all, but taken because its source was about to be replaced.
    shutil.rmtree(nas / ".verdicts")
    (newest,) = [point.manifest for point in read_catalogue({"nas": far}, "crm").points if point.id == newer]
    rewrite(nas / "crm" / newer, newest.model_copy(update={"safety": True}), trust)
    assert f"crm: {older}, taken" in clean.sh(kit, "check", nas, "crm")


def test_a_kit_names_the_files_of_a_bucket_where_no_tool_can_fetch_them(backed_up: Shell, clean: CleanMachine) -> None:
    printed = clean.sh(make_kit(backed_up), "list", "s3://acme/ops", expect=2)
    assert "fetch the files by hand" in printed and "from s3://acme/ops" in printed


@pytest.mark.parametrize("tool", ["rclone", "aws"])
def test_a_bucket_is_read_with_whichever_tool_is_there(tmp_path: Path, tool: str) -> None:
    import boto3
    from moto.server import ThreadedMotoServer  # noqa: PLC0415

    beside = Path(sys.executable).with_name(tool)
    program = str(beside) if beside.exists() else shutil.which(tool, path="/usr/bin:/usr/local/bin")
    if program is None:
        pytest.skip(f"{tool} is not installed")
    store = DirectoryStore("far", tmp_path / "far", TRUST)
    for backup_id in ("20261121T020000Z-aaaa", "20261121T030000Z-bbbb"):
        publish(store, backup_id)
    store.keep_verdict(verdict("20261121T020000Z-aaaa", "verified", store="far"))
    (tmp_path / "key").write_text(IDENTITY + "\n", encoding="utf-8")
    (tmp_path / "trusted.keys").write_bytes(TRUST.keys.for_openssl())
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / tool).symlink_to(program)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        endpoint = "http://{}:{}".format(*server.get_host_and_port())
        keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_ENDPOINT_URL": endpoint}
        client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="x",
                              aws_secret_access_key="y")  # fmt: skip
        bucket = f"acme-{tool}"
        client.create_bucket(Bucket=bucket)
        for path in (each for each in store.root.rglob("*") if each.is_file()):
            client.upload_file(str(path), bucket, f"ops/{path.relative_to(store.root)}")
        done = subprocess.run(
            ["sh", SCRIPT, "unpack", f"s3://{bucket}/ops", "crm", "--to", tmp_path / "plain", "-i", tmp_path / "key",
             "--trusted", tmp_path / "trusted.keys"],
            env={**keys, "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "HOME": str(tmp_path)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        server.stop()
    assert done.returncode == 0, done.stderr
    assert "20261121T020000Z-aaaa, taken" in done.stdout and "verified" in done.stdout
    assert (tmp_path / "plain" / "dump.pgc").read_bytes() == DUMP


def test_folders_come_back_with_restic_alone(shell: Shell, crm: Server, clean: CleanMachine) -> None:
    if (restic := shutil.which("restic")) is None:
        pytest.skip("restic is not installed")
    (clean.folder / "bin" / "restic").symlink_to(restic)
    (clean.folder / "bin" / "find").symlink_to(shutil.which("find") or "")
    uploads = shell.folder / "uploads"
    uploads.mkdir()
    (uploads / "über.txt").write_text("offer", encoding="utf-8")
    (shell.folder / "restic").write_text("a 'secret' word", encoding="utf-8")
    (shell.folder / "passphrase").write_text(PASSPHRASE, encoding="utf-8")
    source = "  files: {kind: files, paths: [uploads], password: {file: restic}}"
    write_config(shell.folder, crm, source=source)
    back_up(shell, "files")
    kit = make_kit(shell)
    clean.sh(kit, "open", "opened", KIT_PASSPHRASE=PASSPHRASE)
    values = (clean.folder / "opened" / "secrets.env").read_text("utf-8")
    told = subprocess.run(
        ["sh", "-c", f'{values}\nprintf %s "$RESTIC_PASSWORD_FILES"'], capture_output=True, text=True, check=True
    )
    nas = shell.folder / "nas"
    (clean.folder / "busy").mkdir()
    (clean.folder / "busy" / "precious").touch()
    password = {"RESTIC_PASSWORD": told.stdout}
    clean.sh(kit, "restore", nas, "files", "--to", "./busy", expect=3, **password)
    assert "1 files in ./back" in clean.sh(kit, "restore", nas, "files", "--to", "./back", **password)
    restored = clean.folder / "back" / uploads.relative_to("/") / "über.txt"
    assert restored.read_text("utf-8") == "offer"


def test_mariadb_comes_back_with_its_client_alone(
    shell: Shell,
    crm: Server,
    clean: CleanMachine,
    mariadb: MariaServer,  # noqa: F811
) -> None:
    source = mariadb.new_database("shop")
    mariadb.sql("create table t (id int primary key auto_increment, word text, at blob)", database=source)
    mariadb.sql("insert into t (word, at) values ('žluť 🐎', x'00ff'), ('USE `x`', null)", database=source)
    mariadb.sql("create view v as select word from t", database=source)
    (clean.folder / "bin" / "mariadb").symlink_to(shutil.which("mariadb") or "")
    (shell.folder / "passphrase").write_text(PASSPHRASE, encoding="utf-8")
    (shell.folder / "shop.url").write_text(mariadb.url(source), encoding="utf-8")
    write_config(shell.folder, crm, source="  shop: {kind: mysql, url: {file: shop.url}}")
    back_up(shell, "shop")
    kit, nas, key = make_kit(shell), shell.folder / "nas", shell.folder / "age.key"
    login = clean.folder / "login.cnf"
    login.write_text(mariadb.root.option_file(), encoding="utf-8")
    words = ("restore", nas, "shop", "-i", key, "--to")
    assert "--login is not given" in clean.sh(kit, *words, "back", expect=3)
    assert "exists and holds" in clean.sh(kit, *words, source, "--login", login, expect=3)
    printed = clean.sh(kit, *words, "back", "--login", login)
    assert "restored: 2 rows in back, as many as the source held" in printed
    everything = "select id, word, at from {}.t order by id"
    assert mariadb.sql(everything.format("back")) == mariadb.sql(everything.format(source))
    assert mariadb.sql("select count(*) from back.v") == [(2,)]

    mariadb.sql(f"grant all on {source}.* to owner@'10.%' identified by 'x'")
    mariadb.sql("create definer=owner@'10.%' view owned as select word from v", database=source)
    mariadb.sql("create definer=owner@'10.%' view owned_twice as select word from owned", database=source)
    back_up(shell, "shop")
    mariadb.sql("drop user owner@'10.%'")  # a new server knows nobody of the old one's accounts
    assert "restore with --with-roles" in clean.sh(kit, *words, "orphaned", "--login", login, expect=2)
    clean.sh(kit, *words, "owned", "--login", login, "--with-roles")
    assert mariadb.sql("select count(*) from owned.owned_twice") == [(2,)]
    assert mariadb.sql(
        "select count(*) from mysql.global_priv where user = 'owner' and json_value(priv, '$.account_locked') = 1"
    ) == [(1,)]  # nobody logs in as it


def test_mysql_comes_back_with_its_client_alone(
    shell: Shell,
    crm: Server,
    clean: CleanMachine,
    mysqld: MariaServer,  # noqa: F811
) -> None:
    source = mysqld.new_database("shop")
    mysqld.sql(
        "create table t (id int primary key auto_increment, word text, at blob)",
        "insert into t (word, at) values ('žluť 🐎', x'00ff'), ('USE `x`', null)",
        "create trigger g before insert on t for each row begin set new.word = trim(new.word); end",
        database=source,
    )
    client = next(folder / "mysql" for folder in mysqld.bin_dirs if (folder / "mysql").exists())
    (clean.folder / "bin" / "mysql").symlink_to(client)
    (shell.folder / "passphrase").write_text(PASSPHRASE, encoding="utf-8")
    (shell.folder / "shop.url").write_text(mysqld.url(source), encoding="utf-8")
    folders = json.dumps([str(each) for each in mysqld.bin_dirs])
    write_config(shell.folder, crm, source=f"  shop: {{kind: mysql, url: {{file: shop.url}}, bin_dirs: {folders}}}")
    back_up(shell, "shop")
    kit, nas, key = make_kit(shell), shell.folder / "nas", shell.folder / "age.key"
    login = clean.folder / "login.cnf"
    login.write_text(mysqld.root.option_file(), encoding="utf-8")
    printed = clean.sh(kit, "restore", nas, "shop", "-i", key, "--to", "back", "--login", login)
    assert "restored: 2 rows in back, as many as the source held" in printed
    everything = "select id, word, at from {}.t order by id"
    assert mysqld.sql(everything.format("back")) == mysqld.sql(everything.format(source))
    assert mysqld.sql("select count(*) from information_schema.triggers where trigger_schema = 'back'") == [(1,)]


def test_the_script_believes_nothing_that_the_kit_s_keys_did_not_sign(backed_up: Shell, clean: CleanMachine) -> None:
    kit, nas = make_kit(backed_up), backed_up.folder / "nas"
    (point,) = backed_up.json("list", "crm")["crm"]["restore_points"]
    there = nas / "crm" / point["id"]
    manifest, signature = there / "manifest.json", there / "manifest.json.minisig"
    held, signed = manifest.read_bytes(), signature.read_bytes()

    def refused(why: str) -> None:
        assert why in clean.sh(kit, "check", nas, "crm", "--backup", point["id"], expect=3)
        assert "not used" in clean.sh(kit, "check", nas, "crm", expect=2)
        assert "NOT BELIEVED" in clean.sh(kit, "list", nas)

    # What it would do with a manifest that nobody signed: its own name for a file, a command for a locale.
    manifest.write_bytes(held.replace(b'"database": "crm"', b'"database": "$(touch pwned)"'))
    refused("not what was signed")
    manifest.write_bytes(held)
    for at in (60, 120, len(signed) - 5):
        signature.write_bytes(signed[:at] + bytes([signed[at] ^ 1]) + signed[at + 1 :])
        assert "refused" in clean.sh(kit, "check", nas, "crm", "--backup", point["id"], expect=3)
    signature.write_bytes(signed)
    clean.sh(kit, "check", nas, "crm")

    # An old restore point under a new id.
    shutil.copytree(there, nas / "crm" / "20991231T000000Z-ffff")
    assert f"crm: {point['id']}, taken" in clean.sh(kit, "check", nas, "crm")
    assert "signed as something else" in clean.sh(
        kit, "check", nas, "crm", "--backup", "20991231T000000Z-ffff", expect=3
    )
    shutil.rmtree(nas / "crm" / "20991231T000000Z-ffff")

    # Other parts with sums of their own beside the signed manifest.
    part = there / point["parts"][0]["name"]
    part.write_bytes(part.read_bytes() + b"x")
    sums = "".join(f"{hashlib.sha256(each.read_bytes()).hexdigest()}  {each.name}\n" for each in there.iterdir())
    (there / "SHA256SUMS").write_text(sums, encoding="utf-8")
    assert "another checksum" in clean.sh(kit, "check", nas, "crm", expect=2)

    signature.unlink()
    refused("it has no signature")
    assert "NOT proved to be ours" in clean.sh(kit, "check", nas, "crm", "--unsigned", expect=2)
    assert not list(clean.folder.rglob("pwned"))
