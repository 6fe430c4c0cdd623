resource "aws_secretsmanager_secret" "key" {
  name                    = "key"
  description             = var.edited ? null : "A key"
  recovery_window_in_days = 0
  tags                    = { team = "birds" }
}

resource "aws_secretsmanager_secret_version" "key" {
  secret_id     = aws_secretsmanager_secret.key.id
  secret_string = jsonencode({ key = var.edited ? "grey" : "blue" })
}

resource "aws_secretsmanager_secret_policy" "key" {
  secret_arn = aws_secretsmanager_secret.key.arn
  policy     = jsonencode({ Version = "2012-10-17", Statement = [{ Sid = "Read", Effect = "Allow", Principal = { AWS = "arn:aws:iam::111122223333:root" }, Action = "secretsmanager:GetSecretValue", Resource = "*" }] })
}
