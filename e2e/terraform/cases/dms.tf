resource "aws_dms_replication_subnet_group" "birds" {
  replication_subnet_group_id          = "birds"
  replication_subnet_group_description = var.edited ? "All birds" : "Birds"
  subnet_ids                           = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  tags                                 = { team = "birds" }
}

resource "aws_dms_endpoint" "source" {
  endpoint_id   = "source"
  endpoint_type = "source"
  engine_name   = "mysql"
  server_name   = "db.example.com"
  port          = var.edited ? 3307 : 3306
  username      = "heron"
  password      = "blue-heron"
  database_name = "birds"
}
