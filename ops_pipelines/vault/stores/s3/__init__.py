"""A store in an S3 bucket, imported when one is configured and not before.

`store` offers the protocol, `litter` what sweeping finds; `client` has the keys, the connection and its errors;
`upload` and `download` move the bytes; `versions` knows object lock and deletion; `cache` keeps what was fetched.
"""
