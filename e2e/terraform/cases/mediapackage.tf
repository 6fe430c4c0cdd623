resource "aws_media_package_channel" "nest" {
  channel_id  = "nest"
  description = var.edited ? "The nest" : "Nest"
  tags        = { team = "birds" }
}
