resource "aws_dax_parameter_group" "birds" {
  name        = "birds"
  description = "Birds"

  parameters {
    name  = "query-ttl-millis"
    value = var.edited ? "200000" : "100000"
  }
}

resource "aws_dax_subnet_group" "birds" {
  name        = "birds"
  description = var.edited ? "All birds" : "Birds"
  subnet_ids  = ["subnet-0123456789abcdef0"]
}
