resource "aws_ses_email_identity" "heron" {
  email = "heron@example.com"
}

resource "aws_ses_domain_identity" "birds" {
  domain = "birds.example.com"
}

resource "aws_ses_template" "hello" {
  name    = "hello"
  subject = var.edited ? "Hello again" : "Hello"
  text    = "Hello {{name}}"
}

resource "aws_ses_configuration_set" "birds" {
  name                       = "birds"
  reputation_metrics_enabled = var.edited
}

resource "aws_ses_receipt_rule_set" "birds" {
  rule_set_name = "birds"
}
