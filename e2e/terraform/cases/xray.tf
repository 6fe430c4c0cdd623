resource "aws_xray_group" "errors" {
  group_name        = "errors"
  filter_expression = var.edited ? "responsetime > 10" : "responsetime > 5"
  tags              = { team = "birds" }
}

resource "aws_xray_sampling_rule" "few" {
  rule_name      = "few"
  priority       = var.edited ? 10 : 100
  version        = 1
  reservoir_size = 1
  fixed_rate     = 0.05
  url_path       = "*"
  host           = "*"
  http_method    = "*"
  service_type   = "*"
  service_name   = "*"
  resource_arn   = "*"
  tags           = { team = "birds" }
}
