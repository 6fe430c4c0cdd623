resource "aws_db_subnet_group" "birds" {
  name        = "birds"
  description = var.edited ? "All birds" : "Birds"
  subnet_ids  = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  tags        = { team = "birds" }
}

resource "aws_db_parameter_group" "birds" {
  name   = "birds"
  family = "postgres16"

  parameter {
    name  = "log_statement"
    value = var.edited ? "ddl" : "all"
  }

  tags = { team = "birds" }
}

resource "aws_rds_cluster_parameter_group" "birds" {
  name        = "birds-cluster"
  family      = "aurora-postgresql16"
  description = "Birds"
  tags        = { team = var.edited ? "herons" : "birds" }
}

resource "aws_db_option_group" "birds" {
  name                     = "birds"
  option_group_description = "Birds"
  engine_name              = "mysql"
  major_engine_version     = "8.0"
  tags                     = { team = var.edited ? "herons" : "birds" }
}

resource "aws_db_event_subscription" "all" {
  name             = "all"
  sns_topic        = "arn:aws:sns:us-east-1:111122223333:birds"
  source_type      = "db-instance"
  enabled          = !var.edited
  event_categories = ["availability"]
  tags             = { team = "birds" }
}
