resource "aws_appsync_graphql_api" "birds" {
  name                = var.edited ? "all-birds" : "birds"
  authentication_type = "API_KEY"
  tags                = { team = "birds" }
}

resource "aws_appsync_datasource" "none" {
  api_id      = aws_appsync_graphql_api.birds.id
  name        = "none"
  type        = "NONE"
  description = var.edited ? "Nothing" : "None"
}

resource "aws_appsync_api_key" "visitor" {
  api_id      = aws_appsync_graphql_api.birds.id
  description = var.edited ? "Known visitor" : "Visitor"
}
