resource "aws_macie2_account" "main" {
  finding_publishing_frequency = var.edited ? "ONE_HOUR" : "SIX_HOURS"
  status                       = "ENABLED"
}

resource "aws_macie2_custom_data_identifier" "rings" {
  name        = "rings"
  regex       = "[A-Z]{3}[0-9]{4}"
  description = "Ring numbers"
  tags        = { team = "birds" }
  depends_on  = [aws_macie2_account.main]
}
