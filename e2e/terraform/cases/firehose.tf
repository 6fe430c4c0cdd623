resource "aws_kinesis_firehose_delivery_stream" "birds" {
  name        = "birds"
  destination = "extended_s3"

  extended_s3_configuration {
    role_arn           = "arn:aws:iam::111122223333:role/firehose"
    bucket_arn         = "arn:aws:s3:::birds"
    buffering_size     = 10
    buffering_interval = var.edited ? 400 : 300
  }

  tags = { team = "birds" }
}
