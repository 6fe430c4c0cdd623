resource "aws_cloudwatch_log_group" "birds" {
  name              = "/birds"
  retention_in_days = var.edited ? 30 : 7
  tags              = { team = "birds" }
}

resource "aws_cloudwatch_log_stream" "nest" {
  name           = "nest"
  log_group_name = aws_cloudwatch_log_group.birds.name
}

resource "aws_cloudwatch_log_metric_filter" "errors" {
  name           = "errors"
  log_group_name = aws_cloudwatch_log_group.birds.name
  pattern        = var.edited ? "ERROR" : "WARN"

  metric_transformation {
    name      = "Errors"
    namespace = "Birds"
    value     = "1"
  }
}

resource "aws_cloudwatch_query_definition" "last" {
  name         = "last"
  query_string = var.edited ? "fields @message | limit 5" : "fields @message | limit 10"
}

resource "aws_cloudwatch_log_subscription_filter" "out" {
  name            = "out"
  log_group_name  = aws_cloudwatch_log_group.birds.name
  filter_pattern  = var.edited ? "heron" : ""
  destination_arn = "arn:aws:kinesis:us-east-1:111122223333:stream/birds"
  role_arn        = "arn:aws:iam::111122223333:role/logs"
  distribution    = "ByLogStream"
}
