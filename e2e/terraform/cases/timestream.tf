resource "aws_timestreamwrite_database" "birds" {
  database_name = "birds"
  tags          = { team = var.edited ? "herons" : "birds" }
}

resource "aws_timestreamwrite_table" "sightings" {
  database_name = aws_timestreamwrite_database.birds.database_name
  table_name    = "sightings"

  retention_properties {
    magnetic_store_retention_period_in_days = var.edited ? 60 : 30
    memory_store_retention_period_in_hours  = 8
  }

  tags = { team = "birds" }
}
