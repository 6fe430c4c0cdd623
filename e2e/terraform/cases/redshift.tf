resource "aws_redshift_parameter_group" "birds" {
  name        = "birds"
  family      = "redshift-1.0"
  description = "Birds"
  tags        = { team = var.edited ? "herons" : "birds" }
}

resource "aws_redshift_subnet_group" "birds" {
  name        = "birds"
  description = var.edited ? "All birds" : "Birds"
  subnet_ids  = ["subnet-0123456789abcdef0"]
}

resource "aws_redshift_event_subscription" "all" {
  name          = "all"
  sns_topic_arn = "arn:aws:sns:us-east-1:111122223333:birds"
  severity      = var.edited ? "ERROR" : "INFO"
  tags          = { team = "birds" }
}
