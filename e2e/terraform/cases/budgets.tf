resource "aws_budgets_budget" "month" {
  name         = "month"
  budget_type  = "COST"
  limit_amount = var.edited ? "200.0" : "100.0"
  limit_unit   = "USD"
  time_unit    = "MONTHLY"
}
