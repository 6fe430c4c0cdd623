resource "aws_networkfirewall_rule_group" "web" {
  name        = "web"
  description = var.edited ? "The web" : "Web"
  capacity    = 100
  type        = "STATEFUL"

  rule_group {
    rules_source {
      rules_source_list {
        generated_rules_type = "DENYLIST"
        target_types         = ["HTTP_HOST"]
        targets              = ["cats.example.com"]
      }
    }
  }

  tags = { team = "birds" }
}

resource "aws_networkfirewall_firewall_policy" "birds" {
  name        = "birds"
  description = var.edited ? "All birds" : "Birds"

  firewall_policy {
    stateless_default_actions          = ["aws:forward_to_sfe"]
    stateless_fragment_default_actions = ["aws:drop"]

    stateful_rule_group_reference {
      resource_arn = aws_networkfirewall_rule_group.web.arn
    }
  }
}
