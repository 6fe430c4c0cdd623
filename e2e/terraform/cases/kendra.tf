resource "aws_kendra_index" "birds" {
  name        = "birds"
  description = var.edited ? "All birds" : "Birds"
  edition     = "DEVELOPER_EDITION"
  role_arn    = "arn:aws:iam::111122223333:role/kendra"
  tags        = { team = "birds" }
}
