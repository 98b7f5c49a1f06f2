"""Panels and dashboards in the few shapes that all dashboards are made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from grafana_foundation_sdk.builders import bargauge, dashboard, prometheus, stat, table, text, timeseries
from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

ROOT: Final = Path(__file__).parents[2]
RUNBOOK: Final = ROOT / "docs" / "runbook.md"
SOURCE: Final = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
ACCOUNT: Final = 'account=~"$account"'
WORKER: Final = 'account=~"$account", instance=~"$worker"'
RATE: Final = "$__rate_interval"
GREEN, YELLOW, RED, BLUE = "green", "yellow", "red", "blue"
Query = tuple[str, str]
"""An expression and the legend of its series."""
Steps = Sequence[tuple[float, str]]


def sections() -> dict[str, str]:
    """Return the sections of the runbook by heading, in their order."""
    parts = RUNBOOK.read_text().split("\n## ")[1:]
    return {part.partition("\n")[0].strip(): part.partition("\n")[2].strip() for part in parts}


def runbook_link(heading: str) -> str:
    """Return where Grafana shows a section; raises ValueError for one that the runbook does not have."""
    return f"/d/ticketstream-runbook?viewPanel={list(sections()).index(heading) + 1}"


def _thresholds(steps: Steps, base: str = GREEN) -> Any:
    # The first step has no value: it holds for everything below the second.
    first = [models.Threshold(value=None, color=base)]
    return (
        dashboard.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps(first + [models.Threshold(value=value, color=color) for value, color in steps])
    )


def _common(panel: Any, title: str, about: str, unit: str, queries: Sequence[Query], *, instant: bool) -> Any:
    panel = panel.title(title).description(about).datasource(SOURCE).unit(unit)
    for number, (expression, legend) in enumerate(queries):
        query = prometheus.Dataquery().expr(expression).ref_id(chr(ord("A") + number)).datasource(SOURCE)
        query = query.legend_format(legend) if legend else query
        panel = panel.with_target(query.instant() if instant else query.range())
    return panel


def _linked(panel: Any, runbook: str) -> Any:
    if not runbook:
        return panel
    link = dashboard.DashboardLink("What to do").url(runbook_link(runbook))
    return panel.links([link.type(models.DashboardLinkType.LINK)])


def figure(
    title: str,
    about: str,
    unit: str,
    expression: str,
    *,
    steps: Steps = (),
    base: str = GREEN,
    words: dict[str, tuple[str, str]] | None = None,
    none: str = "no data",
    runbook: str = "",
    width: int = 4,
    height: int = 5,
) -> Any:
    """Return a single large figure; ``words`` are texts and colours in place of values."""
    panel = _common(stat.Panel(), title, about, unit, [(expression, "")], instant=True)
    panel = panel.thresholds(_thresholds(steps, base)).no_value(none).height(height).span(width)
    panel = panel.graph_mode(common.BigValueGraphMode.NONE).color_mode(common.BigValueColorMode.BACKGROUND)
    if words:
        results = {
            value: models.ValueMappingResult(text=word, color=color, index=number)
            for number, (value, (word, color)) in enumerate(words.items())
        }
        panel = panel.mappings([models.ValueMap(options=results)])
    return _linked(panel, runbook)


def bars(
    title: str, about: str, unit: str, query: Query, *, steps: Steps = (), runbook: str = "", width: int = 8
) -> Any:
    """Return a bar for each series."""
    panel = _common(bargauge.Panel(), title, about, unit, [query], instant=True)
    panel = panel.thresholds(_thresholds(steps)).height(5).span(width).min(0)
    return _linked(panel.orientation(common.VizOrientation.HORIZONTAL), runbook)


def plot(
    title: str,
    about: str,
    unit: str,
    *queries: Query,
    steps: Steps = (),
    stacked: bool = False,
    runbook: str = "",
    width: int = 12,
    height: int = 8,
) -> Any:
    """Return curves over time; ``steps`` are drawn as lines."""
    panel = _common(timeseries.Panel(), title, about, unit, queries, instant=False)
    panel = panel.height(height).span(width).min(0).line_width(1).fill_opacity(20 if stacked else 5)
    panel = panel.show_points(common.VisibilityMode.NEVER)
    panel = panel.legend(
        common_builders.VizLegendOptions()
        .display_mode(common.LegendDisplayMode.LIST)
        .placement(common.LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    panel = panel.tooltip(common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI))
    if stacked:
        panel = panel.stacking(common_builders.StackingConfig().mode(common.StackingMode.NORMAL))
    if steps:
        panel = panel.thresholds(_thresholds(steps)).thresholds_style(
            common_builders.GraphThresholdsStyleConfig().mode(common.GraphTresholdsStyleMode.DASHED)
        )
    return _linked(panel, runbook)


def listing(title: str, about: str, expression: str, *, runbook: str = "", width: int = 12) -> Any:
    """Return a table with a row for each series, its labels as columns."""
    panel = table.Panel().title(title).description(about).datasource(SOURCE).height(8).span(width)
    query = prometheus.Dataquery().expr(expression).ref_id("A").datasource(SOURCE).instant()
    return _linked(panel.with_target(query.format(PromQueryFormat.TABLE)), runbook)


def words(title: str, markdown: str, *, width: int = 24, height: int = 12) -> Any:
    """Return a text."""
    panel = text.Panel().title(title).content(markdown).mode("markdown")  # type: ignore[arg-type]
    return panel.height(height).span(width)


def _choice(name: str, label: str, query: str) -> Any:
    made = dashboard.QueryVariable(name).label(label).query(query).datasource(SOURCE)
    made = (
        made.multi(True)
        .include_all(True)
        .all_value(".*")
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
    )
    return made.current(models.VariableOption(text="All", value="$__all"))


_CHOICES: Final = {
    "account": ("Account", "label_values(ticketstream_partitions, account)"),
    "worker": ("Worker", 'label_values(ticketstream_partitions{account=~"$account"}, instance)'),
    "topic": ("Topic", 'label_values(ticketstream_lag_messages{account=~"$account"}, topic)'),
}


def board(uid: str, title: str, about: str, rows: Sequence[tuple[str, Sequence[Any]]]) -> models.Dashboard:
    """Return a dashboard: rows of panels from left to right, ids in that order.

    Its variables are those that the panels use.
    """
    made = dashboard.Dashboard(title).uid(f"ticketstream-{uid}").description(about).tags(["ticketstream"])
    made = made.time("now-1h", "now").refresh("10s").timezone("browser").readonly()
    made = made.tooltip(models.DashboardCursorSync.CROSSHAIR)
    link = dashboard.DashboardLink("ticketstream").type(models.DashboardLinkType.DASHBOARDS)
    made = made.link(link.tags(["ticketstream"]).as_dropdown(True).keep_time(True).include_vars(True))
    whole = made.build()
    whole.panels, used = _placed(rows)
    if any(panel.datasource for panel in whole.panels):
        source = dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
        made = made.with_variable(source)
    for name, (label, query) in _CHOICES.items():
        if f"${name}" in used:
            made = made.with_variable(_choice(name, label, query))
    whole.templating = made.build().templating
    return whole


def _placed(rows: Sequence[tuple[str, Sequence[Any]]]) -> tuple[list[Any], str]:
    placed: list[Any] = []
    used = ""
    top = 0
    number = 0
    heads = []
    for title, panels in rows:
        left = lowest = 0
        if title:
            row = dashboard.Row(title).build()
            row.grid_pos = models.GridPos(h=1, w=24, x=0, y=top)
            heads.append(row)
            placed.append(row)
            top += 1
        for builder in panels:
            panel = builder.build()
            number += 1
            panel.id_val = number
            size = panel.grid_pos
            if left + size.w > 24:
                top, left, lowest = top + lowest, 0, 0
            panel.grid_pos = models.GridPos(h=size.h, w=size.w, x=left, y=top)
            left, lowest = left + size.w, max(lowest, size.h)
            used += " ".join(target.expr or "" for target in panel.targets or ())
            placed.append(panel)
        top += lowest
    for row in heads:
        # Behind all panels: a row more changes no panel's id, to which links lead.
        number += 1
        row.id_val = number
    return placed, used
