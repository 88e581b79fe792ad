"""The wire: what may be said, nothing about when.

Events, items, sessions and responses are frozen `msgspec` structs; `codec` is the only place that
decodes or encodes them. A field that may be absent defaults to `msgspec.UNSET` and is then left out
of the frame; `None` is JSON's null and is sent. The two are never the same.
"""
