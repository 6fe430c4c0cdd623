resource "aws_shield_protection" "site" {
  name         = "site"
  resource_arn = "arn:aws:ec2:us-east-1:111122223333:eip-allocation/eipalloc-0123456789abcdef0"
  tags         = { team = var.edited ? "herons" : "birds" }
}
