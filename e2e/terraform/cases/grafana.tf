resource "aws_grafana_workspace" "birds" {
  name                     = "birds"
  description              = var.edited ? "All birds" : "Birds"
  account_access_type      = "CURRENT_ACCOUNT"
  authentication_providers = ["SAML"]
  permission_type          = "SERVICE_MANAGED"
  role_arn                 = "arn:aws:iam::111122223333:role/grafana"
  tags                     = { team = "birds" }
}
