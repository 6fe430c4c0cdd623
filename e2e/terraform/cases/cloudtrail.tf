resource "aws_cloudtrail" "all" {
  name                          = "all"
  s3_bucket_name                = "trails"
  include_global_service_events = var.edited
  tags                          = { team = "birds" }
}

resource "aws_cloudtrail_event_data_store" "lake" {
  name                           = "lake"
  retention_period               = var.edited ? 14 : 7
  termination_protection_enabled = false
}
