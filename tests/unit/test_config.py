"""A wrong `ops.yaml` is refused with every mistake at once: file, line, field, expectation, example."""

import json
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from ops_pipelines.config.errors import ConfigError
from ops_pipelines.config.load import find_config, load_config
from ops_pipelines.settings.secrets import SecretMissing
from ops_pipelines.vault.stores.s3.settings import S3Settings
from tests.unit.conftest import Load, Mistakes

CRM = "sources: {crm: {kind: postgres, url: {env: X}}}\n"
CRM_AT_BRNO = "sources:\n  crm: {kind: postgres, url: {env: X}, site: brno}\n"
BY_CELERY = "ledger: x\nexecution: {kind: celery, broker: x, here: brno, verify_at: centre}\n"
GOOD = """
    base: backups
    defaults:
      rpo: 24h
      copies: [nas]
      encrypt: {age: [age16ffsn79l6rarj65qklr9tc9k5nytexey68ussza8sccpymug8vzq0u9pwq], identity: {file: age.key}}
    stores:
      nas: {kind: directory, path: nas}
    sources:
      crm: {kind: postgres, url: {env: URL}}
      forge: {kind: postgres, url: {file: forge.url}, rpo: 48h, copies: []}
"""


def test_defaults_reach_every_source_that_does_not_say_otherwise(load: Load, tmp_path: Path) -> None:
    config = load(GOOD)
    assert config.sources["crm"].copies == ("nas",)
    assert config.sources["forge"].copies == ()
    assert config.sources["forge"].rpo == timedelta(hours=48)
    assert config.sources["crm"].warn_window == timedelta(hours=20)


def test_a_source_that_sets_one_limit_keeps_the_other_limits_of_the_defaults(load: Load) -> None:
    config = load("""
        defaults: {limits: {total: 12h, connect: 5s}}
        sources:
          crm: {kind: postgres, url: {env: URL}, limits: {stall: 2m}}
    """)
    limits = config.sources["crm"].limits
    assert (limits.total, limits.connect, limits.stall) == (
        timedelta(hours=12), timedelta(seconds=5), timedelta(minutes=2),
    )  # fmt: skip


def test_paths_are_relative_to_the_file_wherever_the_command_is_typed(load: Load, tmp_path: Path) -> None:
    config = load(GOOD)
    assert config.base == tmp_path / "backups"
    assert config.stores["nas"].path == tmp_path / "nas"
    assert config.sources["forge"].url.file == tmp_path / "forge.url"
    encrypt = config.sources["crm"].encrypt
    assert encrypt is not None and encrypt.identity is not None
    assert encrypt.identity.file == tmp_path / "age.key"


def test_the_old_environment_name_overrides_base(load: Load) -> None:
    assert load(GOOD, OPS_BACKUP_BASE="/srv/elsewhere").base == Path("/srv/elsewhere")


def test_variables_are_filled_in_with_their_defaults(load: Load) -> None:
    text = "base: ${BASE:-/srv/a}/b\nsources: {crm: {kind: postgres, jobs: '${JOBS:-3}', url: {env: X}}}"
    assert load(text).base == Path("/srv/a/b")
    assert load(text).sources["crm"].jobs == 3
    assert load(text, BASE="/c").base == Path("/c/b")


