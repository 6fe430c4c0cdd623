resource "aws_media_convert_queue" "films" {
  name        = "films"
  description = var.edited ? "All films" : "Films"
  tags        = { team = "birds" }
}
