resource "aws_sqs_queue" "letters" {
  name                      = "letters"
  message_retention_seconds = var.edited ? 172800 : 86400
  tags                      = { team = var.edited ? "herons" : "birds" }
}

resource "aws_sqs_queue" "jobs" {
  name                       = "jobs"
  visibility_timeout_seconds = 60
  redrive_policy             = jsonencode({ deadLetterTargetArn = aws_sqs_queue.letters.arn, maxReceiveCount = 4 })
}
