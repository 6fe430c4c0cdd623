resource "aws_verifiedpermissions_policy_store" "birds" {
  description = var.edited ? "All birds" : "Birds"

  validation_settings {
    mode = "OFF"
  }
}

resource "aws_verifiedpermissions_policy" "all" {
  policy_store_id = aws_verifiedpermissions_policy_store.birds.id

  definition {
    static {
      description = "All"
      statement   = "permit (principal, action == Action::\"view\", resource);"
    }
  }
}
