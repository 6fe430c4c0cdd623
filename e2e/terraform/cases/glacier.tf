resource "aws_glacier_vault" "birds" {
  name = "birds"
  tags = { team = var.edited ? "herons" : "birds" }
}
