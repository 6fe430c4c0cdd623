resource "aws_config_configuration_recorder" "all" {
  name     = "all"
  role_arn = "arn:aws:iam::111122223333:role/config"

  recording_group {
    all_supported                 = true
    include_global_resource_types = var.edited
  }
}

resource "aws_config_config_rule" "versions" {
  name        = "versions"
  description = var.edited ? "All versions" : "Versions"

  source {
    owner             = "AWS"
    source_identifier = "S3_BUCKET_VERSIONING_ENABLED"
  }

  tags       = { team = "birds" }
  depends_on = [aws_config_configuration_recorder.all]
}

resource "aws_config_aggregate_authorization" "other" {
  account_id = "444455556666"
  region     = "eu-west-1"
  tags       = { team = var.edited ? "herons" : "birds" }
}
