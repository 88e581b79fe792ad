# pytest takes plug-ins from the topmost conftest only.
pytest_plugins = ["conformance_server", "client_programs"]
