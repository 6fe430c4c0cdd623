resource "aws_athena_workgroup" "birds" {
  name        = "birds"
  description = var.edited ? "All birds" : "Birds"
  tags        = { team = "birds" }

  configuration {
    enforce_workgroup_configuration    = true
    publish_cloudwatch_metrics_enabled = var.edited

    result_configuration {
      output_location = "s3://results/birds/"
    }
  }
}

resource "aws_athena_named_query" "all" {
  name      = "all"
  workgroup = aws_athena_workgroup.birds.id
  database  = "birds"
  query     = "SELECT * FROM herons"
}

resource "aws_athena_data_catalog" "other" {
  name        = "other"
  description = var.edited ? "Second" : "First"
  type        = "GLUE"
  parameters  = { "catalog-id" = "111122223333" }
}
