resource "aws_detective_graph" "birds" {
  tags = { team = var.edited ? "herons" : "birds" }
}
