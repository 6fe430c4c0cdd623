resource "aws_scheduler_schedule_group" "birds" {
  name = "birds"
  tags = { team = var.edited ? "herons" : "birds" }
}

resource "aws_scheduler_schedule" "feed" {
  name                = "feed"
  group_name          = aws_scheduler_schedule_group.birds.name
  description         = var.edited ? null : "Feed"
  schedule_expression = var.edited ? "rate(2 hours)" : "rate(1 hour)"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = "arn:aws:sqs:us-east-1:111122223333:birds"
    role_arn = "arn:aws:iam::111122223333:role/scheduler"
    input    = jsonencode({ bird = "heron" })
  }
}
