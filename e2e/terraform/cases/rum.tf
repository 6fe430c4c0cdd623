resource "aws_rum_app_monitor" "site" {
  name           = "site"
  domain         = "birds.example.com"
  cw_log_enabled = var.edited

  app_monitor_configuration {
    allow_cookies       = true
    session_sample_rate = 0.5
  }

  tags = { team = "birds" }
}
