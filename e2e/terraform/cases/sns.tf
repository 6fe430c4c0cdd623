resource "aws_sns_topic" "birds" {
  name         = "birds"
  display_name = var.edited ? "All birds" : "Birds"
  tags         = { team = "birds" }
}

resource "aws_sns_topic_subscription" "queue" {
  topic_arn            = aws_sns_topic.birds.arn
  protocol             = "sqs"
  endpoint             = "arn:aws:sqs:us-east-1:111122223333:birds"
  raw_message_delivery = var.edited
}

resource "aws_sns_topic_policy" "birds" {
  arn    = aws_sns_topic.birds.arn
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Sid = var.edited ? "all" : "one", Effect = "Allow", Principal = "*", Action = "SNS:Publish", Resource = aws_sns_topic.birds.arn }] })
}
