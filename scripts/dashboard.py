"""Write the Grafana dashboard, which shows every metric of ``gateway/metrics.py``: ``python scripts/dashboard.py``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from grafana_foundation_sdk.builders import common, dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models.dashboard import DataSourceRef, VariableRefresh

FILE = Path(__file__).resolve().parents[1] / "deploy/helm/voxgate/files/dashboard.json"
SOURCE = DataSourceRef("prometheus", "${datasource}")
ENGINE = '{engine=~"$engine"}'
WIDTH, HEIGHT = 12, 8  # of a panel, in units of Grafana's grid of 24 columns


class Plot(NamedTuple):
    """A panel: its title, description, unit (Grafana's name), and queries with their legends."""

    title: str
    description: str
    unit: str
    queries: dict[str, str]


def _rate(metric: str, labels: str, selector: str = ENGINE) -> str:
    return f"sum by ({labels}) (rate({metric}{selector}[$__rate_interval]))"


def _percentiles(metric: str) -> dict[str, str]:
    buckets = _rate(f"{metric}_bucket", "le, engine")
    return {f"{{{{engine}}}} p{q}": f"histogram_quantile({q / 100}, {buckets})" for q in (50, 95, 99)}


ROWS: dict[str, list[Plot]] = {
    "Speech": [
        Plot(
            "Time to first audio",
            "From the request's arrival to the engine's first audio, including the queue.",
            "s",
            _percentiles("voxgate_time_to_first_audio_seconds"),
        ),
        Plot(
            "Queue wait",
            "Wait for the engine and a slot of it, of requests that got one.",
            "s",
            _percentiles("voxgate_queue_seconds"),
        ),
        Plot(
            "Predicted wait",
            "Predicted wait of an interactive request that would arrive now, the longest of all gateways.",
            "s",
            {"{{engine}}": f"max by (engine) (voxgate_predicted_wait_seconds{ENGINE})"},
        ),
        Plot(
            "Requests by outcome",
            "ok, cancelled, or the error's type.",
            "reqps",
            {"{{engine}} {{outcome}}": _rate("voxgate_requests_total", "engine, outcome")},
        ),
        Plot(
            "Waiting and active requests",
            "Waiting for the engine, and in the engine.",
            "short",
            {
                "{{engine}} waiting": f"sum by (engine) (voxgate_queue_depth{ENGINE})",
                "{{engine}} active": f"sum by (engine) (voxgate_active_jobs{ENGINE})",
            },
        ),
        Plot(
            "Real-time factor",
            "Seconds of engine time per second of audio, without the queue. Above 1, playback stalls.",
            "none",
            _percentiles("voxgate_realtime_factor"),
        ),
        Plot(
            "Audio per second",
            "Seconds of audio that were synthesized in a second.",
            "none",
            {"{{engine}}": _rate("voxgate_audio_seconds_total", "engine")},
        ),
        Plot(
            "Gateways with the engine ready",
            "A lazy engine is not ready until its first request.",
            "short",
            {"{{engine}}": f"sum by (engine) (voxgate_engine_ready{ENGINE})"},
        ),
        Plot(
            "Worker restarts",
            "Restarts after a failure, in the last hour.",
            "short",
            {"{{engine}}": f"sum by (engine) (increase(voxgate_worker_restarts_total{ENGINE}[1h]))"},
        ),
    ],
    "HTTP": [
        Plot(
            "Responses by status",
            "All routes.",
            "reqps",
            {"{{status}}": _rate("voxgate_http_responses_total", "status", "")},
        ),
        Plot(
            "Errors by type",
            "Error responses and broken streams.",
            "reqps",
            {"{{type}}": _rate("voxgate_errors_total", "type", "")},
        ),
        Plot(
            "Responses by route",
            "All statuses.",
            "reqps",
            {"{{route}}": _rate("voxgate_http_responses_total", "route", "")},
        ),
        Plot(
            "Requests by API key",
            "Key name (empty: missing or unknown key) and ok, unauthorized or rate_limited.",
            "reqps",
            {"{{key}} {{outcome}}": _rate("voxgate_key_requests_total", "key, outcome", "")},
        ),
    ],
    "Live sessions": [
        Plot("Open sessions", "By gateway.", "short", {"{{instance}}": "sum by (instance) (voxgate_live_sessions)"}),
        Plot(
            "Sessions that ended, and interruptions",
            "Sessions by outcome, and interruptions of speech by clients.",
            "reqps",
            {
                "{{outcome}}": _rate("voxgate_live_ended_total", "outcome", ""),
                "interruptions": "sum(rate(voxgate_live_interruptions_total[$__rate_interval]))",
            },
        ),
    ],
}


def _panel(plot: Plot) -> timeseries.Panel:
    panel = (
        timeseries.Panel()
        .title(plot.title)
        .description(plot.description)
        .datasource(SOURCE)
        .unit(plot.unit)
        .min(0)
        .span(WIDTH)
        .height(HEIGHT)
        .legend(common.VizLegendOptions().show_legend(True).placement(options.LegendPlacement.BOTTOM))
    )
    for index, (legend, query) in enumerate(plot.queries.items()):
        target = prometheus.Dataquery().ref_id(chr(ord("A") + index)).expr(query).legend_format(legend)
        panel.with_target(target)
    return panel


def text() -> str:
    """Return the dashboard in Grafana's JSON model."""
    board = (
        dashboard.Dashboard("Voxgate")
        .uid("voxgate")
        .tags(["voxgate", "text-to-speech"])
        .time("now-1h", "now")
        .refresh("30s")
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(
            dashboard.QueryVariable("engine")
            .label("Engine")
            .datasource(SOURCE)
            .query("label_values(voxgate_engine_ready, engine)")
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .multi(True)
            .include_all(True)
            .all_value(".*")
        )
    )
    for title, plots in ROWS.items():
        board.with_row(dashboard.Row(title))
        for plot in plots:
            board.with_panel(_panel(plot))
    return json.dumps(board.build(), cls=JSONEncoder, indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
