resource "aws_neptune_parameter_group" "birds" {
  name        = "birds"
  family      = "neptune1.3"
  description = "Birds"
  tags        = { team = var.edited ? "herons" : "birds" }
}

resource "aws_neptune_subnet_group" "birds" {
  name       = "birds"
  subnet_ids = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  tags       = { team = var.edited ? "herons" : "birds" }
}
