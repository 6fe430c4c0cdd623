resource "aws_ram_resource_share" "birds" {
  name                      = var.edited ? "all-birds" : "birds"
  allow_external_principals = true
  tags                      = { team = "birds" }
}
