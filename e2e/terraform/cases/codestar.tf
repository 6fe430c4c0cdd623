resource "aws_codestarconnections_connection" "code" {
  name          = "code"
  provider_type = "GitHub"
  tags          = { team = var.edited ? "herons" : "birds" }
}

resource "aws_codestarnotifications_notification_rule" "commits" {
  name           = "commits"
  detail_type    = var.edited ? "FULL" : "BASIC"
  event_type_ids = ["codecommit-repository-comments-on-commits"]
  resource       = "arn:aws:codecommit:us-east-1:111122223333:birds"

  target {
    address = "arn:aws:sns:us-east-1:111122223333:birds"
  }
}
