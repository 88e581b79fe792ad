"""What all sessions of a deployment have used, for `/metrics`."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from antiphon.core.output_audio import AudioLedger
from antiphon.runtime.usage import Used

_GAP_BUCKETS_S = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)

_TOKENS = {
    ("in", "text"): "input_text_tokens",
    ("in", "audio"): "input_audio_tokens",
    ("in", "image"): "input_image_tokens",
    ("cached", "text"): "cached_text_tokens",
    ("cached", "audio"): "cached_audio_tokens",
    ("cached", "image"): "cached_image_tokens",
    ("out", "text"): "output_text_tokens",
    ("out", "audio"): "output_audio_tokens",
}
"""Which direction and modality each sum of tokens is of."""


class UsageCounters:
    """Tokens, sound and transcripts by deployment."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.tokens = Counter(
            "antiphon_tokens_total",
            "Tokens of responses; `cached` are those of `in` that were read before.",
            ["model", "direction", "modality"],
            registry=registry,
        )
        self.audio_seconds = Counter(
            "antiphon_audio_seconds_total",
            "Sound by direction; what a session hears is counted with its responses.",
            ["model", "direction"],
            registry=registry,
        )
        self.transcriptions = Counter(
            "antiphon_transcriptions_total",
            "Transcripts for clients.",
            ["model"],
            registry=registry,
        )
        self.rate_limited = Counter(
            "antiphon_rate_limited_responses_total",
            "Responses that a quota left no room for, or ended.",
            ["model"],
            registry=registry,
        )
        self.audio_gap_seconds = Histogram(
            "antiphon_audio_gap_seconds",
            "Longest silence inside a reply that the client had to wait out.",
            buckets=_GAP_BUCKETS_S,
            registry=registry,
        )

    def count(self, model: str, used: Used) -> None:
        """Take what a session has used."""
        for (direction, modality), column in _TOKENS.items():
            if tokens := getattr(used, column):
                self.tokens.labels(model, direction, modality).inc(tokens)
        if used.input_audio_seconds:
            self.audio_seconds.labels(model, "in").inc(used.input_audio_seconds)
        if used.output_audio_seconds:
            self.audio_seconds.labels(model, "out").inc(used.output_audio_seconds)
        if used.transcriptions:
            self.transcriptions.labels(model).inc(used.transcriptions)

    def record_audio(self, ledger: AudioLedger) -> None:
        """Take the account of a response's audio."""
        if ledger.sent_samples:
            self.audio_gap_seconds.observe(ledger.longest_gap_s)
