# seconds: 200
resource "aws_directory_service_directory" "birds" {
  name     = "corp.birds.example.com"
  password = "Blue-Heron-1"
  size     = "Small"

  vpc_settings {
    vpc_id     = "vpc-0123456789abcdef0"
    subnet_ids = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  }

  tags = { team = var.edited ? "herons" : "birds" }
}
