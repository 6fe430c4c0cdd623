resource "aws_evidently_project" "birds" {
  name        = "birds"
  description = var.edited ? "All birds" : "Birds"
  tags        = { team = "birds" }
}

resource "aws_evidently_segment" "herons" {
  name        = "herons"
  description = "Herons"
  pattern     = jsonencode({ kind = ["heron"] })
  tags        = { team = var.edited ? "herons" : "birds" }
}

resource "aws_evidently_feature" "blue" {
  name        = "blue"
  project     = aws_evidently_project.birds.name
  description = var.edited ? "All blue" : "Blue"

  variations {
    name = "on"
    value {
      string_value = "yes"
    }
  }
}
