"""Work that is started elsewhere: runs of our jobs, launched in a Dagster that runs, over its GraphQL."""
