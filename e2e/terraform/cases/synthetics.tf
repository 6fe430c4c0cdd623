resource "aws_synthetics_group" "birds" {
  name = "birds"
  tags = { team = var.edited ? "herons" : "birds" }
}
