resource "aws_lightsail_static_ip" "web" {
  name = "web"
}

resource "aws_lightsail_instance" "web" {
  name              = "web-1"
  availability_zone = "us-east-1a"
  blueprint_id      = "amazon_linux_2023"
  bundle_id         = "nano_3_0"
  tags              = { team = var.edited ? "herons" : "birds" }
}

resource "aws_lightsail_bucket" "files" {
  name      = "birds-files"
  bundle_id = "small_1_0"
  tags      = { team = var.edited ? "herons" : "birds" }
}
