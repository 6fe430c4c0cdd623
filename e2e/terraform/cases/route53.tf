resource "aws_route53_zone" "birds" {
  name    = "birds.example.com"
  comment = var.edited ? "All birds" : "Birds"
  tags    = { team = "birds" }
}

resource "aws_route53_record" "www" {
  zone_id = aws_route53_zone.birds.zone_id
  name    = "www.birds.example.com"
  type    = "A"
  ttl     = var.edited ? 600 : 300
  records = ["203.0.113.7"]
}

resource "aws_route53_health_check" "www" {
  fqdn              = "www.birds.example.com"
  port              = 443
  type              = "HTTPS"
  resource_path     = var.edited ? "/healthy" : "/"
  failure_threshold = 5
  request_interval  = 30
  tags              = { Name = "www" }
}

resource "aws_route53_delegation_set" "ours" {
  reference_name = "ours"
}
