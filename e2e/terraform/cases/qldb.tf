resource "aws_qldb_ledger" "sightings" {
  name                = "sightings"
  permissions_mode    = "STANDARD"
  deletion_protection = false
  tags                = { team = var.edited ? "herons" : "birds" }
}
