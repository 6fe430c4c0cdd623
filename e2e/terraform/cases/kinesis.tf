resource "aws_kinesis_stream" "birds" {
  name             = "birds"
  shard_count      = 1
  retention_period = var.edited ? 48 : 24
  tags             = { team = "birds" }

  stream_mode_details {
    stream_mode = "PROVISIONED"
  }
}

resource "aws_kinesis_stream_consumer" "reader" {
  name       = "reader"
  stream_arn = aws_kinesis_stream.birds.arn
}
