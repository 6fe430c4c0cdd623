resource "aws_pinpoint_app" "birds" {
  name = "birds"

  limits {
    maximum_duration = var.edited ? 700 : 600
  }

  tags = { team = "birds" }
}
