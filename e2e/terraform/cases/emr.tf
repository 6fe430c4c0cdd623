resource "aws_emr_security_configuration" "plain" {
  name          = "plain"
  configuration = jsonencode({ EncryptionConfiguration = { EnableInTransitEncryption = false, EnableAtRestEncryption = false } })
}

resource "aws_emr_studio" "birds" {
  name                        = var.edited ? "herons" : "birds"
  auth_mode                   = "IAM"
  default_s3_location         = "s3://studio/birds"
  engine_security_group_id    = "sg-0123456789abcdef0"
  service_role                = "arn:aws:iam::111122223333:role/emr"
  subnet_ids                  = ["subnet-0123456789abcdef0"]
  vpc_id                      = "vpc-0123456789abcdef0"
  workspace_security_group_id = "sg-0123456789abcdef1"
  tags                        = { team = "birds" }
}
