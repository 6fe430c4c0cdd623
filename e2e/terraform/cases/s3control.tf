# proxy
resource "aws_s3_account_public_access_block" "all" {
  block_public_acls   = true
  block_public_policy = var.edited
}
