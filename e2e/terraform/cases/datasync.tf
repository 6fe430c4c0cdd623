resource "aws_datasync_location_s3" "birds" {
  s3_bucket_arn = "arn:aws:s3:::birds"
  subdirectory  = "/herons"

  s3_config {
    bucket_access_role_arn = "arn:aws:iam::111122223333:role/sync"
  }

  tags = { team = var.edited ? "herons" : "birds" }
}
