resource "aws_pipes_pipe" "birds" {
  name        = "birds"
  description = var.edited ? "All birds" : "Birds"
  role_arn    = "arn:aws:iam::111122223333:role/pipe"
  source      = "arn:aws:sqs:us-east-1:111122223333:in"
  target      = "arn:aws:sqs:us-east-1:111122223333:out"

  source_parameters {
    sqs_queue_parameters {
      batch_size = 1
    }
  }

  tags = { team = "birds" }
}
