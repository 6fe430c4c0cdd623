resource "aws_rolesanywhere_profile" "office" {
  name             = var.edited ? "office-2" : "office"
  role_arns        = ["arn:aws:iam::111122223333:role/heron"]
  duration_seconds = 3600
  tags             = { team = "birds" }
}