@pytest.mark.parametrize(
    ("text", "line", "field", "expected", "example"),
    [
        pytest.param("sources:\n  crm: {kind: [\n", 3, "", "not valid YAML", "", id="yaml-typo"),
        pytest.param("sources:\n\tcrm: 1\n", 2, "", "not valid YAML", "", id="yaml-tab"),
        pytest.param("a: 1\n---\nb: 2\n", 2, "", "not valid YAML", "", id="two-documents"),
        pytest.param("stores: &x {a: *x}\nsources:\n  crm: {kind: postgres, url: {env: X}}\n",
            1, "stores", "contains itself", "", id="yaml-recursion"),
        pytest.param("base: " + "[" * 1000, 1, "", "nesting is too deep", "", id="deep"),
        pytest.param("\n".join(" " * n + "a:" for n in range(1000)), 22, "", "nesting is too deep", "", id="deep-2"),
        pytest.param("a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
            f"{name}: &{name} [{','.join(9 * [f'*{before}'])}]\n" for before, name in pairwise("abcdefghijkl")),
            1, "f", "do aliases repeat aliases?", "", id="billions-of-values"),
        pytest.param("base: !!bool 3\n" + CRM, 1, "base", "'3' is no tag:yaml.org,2002:bool", "", id="tag"),
        pytest.param("base: !!timestamp x\n" + CRM, 1, "base", "'x' is no tag", "", id="tag-2"),
        pytest.param('base: "a\\0b"\n' + CRM, 1, "base", "without the character U+0000", "", id="no-name"),
        pytest.param('base: "\\ud800"\n' + CRM, 1, "base", "without the character U+D800", "", id="no-text"),
        pytest.param("? [a]\n: b\n" + CRM, 1, "", "a key is a plain word", "", id="key-that-is-a-list"),
        pytest.param("null", 1, "sources", "is required", "", id="null"),
        pytest.param("", 1, "sources", "is required", "", id="empty-file"),
        pytest.param("# nothing\n", 1, "sources", "is required", "", id="only-a-comment"),
        pytest.param("just text\n", 1, "", "a mapping of keys to values", "", id="not-a-mapping"),
        pytest.param("- a\n- b\n", 1, "", "a mapping of keys to values", "", id="a-list"),
        pytest.param("sources: {}\n", 1, "sources", "at least 1", "", id="no-sources"),
        pytest.param("sources:\n  crm:\n", 2, "sources.crm", "a mapping of keys to values", "", id="bare-source"),
        pytest.param(
            "sources:\n  crm:\n    kind: postgres\n", 2, "sources.crm.url", "is required", "url: {env:", id="no-url"
        ),
        pytest.param(
            "tymezone: UTC\nsources:\n  crm: {kind: postgres, url: {env: X}}\n",
            1, "tymezone", "did you mean 'timezone'?", "timezone: Europe/Prague", id="unknown-key",
        ),
        pytest.param(
            "sources:\n  crm:\n    kind: postgres\n    url: {env: X}\n    copys: [nas]\n",
            5, "sources.crm.copys", "did you mean 'copies'?", "copies: [nas]", id="unknown-key-in-a-source",
        ),
        pytest.param(
            "sources:\n  crm: {kind: postgres, url: {env: X}}\nzzz: 1\n", 3, "zzz", "known keys:", "", id="hopeless-key"
        ),
        pytest.param(
            "sources:\n  crm:\n    kind: postgres\n    url: {env: X}\n    jobs: many\n",
            5, "sources.crm.jobs", "not 'many'", "", id="wrong-type",
        ),
        pytest.param(
            "sources:\n  crm:\n    kind: postgres\n    url: {env: X}\n    rpo: 24\n",
            5, "sources.crm.rpo", "needs a unit", "rpo: 24h", id="duration-without-unit",
        ),
        pytest.param(
            "sources:\n  crm:\n    kind: postgres\n    url: {env: X}\n    rpo: one day\n",
            5, "sources.crm.rpo", "such as 24h, 30m or 35d", "rpo: 24h", id="duration-in-words",
        ),
        pytest.param(
            "sources:\n  crm:\n    kind: postgres\n    url: {env: X}\n    limits: {stall: 0s}\n",
            5, "sources.crm.limits.stall", "longer than 0s", "", id="limit-of-nothing",
        ),
        pytest.param(
            "sources:\n  crm:\n    kind: postgres\n    url: {env: X}\n    every: hourly\n",
            5, "sources.crm.every", "a cron line of five fields", "every: \"0 2,8", id="cron",
        ),
        pytest.param(
            "sources:\n  Crm-1: {kind: postgres, url: {env: X}}\n", 2, "sources.Crm-1", "pattern", "", id="source-name"
        ),
        pytest.param(
            "sources:\n  crm: {kind: postgres, url: {env: X}}\n  crm: {kind: postgres, url: {env: Y}}\n",
            3, "sources.crm", "given twice, first on line 2", "", id="duplicate-key",
        ),
        pytest.param(
            "base: ${NOWHERE}/x\nsources:\n  crm: {kind: postgres, url: {env: X}}\n",
            1, "base", "NOWHERE is not set", "${NOWHERE:-default}", id="unset-variable",
        ),
        pytest.param(
            "timezone: Mars/Base\nsources:\n  crm: {kind: postgres, url: {env: X}}\n",
            1, "timezone", "an IANA time zone, not 'Mars/Base'", "timezone: Europe/Prague", id="timezone",
        ),
        pytest.param(
            "history_from: 2026-13-45\nsources:\n  crm: {kind: postgres, url: {env: X}}\n",
            1, "history_from", "month must be in 1..12", "", id="impossible-date",
        ),
        pytest.param(
            "base: !python/object x\nsources:\n  crm: {kind: postgres, url: {env: X}}\n",
            1, "base", "not valid YAML", "", id="unknown-tag",
        ),
        pytest.param(
            "sources:\n  crm:\n    kind: postgres\n    url: {env: X}\n    copies: [moon]\n",
            5, "sources.crm.copies", "no store is called 'moon'", "copies: [nas]", id="unknown-store",
        ),
        pytest.param(
            "stores:\n  far: {kind: directory, path: /x, offsite: true}\nsources:\n"
            "  crm:\n    kind: postgres\n    url: {env: X}\n    copies: [far]\n",
            7, "sources.crm.copies", "has no encrypt", "encrypt: {age:", id="offsite-in-the-clear",
        ),
        pytest.param(
            "stores:\n  local: {kind: directory, path: /x}\nsources:\n  crm: {kind: postgres, url: {env: X}}\n",
            2, "stores.local", "is reserved", "", id="a-store-called-local",
        ),
        pytest.param(
            "sources:\n  crm:\n    kind: postgres\n    url: {env: X}\n    warn_after: 24h\n",
            5, "sources.crm.warn_after", "shorter than rpo", "warn_after: 20h", id="warning-after-the-fact",
        ),
        pytest.param(
            "sources:\n  crm:\n    kind: postgres\n    url: {env: X}\n    role_passwords: true\n",
            2, "sources.crm", "role_passwords needs encrypt", "", id="password-hashes-in-the-clear",
        ),
        pytest.param(
            "sources:\n  crm:\n    kind: postgres\n    url: {env: X, file: y}\n",
            4, "sources.crm.url", "exactly one place", "url: {env:", id="secret-in-two-places",
        ),
        pytest.param(
            "sources:\n  crm:\n    kind: postgres\n    url: {env: X}\n    encrypt: {age: [hunter2]}\n",
            5, "sources.crm.encrypt.age.0", "not 'hunter2'", "", id="not-a-recipient",
        ),
        pytest.param(
            "sources:\n  crm:\n    kind: oracle\n    url: {env: X}\n", 3, "sources.crm.kind", "postgres", "", id="kind"
        ),
        pytest.param(
            "sources:\n  crm:\n    kind: postgres\n    url: {env: X}\n    checks:\n      - {name: a, sql: select 1}\n",
            6, "sources.crm.checks.0", "min, max, equals or max_age", "", id="check-that-expects-nothing",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_field_expectation_and_example(
    mistakes: Mistakes, text: str, line: int, field: str, expected: str, example: str
) -> None:
    found = mistakes(text)
    assert [(m.line, m.field) for m in found] == [(line, field)], found
    assert expected in found[0].expected
    assert found[0].example.startswith(example)


@pytest.mark.parametrize(
    ("operate", "line", "field"),
    [
        ("token: {env: READ}", 4, "web.operate.token"),
        ("basic: {user: anna, password: {env: READ}}", 4, "web.operate.basic.password"),
        ("basic: {user: anna, password: {env: PASSWORD}}", 4, "web.operate.basic.password"),
    ],
)
def test_one_secret_does_not_both_read_and_operate(mistakes: Mistakes, operate: str, line: int, field: str) -> None:
    web = "web:\n  token: {env: READ}\n  basic: {user: ops, password: {env: PASSWORD}}\n  operate: {%s}\n"
    (found,) = mistakes(web % operate + CRM)
    assert (found.line, found.field) == (line, field) and "could operate" in found.expected


@pytest.mark.parametrize(
    ("text", "line", "field", "expected"),
    [
        ("execution: {kind: celry}\n" + CRM, 1, "execution.kind", "did you mean 'celery'? one of process, celery"),
        ("execution: {broker: x}\n" + CRM, 1, "execution.kind", "is required"),
        ("execution: {kind: celery, broker: x}\n" + CRM, 1, "execution", "share one ledger"),
        ("ledger: x\nexecution: {kind: celery}\n" + CRM, 2, "execution.broker", "is required"),
        (BY_CELERY.replace("here", "her") + CRM, 2, "execution.her", "did you mean 'here'?"),
        (CRM_AT_BRNO, 2, "sources.crm.site", "only workers have sites"),
        (
            BY_CELERY + CRM_AT_BRNO, 4, "sources.crm.copies",
            "'crm' is dumped at brno and proved at centre: name a store that both reach",
        ),
        (
            "installations:\n  brno: {id: 00112233445566778899aabbccddeeff, keys: [RWx]}\n" + CRM, 2,
            "installations.brno.keys.0", "a public key as `ops key show` prints it there",
        ),
        (
            "stores: {x: {kind: directory, path: x}}\n" + CRM_AT_BRNO.replace("site", "taken_by"),
            3, "sources.crm.taken_by", "no installation is called 'brno'",
        ),
        (
            BY_CELERY.replace(", verify_at: centre", "") + CRM_AT_BRNO
            + "  uploads: {kind: files, paths: [/srv/x], with: crm}\n",
            5, "sources.uploads.with", "give both the same site and taken_by",
        ),
    ],
)  # fmt: skip
def test_where_steps_run_is_checked(mistakes: Mistakes, text: str, line: int, field: str, expected: str) -> None:
    (found,) = mistakes(text)
    assert (found.line, found.field) == (line, field) and expected in found.expected


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("endpoint", "127.0.0.1:9000", "a scheme is missing: https://127.0.0.1:9000"),
        ("endpoint", "s3.example.com", "a scheme is missing"),
        ("endpoint", "s3://acme-backups", "https:// or http://, not s3://"),
        ("endpoint", "https://s3.example.com/acme-backups", "without the bucket in its path: https://s3.example.com"),
        ("endpoint", "https://acme-backups.s3.example.com", "without the bucket before its host: https://s3.example"),
        ("endpoint", "https://key:secret@s3.example.com", "no keys in the address"),
        ("endpoint", "https://s3.example.com?region=x", "without ? and #"),
        ("endpoint", "http://my_minio:9000", "a host of letters"),
        ("endpoint", "http://minio:90000", "a port of 1 to 65535"),
        ("bucket", "s3://acme-backups", "the bucket's name alone, not an address: acme-backups"),
        ("bucket", "acme-backups/office/db", "the bucket's name alone: acme-backups, and prefix: office/db"),
        ("bucket", "Acme-Backups", "3 to 63 of a-z"),
        ("bucket", "acme_backups", "3 to 63 of a-z"),
        ("bucket", "''", "3 to 63 of a-z"),
        ("prefix", "s3://acme-backups/office", "only what comes after the bucket's name"),
        ("prefix", "office//db", "a single / between them"),
        ("prefix", "../db", "none of them . or .."),
        ("prefix", "' office'", "no space at the ends"),
    ],
)
def test_a_bucket_is_refused_at_the_line_of_what_is_wrong(
    mistakes: Mistakes, key: str, value: str, expected: str
) -> None:
    lines = {"kind": "s3", "bucket": "acme-backups", "prefix": "ops", "endpoint": "https://s3.example.com", key: value}
    text = "stores:\n  far:\n" + "".join(f"    {name}: {each}\n" for name, each in lines.items())
    (found,) = mistakes(text + "sources:\n  crm: {kind: postgres, url: {env: X}}\n")
    assert (found.line, found.field) == (3 + [*lines].index(key), f"stores.far.{key}")
    assert expected in found.expected and found.example
    assert "secret" not in str(found)


