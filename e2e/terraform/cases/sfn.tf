resource "aws_sfn_state_machine" "count" {
  name       = "count"
  role_arn   = "arn:aws:iam::111122223333:role/states"
  definition = jsonencode({ StartAt = "Count", States = { Count = { Type = "Pass", Comment = var.edited ? "twice" : "once", End = true } } })
  tags       = { team = "birds" }
}

resource "aws_sfn_activity" "ring" {
  name = "ring"
  tags = { team = var.edited ? "herons" : "birds" }
}
