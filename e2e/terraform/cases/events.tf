resource "aws_cloudwatch_event_bus" "birds" {
  name = "birds"
  tags = { team = var.edited ? "herons" : "birds" }
}

resource "aws_cloudwatch_event_rule" "seen" {
  name           = "seen"
  description    = var.edited ? "Seen again" : "Seen"
  event_bus_name = aws_cloudwatch_event_bus.birds.name
  event_pattern  = jsonencode({ source = ["birds"] })
  tags           = { team = "birds" }
}

resource "aws_cloudwatch_event_target" "queue" {
  rule           = aws_cloudwatch_event_rule.seen.name
  event_bus_name = aws_cloudwatch_event_bus.birds.name
  target_id      = "queue"
  arn            = "arn:aws:sqs:us-east-1:111122223333:birds"
  input          = var.edited ? jsonencode({ bird = "heron" }) : null
}

resource "aws_cloudwatch_event_archive" "all" {
  name             = "all"
  event_source_arn = aws_cloudwatch_event_bus.birds.arn
  retention_days   = var.edited ? 14 : 7
}

resource "aws_cloudwatch_event_connection" "web" {
  name               = "web"
  description        = var.edited ? "The web" : "Web"
  authorization_type = "API_KEY"

  auth_parameters {
    api_key {
      key   = "x-key"
      value = "blue"
    }
  }
}