def test_a_bucket_is_understood_however_it_is_written(load: Load) -> None:
    store = load("""
        stores: {far: {kind: s3, bucket: acme.backups, prefix: "/office #1/50%/", endpoint: "http://[::1]:9000/"}}
        sources: {crm: {kind: postgres, url: {env: X}}}
    """).stores["far"]
    assert isinstance(store, S3Settings)
    assert (store.bucket, store.prefix, store.endpoint) == ("acme.backups", "office #1/50%", "http://[::1]:9000")


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(load: Load, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load("""
            timezone: Mars/Base
            base: ${NOWHERE}
            defaults: {rpo: soon}
            sources:
              crm: {kind: postgres, url: {env: X}, jobs: many}
              forge: {kind: postgres, ulr: {env: X}}
            timezone: UTC
        """)
    error = caught.value
    assert [(m.line, m.field) for m in error.mistakes] == [
        (1, "timezone"), (2, "base"), (3, "defaults.rpo"), (5, "sources.crm.jobs"), (6, "sources.forge.url"),
        (6, "sources.forge.ulr"), (7, "timezone"),
    ]  # fmt: skip
    assert f"{tmp_path}/ops.yaml:5: sources.crm.jobs:" in str(error)
    assert error.exit_status == 2
    told = json.loads(json.dumps(error.as_dict()))
    assert told["file"] == str(tmp_path / "ops.yaml")
    assert [m["line"] for m in told["mistakes"]] == [1, 2, 3, 5, 6, 6, 7]


def test_one_bad_default_that_two_sources_inherit_is_told_once_where_it_stands(mistakes: Mistakes) -> None:
    sources = "sources:\n  a: {kind: postgres, url: {env: X}}\n  b: {kind: postgres, url: {env: X}}\n"
    for bad in ("rpo: soon", "copies: [moon]", "every: 0 2 * * *", "warn_after: 48h", "encrypt: {age: []}"):
        found = mistakes(f"defaults:\n  {bad}\n{sources}")
        assert [(m.line, m.field.split(".")[:2]) for m in found] == [(2, ["defaults", bad.split(":")[0]])], bad


def test_a_file_that_is_missing_or_not_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no .*nothing\.yaml"):
        load_config(tmp_path / "nothing.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "binary.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)


def test_the_file_is_found_in_a_parent_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPS_CONFIG", raising=False)
    (tmp_path / "ops.yaml").touch()
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    assert find_config() == tmp_path / "ops.yaml"
    monkeypatch.setenv("OPS_CONFIG", "/etc/other.yaml")
    assert find_config() == Path("/etc/other.yaml")


def test_a_password_in_a_refused_file_is_not_repeated(load: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        load(
            "sources: {crm: {kind: postgres, url: 'postgresql://u:hunter22@h/d', jobs: 'postgresql://u:hunter22@h/d'}}"
        )
    assert "hunter22" not in str(caught.value) + json.dumps(caught.value.as_dict())


def test_a_missing_secret_names_its_purpose_and_where_to_put_it(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load(GOOD)
    monkeypatch.delenv("URL", raising=False)
    with pytest.raises(SecretMissing, match=r"source crm, url: the environment variable URL is not set"):
        config.sources["crm"].url.reveal(purpose="source crm, url")
    monkeypatch.setenv("URL", "")
    with pytest.raises(SecretMissing):
        config.sources["crm"].url.reveal(purpose="source crm, url")
    with pytest.raises(SecretMissing, match=r"forge\.url cannot be read") as caught:
        config.sources["forge"].url.reveal(purpose="source forge, url")
    assert "No such file" in caught.value.why


def test_an_empty_or_unreadable_secret_file_is_a_missing_secret(load: Load, tmp_path: Path) -> None:
    url = load(GOOD).sources["forge"].url
    (tmp_path / "forge.url").write_text(" \n", encoding="utf-8")
    with pytest.raises(SecretMissing, match="is empty"):
        url.reveal(purpose="source forge, url")
    (tmp_path / "forge.url").write_bytes(b"\xff\xfe")
    with pytest.raises(SecretMissing, match="cannot be read"):
        url.reveal(purpose="source forge, url")


@pytest.mark.parametrize("placeholder", ["age1…", "age1...", "age1qxyz…", "ssh-ed25519 AAAA…"])
def test_a_placeholder_of_a_public_key_is_refused_with_its_line(placeholder: str, mistakes: Mistakes) -> None:
    found = mistakes(f"defaults: {{rpo: 24h}}\nsources:\n  crm:\n    kind: sqlite\n    paths: [crm.sqlite]\n"
                     f"    encrypt: {{age: ['{placeholder}']}}\n")  # fmt: skip
    assert [(each.line, each.field) for each in found] == [(6, "sources.crm.encrypt.age.0")]
    assert "age-keygen" in found[0].expected


def test_a_word_that_yaml_takes_for_a_switch_is_explained(mistakes: Mistakes) -> None:
    (found,) = mistakes("sources: {crm: {kind: postgres, url: {env: OFF}}}\n")
    assert (found.field, found.example) == ("sources.crm.url.env", 'env: "OFF"')


def test_without_a_file_the_command_that_writes_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "ops.yaml")
    assert "mistake" not in str(caught.value) and "ops init" in caught.value.next


def test_a_file_without_an_end_is_not_read_to_its_end() -> None:
    with pytest.raises(ConfigError, match="larger than 4 MiB"):
        load_config(Path("/dev/zero"), environ={})
