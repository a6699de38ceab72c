"""Whether a part answers: `healthcheck http://127.0.0.1:3000/graph/server_info` or `healthcheck /path/of/code.sock`.

Exit status 0 or 1. Loads no Dagster, so that asking every half minute costs nothing worth telling.
"""

import sys
import urllib.request

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

_WITHIN_S = 5


def main(address: str) -> bool:
    """Ask once. Raises OSError or grpc.RpcError when nobody answers."""
    if address.startswith("http"):
        with urllib.request.urlopen(address, timeout=_WITHIN_S) as answer:
            return bool(answer.status == 200)
    with grpc.insecure_channel(f"unix:{address}") as channel:
        asked = health_pb2.HealthCheckRequest(service="DagsterApi")
        answer = health_pb2_grpc.HealthStub(channel).Check(asked, timeout=_WITHIN_S)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


if __name__ == "__main__":
    try:
        sys.exit(0 if main(sys.argv[1]) else 1)
    except (OSError, grpc.RpcError) as error:
        sys.exit(f"{sys.argv[1]}: {error}")
