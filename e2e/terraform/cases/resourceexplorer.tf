resource "aws_resourceexplorer2_index" "here" {
  type = "LOCAL"
  tags = { team = var.edited ? "herons" : "birds" }
}

resource "aws_resourceexplorer2_view" "all" {
  name       = "all"
  tags       = { team = var.edited ? "herons" : "birds" }
  depends_on = [aws_resourceexplorer2_index.here]
}
