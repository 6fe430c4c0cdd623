resource "aws_ce_cost_category" "teams" {
  name         = "teams"
  rule_version = "CostCategoryExpression.v1"

  rule {
    value = "birds"

    rule {
      dimension {
        key           = "LINKED_ACCOUNT_NAME"
        values        = var.edited ? ["-birds", "-herons"] : ["-birds"]
        match_options = ["ENDS_WITH"]
      }
    }
  }
}

resource "aws_ce_anomaly_monitor" "services" {
  name              = var.edited ? "services-2" : "services"
  monitor_type      = "DIMENSIONAL"
  monitor_dimension = "SERVICE"
}
