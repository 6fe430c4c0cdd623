# proxy
# seconds: 200
resource "aws_s3_bucket" "dags" {
  bucket = "birds-dags"
}

resource "aws_mwaa_environment" "birds" {
  name               = "birds"
  airflow_version    = var.edited ? "2.10.3" : "2.10.1"
  dag_s3_path        = "dags/"
  source_bucket_arn  = aws_s3_bucket.dags.arn
  execution_role_arn = "arn:aws:iam::111122223333:role/airflow"
  environment_class  = "mw1.small"
  max_workers        = var.edited ? 5 : 3

  airflow_configuration_options = {
    "core.parallelism" = "8"
  }

  logging_configuration {
    worker_logs {
      enabled   = var.edited
      log_level = "WARNING"
    }
  }

  network_configuration {
    security_group_ids = ["sg-0123456789abcdef0"]
    subnet_ids         = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  }

  tags = { team = var.edited ? "herons" : "birds" }
}
