resource "aws_dataexchange_data_set" "sightings" {
  asset_type  = "S3_SNAPSHOT"
  name        = "sightings"
  description = var.edited ? "All sightings" : "Sightings"
  tags        = { team = "birds" }
}
