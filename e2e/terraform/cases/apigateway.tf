resource "aws_api_gateway_rest_api" "birds" {
  name        = "birds"
  description = var.edited ? "All birds" : "Birds"
  tags        = { team = "birds" }

  endpoint_configuration {
    types = ["REGIONAL"]
  }
}

resource "aws_api_gateway_resource" "herons" {
  rest_api_id = aws_api_gateway_rest_api.birds.id
  parent_id   = aws_api_gateway_rest_api.birds.root_resource_id
  path_part   = "herons"
}

resource "aws_api_gateway_method" "get" {
  rest_api_id   = aws_api_gateway_rest_api.birds.id
  resource_id   = aws_api_gateway_resource.herons.id
  http_method   = "GET"
  authorization = "NONE"
}

resource "aws_api_gateway_integration" "mock" {
  rest_api_id       = aws_api_gateway_rest_api.birds.id
  resource_id       = aws_api_gateway_resource.herons.id
  http_method       = aws_api_gateway_method.get.http_method
  type              = "MOCK"
  request_templates = { "application/json" = "{\"statusCode\": 200}" }
}

resource "aws_api_gateway_deployment" "first" {
  rest_api_id = aws_api_gateway_rest_api.birds.id
  depends_on  = [aws_api_gateway_integration.mock]
}

resource "aws_api_gateway_stage" "test" {
  rest_api_id   = aws_api_gateway_rest_api.birds.id
  deployment_id = aws_api_gateway_deployment.first.id
  stage_name    = "test"
  variables     = { bird = var.edited ? "grebe" : "heron" }
}

resource "aws_api_gateway_api_key" "visitor" {
  name        = "visitor"
  description = var.edited ? "Known visitor" : "Visitor"
}

resource "aws_api_gateway_usage_plan" "visitors" {
  name = "visitors"

  throttle_settings {
    burst_limit = var.edited ? 20 : 10
    rate_limit  = 5
  }
}
