resource "aws_guardduty_detector" "main" {
  enable                       = true
  finding_publishing_frequency = var.edited ? "ONE_HOUR" : "SIX_HOURS"
  tags                         = { team = "birds" }
}

resource "aws_guardduty_filter" "ours" {
  name        = "ours"
  action      = "ARCHIVE"
  detector_id = aws_guardduty_detector.main.id
  rank        = 1
  description = var.edited ? "All ours" : "Ours"

  finding_criteria {
    criterion {
      field  = "region"
      equals = ["us-east-1"]
    }
  }
}

resource "aws_guardduty_ipset" "friends" {
  activate    = true
  detector_id = aws_guardduty_detector.main.id
  format      = "TXT"
  location    = "https://s3.amazonaws.com/birds/${var.edited ? "second" : "first"}"
  name        = "friends"
}
