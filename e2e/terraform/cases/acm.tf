resource "aws_acm_certificate" "site" {
  domain_name       = "birds.example.com"
  validation_method = "DNS"
  tags              = { team = var.edited ? "herons" : "birds" }
}
