"""What `dg list components` shows of this package, and `dg scaffold defs` makes."""

from ops_pipelines.orchestration.component import OpsBackupsComponent

__all__ = ["OpsBackupsComponent"]
