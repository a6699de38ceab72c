"""`python -m ops_pipelines` is `ops`, whatever is first in PATH."""

from ops_pipelines.cli.main import main

if __name__ == "__main__":
    main()
