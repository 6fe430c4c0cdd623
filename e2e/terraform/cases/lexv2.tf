resource "aws_lexv2models_bot" "heron" {
  name                        = "heron"
  description                 = var.edited ? "All herons" : "Heron"
  idle_session_ttl_in_seconds = 60
  role_arn                    = "arn:aws:iam::111122223333:role/lex"

  data_privacy {
    child_directed = false
  }

  tags = { team = "birds" }
}
