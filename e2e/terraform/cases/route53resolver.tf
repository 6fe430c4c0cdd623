resource "aws_route53_resolver_firewall_domain_list" "cats" {
  name    = "cats"
  domains = var.edited ? ["cats.example.com.", "lynx.example.com."] : ["cats.example.com."]
  tags    = { team = "birds" }
}

resource "aws_route53_resolver_firewall_rule_group" "no" {
  name = "no"
  tags = { team = var.edited ? "herons" : "birds" }
}

resource "aws_route53_resolver_query_log_config" "all" {
  name            = "all"
  destination_arn = "arn:aws:s3:::birds"
  tags            = { team = var.edited ? "herons" : "birds" }
}
