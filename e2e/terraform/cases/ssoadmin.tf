resource "aws_ssoadmin_permission_set" "read" {
  name             = "read"
  description      = var.edited ? "Read all" : "Read"
  instance_arn     = "arn:aws:sso:::instance/ssoins-1234567890abcdef"
  session_duration = "PT2H"
  tags             = { team = "birds" }
}

resource "aws_ssoadmin_managed_policy_attachment" "read" {
  instance_arn       = "arn:aws:sso:::instance/ssoins-1234567890abcdef"
  permission_set_arn = aws_ssoadmin_permission_set.read.arn
  managed_policy_arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
}
