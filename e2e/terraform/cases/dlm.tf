resource "aws_dlm_lifecycle_policy" "daily" {
  description        = var.edited ? "Every day" : "Daily"
  execution_role_arn = "arn:aws:iam::111122223333:role/dlm"
  state              = "ENABLED"

  policy_details {
    resource_types = ["VOLUME"]
    target_tags    = { backup = "true" }

    schedule {
      name      = "two weeks"
      copy_tags = false

      create_rule {
        interval      = 24
        interval_unit = "HOURS"
        times         = ["23:45"]
      }

      retain_rule {
        count = var.edited ? 21 : 14
      }
    }
  }

  tags = { team = "birds" }
}
