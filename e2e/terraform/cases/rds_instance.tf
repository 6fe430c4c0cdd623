# seconds: 240
resource "aws_db_instance" "birds" {
  identifier          = "birds"
  engine              = "postgres"
  engine_version      = "16.3"
  instance_class      = "db.t3.micro"
  allocated_storage   = var.edited ? 30 : 20
  username            = "heron"
  password            = "blue-heron"
  skip_final_snapshot = true
  apply_immediately   = true
  tags                = { team = "birds" }
}

resource "aws_rds_cluster" "flock" {
  cluster_identifier      = "flock"
  engine                  = "aurora-postgresql"
  engine_version          = "16.3"
  master_username         = "heron"
  master_password         = "blue-heron"
  skip_final_snapshot     = true
  apply_immediately       = true
  backup_retention_period = var.edited ? 3 : 2
  tags                    = { team = "birds" }
}
