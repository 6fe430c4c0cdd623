resource "aws_securityhub_account" "main" {
  enable_default_standards = false
}

resource "aws_securityhub_insight" "ours" {
  name               = var.edited ? "all ours" : "ours"
  group_by_attribute = "AwsAccountId"

  filters {
    aws_account_id {
      comparison = "EQUALS"
      value      = "111122223333"
    }
  }

  depends_on = [aws_securityhub_account.main]
}

resource "aws_securityhub_action_target" "ring" {
  name        = "Ring"
  identifier  = "Ring"
  description = var.edited ? "Ring it" : "Ring"
  depends_on  = [aws_securityhub_account.main]
}
