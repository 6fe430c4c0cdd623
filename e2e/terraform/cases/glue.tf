resource "aws_glue_catalog_database" "birds" {
  name        = "birds"
  description = var.edited ? "All birds" : "Birds"
}

resource "aws_glue_catalog_table" "herons" {
  name          = "herons"
  database_name = aws_glue_catalog_database.birds.name
  description   = var.edited ? "All herons" : "Herons"
  table_type    = "EXTERNAL_TABLE"

  storage_descriptor {
    location = "s3://birds/herons"

    columns {
      name = "name"
      type = "string"
    }
  }
}

resource "aws_glue_crawler" "birds" {
  name          = "birds"
  database_name = aws_glue_catalog_database.birds.name
  role          = "arn:aws:iam::111122223333:role/glue"
  description   = var.edited ? "All birds" : "Birds"

  s3_target {
    path = "s3://birds"
  }

  tags = { team = "birds" }
}

resource "aws_glue_job" "count" {
  name        = "count"
  role_arn    = "arn:aws:iam::111122223333:role/glue"
  max_retries = var.edited ? 1 : 0

  command {
    script_location = "s3://birds/count.py"
  }

  tags = { team = "birds" }
}

resource "aws_glue_registry" "schemas" {
  registry_name = "schemas"
  description   = var.edited ? "All schemas" : "Schemas"
}
