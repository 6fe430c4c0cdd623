resource "aws_waf_ipset" "friends" {
  name = "friends"

  ip_set_descriptors {
    type  = "IPV4"
    value = var.edited ? "192.0.8.0/24" : "192.0.7.0/24"
  }
}

resource "aws_wafregional_ipset" "friends" {
  name = "friends"

  ip_set_descriptor {
    type  = "IPV4"
    value = var.edited ? "192.0.8.0/24" : "192.0.7.0/24"
  }
}
