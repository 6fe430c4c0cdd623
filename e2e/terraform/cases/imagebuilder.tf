resource "aws_imagebuilder_component" "birds" {
  name     = "birds"
  platform = "Linux"
  version  = "1.0.0"
  data     = yamlencode({ schemaVersion = 1.0, phases = [{ name = "build", steps = [{ name = "hello", action = "ExecuteBash", inputs = { commands = ["echo hello"] } }] }] })
  tags     = { team = var.edited ? "herons" : "birds" }
}

resource "aws_imagebuilder_infrastructure_configuration" "small" {
  name                  = "small"
  description           = var.edited ? "Smaller" : "Small"
  instance_profile_name = "builder"
  instance_types        = ["t3.micro"]
  tags                  = { team = "birds" }
}

resource "aws_imagebuilder_distribution_configuration" "here" {
  name        = "here"
  description = var.edited ? "Right here" : "Here"

  distribution {
    region = "us-east-1"
    ami_distribution_configuration {
      name = "birds-{{ imagebuilder:buildDate }}"
    }
  }
}
