resource "aws_swf_domain" "birds" {
  name                                        = "birds"
  description                                 = "Birds"
  workflow_execution_retention_period_in_days = 30
  tags                                        = { team = var.edited ? "herons" : "birds" }
}
