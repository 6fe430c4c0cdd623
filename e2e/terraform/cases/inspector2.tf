resource "aws_inspector2_filter" "ours" {
  name        = "ours"
  action      = "NONE"
  description = var.edited ? "All ours" : "Ours"

  filter_criteria {
    aws_account_id {
      comparison = "EQUALS"
      value      = "111122223333"
    }
  }
}
