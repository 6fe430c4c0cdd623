resource "aws_kms_key" "birds" {
  description             = var.edited ? "All birds" : "Birds"
  deletion_window_in_days = 7
  enable_key_rotation     = var.edited
  tags                    = { team = "birds" }
}

resource "aws_kms_alias" "birds" {
  name          = "alias/birds"
  target_key_id = aws_kms_key.birds.key_id
}
