resource "aws_redshiftserverless_namespace" "birds" {
  namespace_name = "birds"
  db_name        = "birds"
  log_exports    = var.edited ? ["userlog", "connectionlog"] : ["userlog"]
  tags           = { team = "birds" }
}

resource "aws_redshiftserverless_workgroup" "birds" {
  namespace_name = aws_redshiftserverless_namespace.birds.namespace_name
  workgroup_name = "birds"
  base_capacity  = var.edited ? 64 : 32
  tags           = { team = "birds" }
}
