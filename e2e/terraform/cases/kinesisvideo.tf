resource "aws_kinesis_video_stream" "nest" {
  name                    = "nest"
  data_retention_in_hours = var.edited ? 2 : 1
  device_name             = "camera"
  media_type              = "video/h264"
  tags                    = { team = "birds" }
}
