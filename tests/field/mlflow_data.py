"""Run with a database's URL: mlflow makes its tables (alembic) and writes experiments, runs and models to them."""

import math
import sys

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

client = MlflowClient(tracking_uri=sys.argv[1], registry_uri=sys.argv[1])
for number in range(4):
    experiment = client.create_experiment(f"experiment {number} žluťoučký", tags={"kind": f"tag '{number}'"})
    for run_number in range(8):
        run = client.create_run(experiment, run_name=f"run {run_number}").info.run_id
        values = [*(1 / (step + 1) for step in range(40)), math.inf, -math.inf, math.nan, 1e-308]
        metrics = [Metric("loss", value, 1_700_000_000_000 + step, step) for step, value in enumerate(values)]
        parameters = [Param("rate", str(run_number / 7)), Param("text", "line\nline\ttab \\ back")]
        client.log_batch(run, metrics=metrics, params=parameters, tags=[RunTag("note", "🐎" * 50)])
        client.set_terminated(run, "FINISHED" if run_number % 2 else "FAILED")
    client.delete_run(run)
client.delete_experiment(experiment)
client.create_registered_model("model", tags={"a": "b"}, description="a model")
for _ in range(3):
    version = client.create_model_version("model", source="s3://bucket/model", run_id=None)
client.set_registered_model_alias("model", "champion", version.version)
