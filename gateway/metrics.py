"""Prometheus metrics. Each application has a registry of its own; nothing is registered globally."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_FACTORS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Metrics:
    """The gateway's counters, gauges and histograms, all named ``voxgate_…``."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        engine = ["engine"]
        self.requests = Counter(
            "voxgate_requests_total",
            "Synthesis requests by outcome: ok, cancelled, or the error's type",
            ["engine", "outcome"],
            registry=self.registry,
        )
        self.errors = Counter(
            "voxgate_errors_total", "Error responses and broken streams by type", ["type"], registry=self.registry
        )
        self.http = Counter(
            "voxgate_http_responses_total", "Responses by route and status", ["route", "status"], registry=self.registry
        )
        self.key_requests = Counter(
            "voxgate_key_requests_total",
            "Requests by API key name (empty: missing or unknown key): ok, unauthorized or rate_limited",
            ["key", "outcome"],
            registry=self.registry,
        )
        self.live_sessions = Gauge("voxgate_live_sessions", "Open live sessions", registry=self.registry)
        self.live_ended = Counter(
            "voxgate_live_ended_total",
            "Live sessions by outcome: finished, client_gone, client_stalled, shutdown, or the error's type",
            ["outcome"],
            registry=self.registry,
        )
        self.live_interruptions = Counter(
            "voxgate_live_interruptions_total", "Interruptions of speech by clients", registry=self.registry
        )
        self.first_audio_s = Histogram(
            "voxgate_time_to_first_audio_seconds",
            "Time from the request's arrival to the engine's first audio, including the queue",
            engine,
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.queue_s = Histogram(
            "voxgate_queue_seconds",
            "Time that a request waits for a slot of the engine, including its loading",
            engine,
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.realtime_factor = Histogram(
            "voxgate_realtime_factor",
            "Seconds of engine time per second of audio, without the queue",
            engine,
            buckets=_FACTORS,
            registry=self.registry,
        )
        self.audio_s = Counter(
            "voxgate_audio_seconds_total", "Seconds of synthesized audio", engine, registry=self.registry
        )
        self.queue_depth = Gauge(
            "voxgate_queue_depth", "Requests waiting for the engine", engine, registry=self.registry
        )
        self.predicted_wait_s = Gauge(
            "voxgate_predicted_wait_seconds",
            "Predicted wait of an interactive request that would arrive now",
            engine,
            registry=self.registry,
        )
        self.active_jobs = Gauge("voxgate_active_jobs", "Requests in the engine", engine, registry=self.registry)
        self.worker_restarts = Counter(
            "voxgate_worker_restarts_total", "Worker restarts after a failure", engine, registry=self.registry
        )
        self.engine_ready = Gauge(
            "voxgate_engine_ready", "1 when the engine takes requests", engine, registry=self.registry
        )

    def render(self) -> bytes:
        """Render all metrics in the Prometheus text format."""
        return generate_latest(self.registry)
