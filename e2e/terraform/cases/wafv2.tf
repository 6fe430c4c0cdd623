resource "aws_wafv2_ip_set" "office" {
  name               = "office"
  description        = var.edited ? "The office" : "Office"
  scope              = "REGIONAL"
  ip_address_version = "IPV4"
  addresses          = var.edited ? ["203.0.113.0/24", "198.51.100.0/24"] : ["203.0.113.0/24"]
  tags               = { team = "birds" }
}

resource "aws_wafv2_web_acl" "site" {
  name        = "site"
  description = var.edited ? "The site" : "Site"
  scope       = "REGIONAL"

  default_action {
    allow {}
  }

  visibility_config {
    cloudwatch_metrics_enabled = false
    metric_name                = "site"
    sampled_requests_enabled   = var.edited
  }

  tags = { team = "birds" }
}

resource "aws_wafv2_regex_pattern_set" "paths" {
  name        = "paths"
  description = var.edited ? "All paths" : "Paths"
  scope       = "REGIONAL"

  regular_expression {
    regex_string = "^/birds"
  }
}
