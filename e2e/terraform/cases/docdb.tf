resource "aws_docdb_cluster_parameter_group" "birds" {
  name        = "birds"
  family      = "docdb5.0"
  description = "Birds"
  tags        = { team = var.edited ? "herons" : "birds" }
}

resource "aws_docdb_subnet_group" "birds" {
  name       = "birds"
  subnet_ids = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  tags       = { team = var.edited ? "herons" : "birds" }
}
