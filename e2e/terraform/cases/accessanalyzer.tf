resource "aws_accessanalyzer_analyzer" "account" {
  analyzer_name = "account"
  type          = "ACCOUNT"
  tags          = { team = var.edited ? "herons" : "birds" }
}

resource "aws_accessanalyzer_archive_rule" "ours" {
  analyzer_name = aws_accessanalyzer_analyzer.account.analyzer_name
  rule_name     = "ours"

  filter {
    criteria = "principal.AWS"
    eq       = var.edited ? ["111122223333", "444455556666"] : ["111122223333"]
  }
}
