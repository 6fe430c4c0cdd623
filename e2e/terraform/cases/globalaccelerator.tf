resource "aws_globalaccelerator_accelerator" "birds" {
  name            = var.edited ? "herons" : "birds"
  ip_address_type = "IPV4"
  enabled         = true
  tags            = { team = "birds" }
}

resource "aws_globalaccelerator_listener" "web" {
  accelerator_arn = aws_globalaccelerator_accelerator.birds.arn
  client_affinity = "SOURCE_IP"
  protocol        = "TCP"

  port_range {
    from_port = var.edited ? 443 : 80
    to_port   = 443
  }
}
