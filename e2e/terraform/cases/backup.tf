resource "aws_backup_vault" "birds" {
  name = "birds"
  tags = { team = var.edited ? "herons" : "birds" }
}

resource "aws_backup_plan" "daily" {
  name = "daily"

  rule {
    rule_name         = "daily"
    target_vault_name = aws_backup_vault.birds.name
    schedule          = "cron(0 12 * * ? *)"

    lifecycle {
      delete_after = var.edited ? 21 : 14
    }
  }
}

resource "aws_backup_selection" "all" {
  name         = "all"
  iam_role_arn = "arn:aws:iam::111122223333:role/backup"
  plan_id      = aws_backup_plan.daily.id
  resources    = ["arn:aws:dynamodb:us-east-1:111122223333:table/birds"]
}
