"""The public test kit: instant engines, contracts, endpoints and sounds.

Nothing here needs weights, a network beyond loopback, or time: an engine answers at once unless a
test makes it wait. `engines` holds scripted engines of every kind; `contracts` holds the tests that
any engine must pass; `endpoints` is an OpenAI-compatible server with faults on request; `speech`
makes sounds; `wer` compares what was said with what was heard.
"""
