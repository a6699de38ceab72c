"""The page about environment variables: those that override `ops.yaml`, and the rest that the code reads or sets."""

import inspect

from ops_pipelines.compat import variables
from tools.reference.markdown import code, page, table

_READ = {
    "OPS_CONFIG": "the `ops.yaml` to use, where `--config` is not given",
    "DAGSTER_HOME": "Dagster's instance; else the folder of the nearest `dagster.yaml`",
    "ENVIRONMENT": "what Sentry calls this installation, unless `sentry.environment` says it; `production` without it",
    "RESTIC_PASSWORD": "password of the restic repositories, unless a source's `password` names another place",
    "TZ": "the time zone that `ops init` writes; else this machine's",
    "OFFSITE_ACCESS_KEY_ID": "`ops init` writes a bucket with `credentials: {env: OFFSITE}` where it is set",
    "AWS_ENDPOINT_URL": "its endpoint, for `ops init`",
    "PATH": "where programs are looked for, after `bin_dirs`",
}
_SET = {
    "OPS_TARGET": "for `commands:` of a source: the address of what was restored",
    "<SOURCE>_DATABASE_URL, <SOURCE>_FOLDER": "for checks of a drill: where a source was restored (`CRM_DATABASE_URL`)",
    "PORT": "for a drill's `start:` command: where the application has to listen",
}


def environment_page() -> str:
    """Every variable."""
    told = inspect.getdoc(variables) or ""
    overrides = told[told.index("* ") :]
    return page(
        "Environment variables",
        "`ops.yaml` names the variables that hold its secrets: `{env: CRM_DATABASE_URL}`. `${VAR}` and "
        "`${VAR:-default}` work in every value. Beside those:",
        "## Overriding ops.yaml",
        "Names of older scripts. They win over the file.",
        overrides,
        "## Read",
        table(("variable", "meaning"), [(code(name), told) for name, told in _READ.items()]),
        "## Set for your programs",
        table(("variable", "meaning"), [(code(name), told) for name, told in _SET.items()]),
    )
