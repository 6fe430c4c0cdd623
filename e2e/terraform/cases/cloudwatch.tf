resource "aws_cloudwatch_metric_alarm" "cpu" {
  alarm_name          = "cpu"
  comparison_operator = "GreaterThanThreshold"
  evaluation_periods  = 2
  metric_name         = "CPUUtilization"
  namespace           = "AWS/EC2"
  period              = 120
  statistic           = "Average"
  threshold           = var.edited ? 90 : 80
  alarm_description   = var.edited ? null : "Too busy"
  tags                = { team = "birds" }
}

resource "aws_cloudwatch_composite_alarm" "all" {
  alarm_name        = "all"
  alarm_rule        = "ALARM(${aws_cloudwatch_metric_alarm.cpu.alarm_name})"
  alarm_description = var.edited ? "All alarms" : "Alarms"
}

resource "aws_cloudwatch_dashboard" "birds" {
  dashboard_name = "birds"
  dashboard_body = jsonencode({ widgets = [{ type = "text", x = 0, y = 0, width = 3, height = 3, properties = { markdown = var.edited ? "Herons" : "Birds" } }] })
}
