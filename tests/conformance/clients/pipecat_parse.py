"""Read one server event a line and print those that pipecat does not know or cannot parse."""

import json
import sys

from pipecat.services.openai.realtime.events import parse_server_event

for line in sys.stdin:
    try:
        why = "unknown" if parse_server_event(line) is None else None
    except Exception as error:  # noqa: BLE001 - pipecat raises it bare
        why = str(error)
    if why is not None:
        sys.stdout.write(json.dumps({"line": line, "why": why}) + "\n")
