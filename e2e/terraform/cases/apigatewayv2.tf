resource "aws_apigatewayv2_api" "birds" {
  name          = "birds"
  protocol_type = "HTTP"
  description   = var.edited ? "All birds" : "Birds"
  tags          = { team = "birds" }
}

resource "aws_apigatewayv2_stage" "test" {
  api_id      = aws_apigatewayv2_api.birds.id
  name        = "test"
  auto_deploy = var.edited
}

resource "aws_apigatewayv2_integration" "web" {
  api_id             = aws_apigatewayv2_api.birds.id
  integration_type   = "HTTP_PROXY"
  integration_method = "GET"
  integration_uri    = "https://birds.example.com/${var.edited ? "v2" : "v1"}"
}

resource "aws_apigatewayv2_route" "get" {
  api_id    = aws_apigatewayv2_api.birds.id
  route_key = "GET /herons"
  target    = "integrations/${aws_apigatewayv2_integration.web.id}"
}
