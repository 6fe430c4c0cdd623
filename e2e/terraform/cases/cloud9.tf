resource "aws_cloud9_environment_ec2" "desk" {
  name          = "desk"
  description   = var.edited ? "Second desk" : "Desk"
  instance_type = "t3.micro"
  image_id      = "amazonlinux-2023-x86_64"
  tags          = { team = "birds" }
}
