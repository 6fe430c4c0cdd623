# proxy
# seconds: 200
resource "aws_mwaa_environment" "birds" {
  name               = "birds"
  airflow_version    = "2.10.1"
  dag_s3_path        = "dags/"
  source_bucket_arn  = "arn:aws:s3:::birds-dags"
  execution_role_arn = "arn:aws:iam::111122223333:role/airflow"
  environment_class  = "mw1.small"
  max_workers        = var.edited ? 5 : 3

  network_configuration {
    security_group_ids = ["sg-0123456789abcdef0"]
    subnet_ids         = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  }

  tags = { team = "birds" }
}
