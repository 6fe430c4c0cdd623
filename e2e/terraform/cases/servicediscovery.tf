resource "aws_service_discovery_http_namespace" "birds" {
  name        = "birds"
  description = "Birds"
  tags        = { team = var.edited ? "herons" : "birds" }
}

resource "aws_service_discovery_service" "heron" {
  name         = "heron"
  namespace_id = aws_service_discovery_http_namespace.birds.id
  description  = var.edited ? "All herons" : "Heron"
  type         = "HTTP"
}
