"""An S3 endpoint that keeps its objects in a directory: the off-site store of the demo (rclone, its own process)."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from demo.remembered import Remembered, write_private
from ops_pipelines import process
from ops_pipelines.errors import OpsError
from ops_pipelines.process import Limits

BUCKET = "acme-backups"
_LIFE = Limits(stall=timedelta(days=3650), total=timedelta(days=3650))


@contextmanager
def bucket(directory: Path, remembered: Remembered) -> Iterator[str]:
    """The endpoint, with the bucket in it. Yields its URL; the keys are in `access.key` and `secret.key`."""
    access, secret = remembered.password("s3_access"), remembered.password("s3_secret")
    write_private(directory / "access.key", access)
    write_private(directory / "secret.key", secret)
    objects = directory / "objects"
    objects.mkdir(mode=0o700, exist_ok=True)
    port = remembered.port("s3")
    rclone = Path(sys.executable).with_name("rclone")
    argv: list[str | Path] = [rclone, "serve", "s3", "--config", "", "--addr", f"127.0.0.1:{port}", objects]
    with process.running(argv, env={"RCLONE_AUTH_KEY": f'"{access},{secret}"'}, limits=_LIFE, stdout=2) as running:
        url = f"http://127.0.0.1:{port}"
        client = boto3.client(
            "s3", endpoint_url=url, aws_access_key_id=access, aws_secret_access_key=secret, region_name="us-east-1",
            config=Config(retries={"max_attempts": 0}, connect_timeout=2),
        )  # fmt: skip
        deadline = time.monotonic() + 30
        while True:
            try:
                client.create_bucket(Bucket=BUCKET)
                break
            except client.exceptions.BucketAlreadyExists:
                break
            except BotoCoreError as error:
                if running.exited() or time.monotonic() > deadline:
                    raise OpsError(
                        "the demo's S3 server does not start", why=running.stderr_tail() or str(error)
                    ) from None
                time.sleep(0.1)
        yield url
