# Check format, lint, types and imports.
check:
    tools/check

# Run the tests.
test:
    pytest

# Talk to a server from the terminal.
talk *arguments:
    antiphon talk {{arguments}}
