resource "aws_organizations_organization" "birds" {
  feature_set = "ALL"
}

resource "aws_organizations_organizational_unit" "herons" {
  name      = var.edited ? "all-herons" : "herons"
  parent_id = aws_organizations_organization.birds.roots[0].id
  tags      = { team = "birds" }
}

resource "aws_organizations_policy" "deny" {
  name        = "deny"
  description = var.edited ? "Deny all" : "Deny"
  content     = jsonencode({ Version = "2012-10-17", Statement = { Effect = "Deny", Action = "*", Resource = "*" } })
}
