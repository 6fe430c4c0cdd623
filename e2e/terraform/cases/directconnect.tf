resource "aws_dx_gateway" "birds" {
  name            = var.edited ? "herons" : "birds"
  amazon_side_asn = "64512"
}

resource "aws_dx_lag" "birds" {
  name                  = var.edited ? "herons" : "birds"
  connections_bandwidth = "1Gbps"
  location              = "EqDC2"
  force_destroy         = true
}
