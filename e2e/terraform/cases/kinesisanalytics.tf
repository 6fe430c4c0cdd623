resource "aws_kinesisanalyticsv2_application" "birds" {
  name                   = "birds"
  runtime_environment    = "FLINK-1_18"
  service_execution_role = "arn:aws:iam::111122223333:role/analytics"
  description            = "Birds"

  application_configuration {
    application_code_configuration {
      code_content {
        s3_content_location {
          bucket_arn = "arn:aws:s3:::birds"
          file_key   = var.edited ? "second.jar" : "first.jar"
        }
      }

      code_content_type = "ZIPFILE"
    }
  }

  tags = { team = "birds" }
}
