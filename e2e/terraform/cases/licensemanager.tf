resource "aws_licensemanager_license_configuration" "birds" {
  name                  = "birds"
  description           = var.edited ? "All birds" : "Birds"
  license_count         = 10
  license_counting_type = "Socket"
  tags                  = { team = "birds" }
}
