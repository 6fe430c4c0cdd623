resource "aws_prometheus_workspace" "metrics" {
  alias = var.edited ? "metrics-2" : "metrics"
  tags  = { team = "birds" }
}

resource "aws_prometheus_rule_group_namespace" "rules" {
  name         = "rules"
  workspace_id = aws_prometheus_workspace.metrics.id
  data         = "groups:\n  - name: ${var.edited ? "second" : "first"}\n    rules:\n      - record: metric:sum\n        expr: sum(metric)\n"
}

resource "aws_prometheus_alert_manager_definition" "alerts" {
  workspace_id = aws_prometheus_workspace.metrics.id
  definition   = "alertmanager_config: |\n  route:\n    receiver: default\n  receivers:\n    - name: default\n"
}
