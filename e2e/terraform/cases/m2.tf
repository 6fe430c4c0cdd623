# seconds: 120
resource "aws_m2_application" "old" {
  name        = "old"
  engine_type = "bluage"
  description = var.edited ? "Very old" : "Old"

  definition {
    content = jsonencode({ "template-version" = "2.0", "source-locations" = [] })
  }

  tags = { team = "birds" }
}
