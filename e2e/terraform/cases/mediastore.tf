resource "aws_media_store_container" "films" {
  name = "films"
  tags = { team = var.edited ? "herons" : "birds" }
}
