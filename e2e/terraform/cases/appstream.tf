resource "aws_appstream_stack" "desk" {
  name        = "desk"
  description = var.edited ? "The desk" : "Desk"
  tags        = { team = "birds" }
}

resource "aws_appstream_user" "heron" {
  authentication_type = "USERPOOL"
  user_name           = "heron@example.com"
  first_name          = "Blue"
  last_name           = "Heron"
  enabled             = !var.edited
}
