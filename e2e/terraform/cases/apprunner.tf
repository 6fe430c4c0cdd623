resource "aws_apprunner_auto_scaling_configuration_version" "small" {
  auto_scaling_configuration_name = "small"
  max_concurrency                 = 50
  max_size                        = 5
  min_size                        = 1
  tags                            = { team = var.edited ? "herons" : "birds" }
}

resource "aws_apprunner_connection" "code" {
  connection_name = "code"
  provider_type   = "GITHUB"
  tags            = { team = var.edited ? "herons" : "birds" }
}
