resource "aws_cognito_identity_pool" "visitors" {
  identity_pool_name               = "visitors"
  allow_unauthenticated_identities = var.edited
  tags                             = { team = "birds" }
}
