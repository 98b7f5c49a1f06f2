"""The dashboards, written down once: ``python -m grafana.source`` writes grafana/dashboards/."""
